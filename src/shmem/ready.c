/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  The ready index: the heads of the lanes in shared memory.
 *
 * See ready.h for what always holds.  One lock protects everything; each
 * operation is a few hash probes and heap steps.
 *
 * A refill reads the table with a snapshot, so commits that happen meanwhile
 * are lost on it.  Therefore, between begin and end, a commit at or beyond the
 * mark lowers "lowered", and the end stores the lower one of that and of the
 * last key read.  Keys between them may then be read twice, which is harmless.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "base/guc.h"
#include "shmem/ready.h"
#include "shmem/shmem.h"

/* Rows read by one refill, unless room is short. */
#define REFILL_ROWS		4096

/* Compared as bytes, so there must be no padding. */
typedef struct LaneKey
{
	int64		lane;
	int64		database;
} LaneKey;

typedef struct Lane
{
	LaneKey		key;
	pairingheap heap;
	int			count;
	bool		complete;		/* mark is above every key */
	TqReadyKey	mark;
	int			refiller;		/* pid; 0: no refill is under way */
	bool		lowered_valid;
	TqReadyKey	lowered;
} Lane;

typedef struct Entry
{
	pairingheap_node node;		/* of a lane's heap, or next free entry */
	TqReadyKey	key;
} Entry;

typedef struct ReadyIndex
{
	int			nfree;
	int			nlanes;
	uint64		activity;
	pairingheap_node *free;		/* linked through next_sibling */
	Entry		entries[FLEXIBLE_ARRAY_MEMBER];
} ReadyIndex;

static ReadyIndex *ready = NULL;
static HTAB *lane_hash = NULL;

/* The refill of this backend. */
static bool refilling = false;
static LaneKey refill_lane;

static const TqReadyKey lowest_key = {PG_INT32_MIN, PG_INT64_MIN, PG_INT64_MIN};

static int
compare(const TqReadyKey *a, const TqReadyKey *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->run_at != b->run_at)
		return a->run_at < b->run_at ? -1 : 1;
	if (a->task_id != b->task_id)
		return a->task_id < b->task_id ? -1 : 1;
	return 0;
}

/* The heap's root is its largest element, hence the turned sign. */
static int
compare_entries(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	return compare(&((const Entry *) b)->key, &((const Entry *) a)->key);
}

static int
max_lanes(void)
{
	return Max(1024, tq_ready_capacity / 16);
}

Size
tq_ready_shmem_size(void)
{
	return add_size(offsetof(ReadyIndex, entries), mul_size(tq_ready_capacity, sizeof(Entry)));
}

Size
tq_ready_hash_size(void)
{
	return hash_estimate_size(max_lanes(), sizeof(Lane));
}

void
tq_ready_shmem_attach(void *memory, bool found)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(LaneKey);
	ctl.entrysize = sizeof(Lane);
	lane_hash = ShmemInitHash("task_queue lanes", max_lanes(), max_lanes(), &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	ready = memory;
	if (found)
		return;
	memset(ready, 0, offsetof(ReadyIndex, entries));
	for (int i = tq_ready_capacity - 1; i >= 0; i--)
	{
		ready->entries[i].node.next_sibling = ready->free;
		ready->free = &ready->entries[i].node;
	}
	ready->nfree = tq_ready_capacity;
}

static void
lock(LWLockMode mode)
{
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_READY), mode);
}

static void
unlock(void)
{
	LWLockRelease(tq_shmem_lock(TQ_LOCK_READY));
}

static LaneKey
lane_key(Oid database, int64 lane)
{
	LaneKey		key = {.lane = lane, .database = database};

	return key;
}

static void
release_entries(Lane *lane)
{
	while (!pairingheap_is_empty(&lane->heap))
	{
		pairingheap_node *node = pairingheap_remove_first(&lane->heap);

		node->next_sibling = ready->free;
		ready->free = node;
		ready->nfree++;
	}
	lane->count = 0;
}

static void
reset(Lane *lane)
{
	release_entries(lane);
	lane->complete = false;
	lane->mark = lowest_key;
	if (lane->refiller != 0)
	{
		lane->lowered_valid = true;
		lane->lowered = lowest_key;
	}
}

