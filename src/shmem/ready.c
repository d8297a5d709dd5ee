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

#include "base/guc.h"
#include "shmem/lanes.h"
#include "shmem/ready.h"
#include "shmem/shmem.h"

/* Rows read by one refill, unless room is short. */
#define REFILL_ROWS		4096

/* What a lane can always have, unless there are too many. */
#define MIN_ROWS		64

typedef struct ReadyIndex
{
	int			nfree;
	uint64		activity;
	pairingheap_node *free;		/* linked through next_sibling */
	TqReadyEntry entries[FLEXIBLE_ARRAY_MEMBER];
} ReadyIndex;

static ReadyIndex *ready = NULL;

/* The refill of this backend. */
static bool refilling = false;
static Oid	refill_database;
static int64 refill_lane;

static void
release(pairingheap_node *node)
{
	node->next_sibling = ready->free;
	ready->free = node;
	ready->nfree++;
}

Size
tq_ready_shmem_size(void)
{
	return add_size(offsetof(ReadyIndex, entries), mul_size(tq_ready_capacity, sizeof(TqReadyEntry)));
}

Size
tq_ready_hash_size(void)
{
	return tq_lanes_hash_size();
}

void
tq_ready_shmem_attach(void *memory, bool found)
{
	tq_lanes_attach();
	ready = memory;
	if (found)
		return;
	memset(ready, 0, offsetof(ReadyIndex, entries));
	for (int i = tq_ready_capacity - 1; i >= 0; i--)
		release(&ready->entries[i].node);
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

static void
release_entries(TqLaneHead *lane)
{
	while (!pairingheap_is_empty(&lane->heap))
		release(pairingheap_remove_first(&lane->heap));
	lane->count = 0;
}

static void
reset(TqLaneHead *lane)
{
	release_entries(lane);
	lane->complete = false;
	lane->mark = tq_lowest_key;
	if (lane->refiller != 0)
	{
		lane->lowered_valid = true;
		lane->lowered = tq_lowest_key;
	}
}

/*
 * Without room for another lane some that are at rest are forgotten; they start
 * anew when they are asked for.
 */
static TqLaneHead *
find_or_make(Oid database, int64 id)
{
	TqLaneHead *lane = tq_lane_head_make(database, id);

	if (lane == NULL)
	{
		if (!tq_lane_heads_evict_empty(release_entries))
			tq_lane_heads_evict_all(release_entries);
		lane = tq_lane_head_make(database, id);
	}
	return lane;
}

/* There are never more lanes than entries. */
static int
min_rows(void)
{
	return Min(MIN_ROWS, tq_ready_capacity / Max(1, tq_lane_heads_count()));
}

static int
fair_share(void)
{
	return Max(min_rows(), tq_ready_capacity / (16 * Max(1, tq_lane_heads_count())));
}

/* A lane may borrow from the pool as long as the others keep a small share each. */
static bool
may_grow(const TqLaneHead *lane)
{
	if (ready->nfree == 0)
		return false;
	return lane->count < fair_share() || ready->nfree > tq_ready_capacity / 8;
}

/* Leave all but the first entries to the table. */
static void
shed(TqLaneHead *lane, int keep)
{
	pairingheap_node *kept = NULL;
	pairingheap_node *node;

	for (int i = 0; i < keep; i++)
	{
		node = pairingheap_remove_first(&lane->heap);
		node->next_sibling = kept;
		kept = node;
	}
	tq_lane_head_lower(lane, &((TqReadyEntry *) lane->heap.ph_root)->key);
	release_entries(lane);
	while ((node = kept) != NULL)
	{
		kept = node->next_sibling;
		pairingheap_add(&lane->heap, node);
		lane->count++;
	}
}

/*
 * Entries for a lane that is read, at the cost of the fullest others: nobody
 * may want those, while this one is asked for.  They keep their heads, or lanes
 * that are served together would have each other read again for ever.
 */
static void
make_room(const TqLaneHead *lane)
{
	TqLaneHead *fullest;

	while (ready->nfree < min_rows() &&
		   (fullest = tq_lane_head_fullest(lane)) != NULL && fullest->count > 1)
		shed(fullest, fullest->count / 2);
}

static void
add_entry(TqLaneHead *lane, const TqReadyKey *key)
{
	TqReadyEntry *entry = (TqReadyEntry *) ready->free;

	ready->free = entry->node.next_sibling;
	ready->nfree--;
	entry->key = *key;
	pairingheap_add(&lane->heap, &entry->node);
	lane->count++;
}

static void
push(TqLaneHead *lane, const TqReadyKey *key)
{
	bool		below = lane->complete || tq_ready_compare(key, &lane->mark) < 0;

	ready->activity++;
	if (below && may_grow(lane))
		add_entry(lane, key);
	else
		tq_lane_head_lower(lane, key);
}

void
tq_ready_push(Oid database, int64 id, const TqReadyKey *key)
{
	TqLaneHead *lane;

	lock(LW_EXCLUSIVE);
	lane = find_or_make(database, id);
	if (lane != NULL)
		push(lane, key);
	unlock();
}

void
tq_ready_lower_mark(Oid database, int64 id, const TqReadyKey *key)
{
	TqLaneHead *lane;

	lock(LW_EXCLUSIVE);
	lane = find_or_make(database, id);
	ready->activity++;
	if (lane != NULL)
		tq_lane_head_lower(lane, key);
	unlock();
}

/* The first key that can be taken without looking at the table. */
static const TqReadyKey *
head(const TqLaneHead *lane)
{
	const TqReadyEntry *first;

	if (lane->count == 0)
		return NULL;
	first = (const TqReadyEntry *) lane->heap.ph_root;
	if (!lane->complete && tq_ready_compare(&first->key, &lane->mark) >= 0)
		return NULL;
	return &first->key;
}

static void
take_head(TqLaneHead *lane, TqReadyKey *key)
{
	pairingheap_node *node = pairingheap_remove_first(&lane->heap);

	*key = ((TqReadyEntry *) node)->key;
	release(node);
	lane->count--;
}

/*
 * Look at a lane on behalf of a pop.  A lane whose table part may hold
 * something before its head must be refilled first; one that somebody else
 * refills is passed over, because that backend wakes another worker when it is
 * done.
 */
static const TqReadyKey *
peek(const TqLaneHead *lane, bool *needs_refill)
{
	const TqReadyKey *first;

	first = head(lane);
	*needs_refill = first == NULL && !lane->complete && lane->refiller == 0;
	return *needs_refill ? &lane->mark : first;
}

/* Among lanes of the same priority the turn goes round, if there is one; else the whole key decides. */
static bool
goes_before(const TqReadyKey *a, const TqReadyKey *b, bool turns)
{
	if (b == NULL)
		return true;
	return turns ? a->priority < b->priority : tq_ready_compare(a, b) < 0;
}

/*
 * No lane may be made or forgotten while heads are compared.  One that there
 * was no room for waits until the others have nothing left.
 */
TqPopResult
tq_ready_pop(Oid database, const int64 *lanes, int nlanes, int turn, TqReadyKey *key,
			 int *index, bool *more)
{
	TqLaneHead *best = NULL;
	const TqReadyKey *best_key = NULL;
	bool		best_needs_refill = false;
	int			candidates = 0;
	int			unknown = -1;
	TqPopResult result = TQ_POP_EMPTY;

	lock(LW_EXCLUSIVE);
	tq_lane_heads_make_all(database, lanes, nlanes, release_entries);
	for (int i = 0; i < nlanes; i++)
	{
		int			at = turn >= 0 ? (turn + i) % nlanes : i;
		TqLaneHead *lane = tq_lane_head_find(database, lanes[at]);
		bool		needs_refill;
		const TqReadyKey *first = lane ? peek(lane, &needs_refill) : NULL;

		if (lane == NULL && unknown < 0)
			unknown = at;
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
	if (best == NULL && unknown >= 0)
		*index = unknown;
	if (best_needs_refill || (best == NULL && unknown >= 0))
		result = TQ_POP_REFILL;
	else if (best != NULL)
	{
		take_head(best, key);
		*more = candidates > 1 || unknown >= 0 || best->count > 0 || !best->complete;
		result = TQ_POP_GOT;
	}
	unlock();
	return result;
}

bool
tq_ready_refill_begin(Oid database, int64 id, TqReadyKey *from, int *max)
{
	TqLaneHead *lane;
	bool		ok = false;

	lock(LW_EXCLUSIVE);
	lane = find_or_make(database, id);
	if (lane != NULL && lane->refiller == 0 && !lane->complete && head(lane) == NULL)
	{
		/* What is in the heap beyond the mark will be read again. */
		release_entries(lane);
		make_room(lane);
		lane->refiller = MyProcPid;
		lane->lowered_valid = false;
		*from = lane->mark;
		*max = Min(REFILL_ROWS, Max(fair_share(), ready->nfree / 4));
		*max = Max(1, Min(*max, ready->nfree));
		refill_database = database;
		refill_lane = id;
		refilling = true;
		ok = true;
	}
	unlock();
	return ok;
}

/* NULL: somebody has reset it, or another one refills it by now. */
static TqLaneHead *
refilled_lane(void)
{
	TqLaneHead *lane = tq_lane_head_find(refill_database, refill_lane);

	return lane != NULL && lane->refiller == MyProcPid ? lane : NULL;
}

/* What was committed meanwhile below the mark may be missing in what was read. */
static void
end_refill(TqLaneHead *lane)
{
	if (lane != NULL)
	{
		lane->refiller = 0;
		if (lane->lowered_valid)
			tq_lane_head_lower(lane, &lane->lowered);
		lane->lowered_valid = false;
	}
	refilling = false;
}

void
tq_ready_refill_end(const TqReadyKey *keys, int nkeys, bool exhausted)
{
	TqLaneHead *lane;
	int			placed = 0;

	lock(LW_EXCLUSIVE);
	lane = refilled_lane();
	if (lane != NULL)
	{
		while (placed < nkeys && ready->nfree > 0)
			add_entry(lane, &keys[placed++]);
		lane->complete = exhausted && placed == nkeys;
	}
	if (lane != NULL && !lane->complete)
	{
		/* The mark is the first key that was not placed, or just beyond the last one. */
		lane->mark = placed < nkeys ? keys[placed] : keys[nkeys - 1];
		if (placed == nkeys)
			lane->mark.task_id++;
	}
	end_refill(lane);
	unlock();
}

/* Nothing was read, so what the heap lost must be found again: the mark stands. */
void
tq_ready_refill_cancel(void)
{
	if (!refilling)
		return;
	lock(LW_EXCLUSIVE);
	end_refill(refilled_lane());
	unlock();
}

bool
tq_ready_has_room(int nlanes)
{
	return nlanes <= tq_lane_heads_max();
}

bool
tq_ready_has_work(Oid database, const int64 *lanes, int nlanes)
{
	bool		work = false;

	lock(LW_SHARED);
	for (int i = 0; i < nlanes && !work; i++)
	{
		const TqLaneHead *lane = tq_lane_head_find(database, lanes[i]);

		work = lane == NULL || lane->count > 0 || !lane->complete;
	}
	unlock();
	return work;
}

void
tq_ready_close(Oid database, int64 id, uint32 config_epoch)
{
	TqLaneHead *lane;

	lock(LW_EXCLUSIVE);
	lane = tq_lane_head_make(database, id);
	if (lane != NULL)
	{
		lane->closed = true;
		lane->closed_epoch = config_epoch;
	}
	unlock();
}

bool
tq_ready_is_closed(Oid database, int64 id, uint32 config_epoch)
{
	const TqLaneHead *lane;
	bool		closed;

	lock(LW_SHARED);
	lane = tq_lane_head_find(database, id);
	closed = lane != NULL && lane->closed && lane->closed_epoch == config_epoch;
	unlock();
	return closed;
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
	lock(LW_EXCLUSIVE);
	tq_lane_heads_visit(database, reset, forget);
	unlock();
}