/* NULL: no room for another lane; its tasks are then found by nobody but the sweep of a later day. */
static Lane *
find_or_make(Oid database, int64 id)
{
	LaneKey		key = lane_key(database, id);
	bool		found;
	Lane	   *lane = hash_search(lane_hash, &key, HASH_ENTER_NULL, &found);

	if (lane != NULL && !found)
	{
		pairingheap *heap = &lane->heap;

		heap->ph_compare = compare_entries;
		heap->ph_arg = NULL;
		heap->ph_root = NULL;
		lane->count = 0;
		lane->refiller = 0;
		lane->lowered_valid = false;
		lane->complete = false;
		lane->mark = lowest_key;
		ready->nlanes++;
	}
	return lane;
}

/* A lane may borrow from the pool as long as the others keep a small share each. */
static bool
may_grow(const Lane *lane)
{
	int			share = Max(64, tq_ready_capacity / (16 * Max(1, ready->nlanes)));

	if (ready->nfree == 0)
		return false;
	return lane->count < share || ready->nfree > tq_ready_capacity / 8;
}

static void
lower_mark(Lane *lane, const TqReadyKey *key)
{
	if (lane->complete || compare(key, &lane->mark) < 0)
	{
		lane->mark = *key;
		lane->complete = false;
	}
	if (lane->refiller != 0 &&
		(!lane->lowered_valid || compare(key, &lane->lowered) < 0))
	{
		lane->lowered = *key;
		lane->lowered_valid = true;
	}
}

static void
add_entry(Lane *lane, const TqReadyKey *key)
{
	Entry	   *entry = (Entry *) ready->free;

	ready->free = entry->node.next_sibling;
	ready->nfree--;
	entry->key = *key;
	pairingheap_add(&lane->heap, &entry->node);
	lane->count++;
}

static void
push(Lane *lane, const TqReadyKey *key)
{
	bool		below = lane->complete || compare(key, &lane->mark) < 0;

	ready->activity++;
	if (below && may_grow(lane))
		add_entry(lane, key);
	else
		lower_mark(lane, key);
}

void
tq_ready_push(Oid database, int64 id, const TqReadyKey *key)
{
	Lane	   *lane;

	lock(LW_EXCLUSIVE);
	lane = find_or_make(database, id);
	if (lane != NULL)
		push(lane, key);
	unlock();
}

void
tq_ready_lower_mark(Oid database, int64 id, const TqReadyKey *key)
{
	Lane	   *lane;

	lock(LW_EXCLUSIVE);
	lane = find_or_make(database, id);
	ready->activity++;
	if (lane != NULL)
		lower_mark(lane, key);
	unlock();
}

/* The first key that can be taken without looking at the table. */
static const TqReadyKey *
head(const Lane *lane)
{
	const Entry *first;

	if (lane->count == 0)
		return NULL;
	first = (const Entry *) lane->heap.ph_root;
	if (!lane->complete && compare(&first->key, &lane->mark) >= 0)
		return NULL;
	return &first->key;
}

static void
take_head(Lane *lane, TqReadyKey *key)
{
	pairingheap_node *node = pairingheap_remove_first(&lane->heap);

	*key = ((Entry *) node)->key;
	node->next_sibling = ready->free;
	ready->free = node;
	ready->nfree++;
	lane->count--;
}

/*
 * Look at a lane on behalf of a pop.  A lane whose table part may hold
 * something before its head must be refilled first; one that somebody else
 * refills is passed over, because that backend wakes another worker when it is
 * done.
 */
static const TqReadyKey *
peek(const Lane *lane, bool *needs_refill)
{
	const TqReadyKey *first = head(lane);

	*needs_refill = first == NULL && !lane->complete && lane->refiller == 0;
	return *needs_refill ? &lane->mark : first;
}

/* Among lanes of the same priority the turn goes round, if there is one; else the whole key decides. */
static bool
goes_before(const TqReadyKey *a, const TqReadyKey *b, bool turns)
{
	if (b == NULL)
		return true;
	return turns ? a->priority < b->priority : compare(a, b) < 0;
}

TqPopResult
tq_ready_pop(Oid database, const int64 *lanes, int nlanes, int turn, TqReadyKey *key,
			 int *index, bool *more)
{
	Lane	   *best = NULL;
	const TqReadyKey *best_key = NULL;
	bool		best_needs_refill = false;
	int			candidates = 0;
	TqPopResult result = TQ_POP_EMPTY;

	lock(LW_EXCLUSIVE);
	for (int i = 0; i < nlanes; i++)
	{
		int			at = turn >= 0 ? (turn + i) % nlanes : i;
		Lane	   *lane = find_or_make(database, lanes[at]);
		bool		needs_refill;
		const TqReadyKey *first = lane ? peek(lane, &needs_refill) : NULL;

		if (first == NULL)
			continue;
		candidates++;
		if (goes_before(first, best_key, turn >= 0))
		{
			best = lane;
			best_key = first;
			best_needs_refill = needs_refill;
			*index = at;
		}
	}
	if (best != NULL && best_needs_refill)
		result = TQ_POP_REFILL;
	else if (best != NULL)
	{
		take_head(best, key);
		*more = candidates > 1 || best->count > 0 || !best->complete;
		result = TQ_POP_GOT;
	}
	unlock();
	return result;
}

bool
tq_ready_refill_begin(Oid database, int64 id, TqReadyKey *from, int *max)
{
	Lane	   *lane;
	bool		ok = false;

	lock(LW_EXCLUSIVE);
	lane = find_or_make(database, id);
	if (lane != NULL && lane->refiller == 0 && !lane->complete && head(lane) == NULL)
	{
		int			share = Max(64, tq_ready_capacity / (16 * Max(1, ready->nlanes)));

		/* What is in the heap beyond the mark will be read again. */
		release_entries(lane);
		lane->refiller = MyProcPid;
		lane->lowered_valid = false;
		*from = lane->mark;
		*max = Min(REFILL_ROWS, Max(share, ready->nfree / 4));
		*max = Max(1, Min(*max, ready->nfree));
		refill_lane = lane->key;
		refilling = true;
		ok = true;
	}
	unlock();
	return ok;
}

void
tq_ready_refill_end(Oid database, int64 id, const TqReadyKey *keys, int nkeys, bool exhausted)
{
	LaneKey		key = lane_key(database, id);
	Lane	   *lane;
	int			placed = 0;

	lock(LW_EXCLUSIVE);
	lane = hash_search(lane_hash, &key, HASH_FIND, NULL);
	if (lane != NULL && lane->refiller == MyProcPid)
	{
		while (placed < nkeys && ready->nfree > 0)
			add_entry(lane, &keys[placed++]);
		lane->complete = exhausted && placed == nkeys;
		if (!lane->complete)
		{
			/* The mark is the first key that was not placed, or just beyond the last one. */
			lane->mark = placed < nkeys ? keys[placed] : keys[nkeys - 1];
			if (placed == nkeys)
				lane->mark.task_id++;
		}
		lane->refiller = 0;
		if (lane->lowered_valid)
			lower_mark(lane, &lane->lowered);
		lane->lowered_valid = false;
	}
	refilling = false;
	unlock();
}

/* Nothing was read, so what the heap lost must be found again: the mark stands. */
void
tq_ready_refill_cancel(void)
{
	Lane	   *lane;

	if (!refilling)
		return;
	lock(LW_EXCLUSIVE);
	lane = hash_search(lane_hash, &refill_lane, HASH_FIND, NULL);
	if (lane != NULL && lane->refiller == MyProcPid)
	{
		lane->refiller = 0;
		if (lane->lowered_valid)
			lower_mark(lane, &lane->lowered);
		lane->lowered_valid = false;
	}
	refilling = false;
	unlock();
}

bool
tq_ready_has_work(Oid database, const int64 *lanes, int nlanes)
{
	bool		work = false;

	lock(LW_SHARED);
	for (int i = 0; i < nlanes && !work; i++)
	{
		LaneKey		key = lane_key(database, lanes[i]);
		Lane	   *lane = hash_search(lane_hash, &key, HASH_FIND, NULL);

		work = lane == NULL || lane->count > 0 || !lane->complete;
	}
	unlock();
	return work;
}

uint64
tq_ready_activity(void)
{
	uint64		activity;

	lock(LW_SHARED);
	activity = ready->activity;
	unlock();
	return activity;
}

void
tq_ready_reset(Oid database, bool forget)
{
	HASH_SEQ_STATUS seq;
	Lane	   *lane;

	lock(LW_EXCLUSIVE);
	hash_seq_init(&seq, lane_hash);
	while ((lane = hash_seq_search(&seq)) != NULL)
	{
		if (lane->key.database != database)
			continue;
		reset(lane);
		if (forget && lane->refiller == 0)
		{
			hash_search(lane_hash, &lane->key, HASH_REMOVE, NULL);
			ready->nlanes--;
		}
	}
	unlock();
}
