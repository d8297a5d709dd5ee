/*-------------------------------------------------------------------------
 *
 * lanes.c
 *	  What the ready index knows of each lane.
 *
 * Targets come and go (a worker's name can be one), so lanes that are at rest
 * make room for others.  A lane that was forgotten starts anew with a mark
 * below every key, which costs one look at the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "base/guc.h"
#include "shmem/lanes.h"

const TqReadyKey tq_lowest_key = {PG_INT32_MIN, PG_INT64_MIN, PG_INT64_MIN};

static HTAB *heads = NULL;

/* The heap's root is its largest element, hence the turned sign. */
static int
compare_entries(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	return tq_ready_compare(&((const TqReadyEntry *) b)->key, &((const TqReadyEntry *) a)->key);
}

int
tq_lane_heads_max(void)
{
	return Max(1024, tq_ready_capacity / 16);
}

Size
tq_lanes_hash_size(void)
{
	return hash_estimate_size(tq_lane_heads_max(), sizeof(TqLaneHead));
}

void
tq_lanes_attach(void)
{
	HASHCTL		ctl = {.keysize = sizeof(TqLaneKey), .entrysize = sizeof(TqLaneHead)};

	heads = ShmemInitHash("task_queue lanes", tq_lane_heads_max(), tq_lane_heads_max(), &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
}

TqLaneHead *
tq_lane_head_find(Oid database, int64 lane)
{
	TqLaneKey	key = {.lane = lane, .database = database};

	return hash_search(heads, &key, HASH_FIND, NULL);
}

TqLaneHead *
tq_lane_head_make(Oid database, int64 lane)
{
	TqLaneKey	key = {.lane = lane, .database = database};
	bool		found;
	TqLaneHead *head = hash_search(heads, &key, HASH_ENTER_NULL, &found);

	if (head != NULL && !found)
	{
		head->heap.ph_compare = compare_entries;
		head->heap.ph_arg = NULL;
		head->heap.ph_root = NULL;
		head->count = 0;
		head->refiller = 0;
		head->lowered_valid = false;
		head->complete = false;
		head->mark = tq_lowest_key;
		head->closed = false;
	}
	return head;
}

void
tq_lane_head_lower(TqLaneHead *lane, const TqReadyKey *key)
{
	if (lane->complete || tq_ready_compare(key, &lane->mark) < 0)
	{
		lane->mark = *key;
		lane->complete = false;
	}
	if (lane->refiller != 0 &&
		(!lane->lowered_valid || tq_ready_compare(key, &lane->lowered) < 0))
	{
		lane->lowered = *key;
		lane->lowered_valid = true;
	}
}

int
tq_lane_heads_count(void)
{
	return (int) hash_get_num_entries(heads);
}

static int
evict(bool only_empty, void (*empty) (TqLaneHead *lane))
{
	HASH_SEQ_STATUS seq;
	TqLaneHead *head;
	int			n = 0;

	hash_seq_init(&seq, heads);
	while ((head = hash_seq_search(&seq)) != NULL)
	{
		if (head->refiller != 0 || (only_empty && head->count > 0))
			continue;
		empty(head);
		(void) hash_search(heads, &head->key, HASH_REMOVE, NULL);
		n++;
	}
	return n;
}

bool
tq_lane_heads_evict_empty(void (*empty) (TqLaneHead *lane))
{
	return evict(true, empty) > 0;
}

void
tq_lane_heads_evict_all(void (*empty) (TqLaneHead *lane))
{
	(void) evict(false, empty);
}

/*
 * Room is made in two steps, the second of which leaves nobody else's lane; who
 * serves so many that they would push each other out has to do without it.
 * What was made before may go with the others, so it is looked at twice.
 */
void
tq_lane_heads_make_all(Oid database, const int64 *lanes, int nlanes, void (*empty) (TqLaneHead *lane))
{
	int			evictions = 0;

	for (int i = 0; i < 2 * nlanes; i++)
	{
		if (tq_lane_head_make(database, lanes[i % nlanes]) != NULL)
			continue;
		if (evictions == 0)
			(void) tq_lane_heads_evict_empty(empty);
		else if (evictions == 1 && nlanes <= tq_lane_heads_max() / 2)
			tq_lane_heads_evict_all(empty);
		else
			return;
		evictions++;
		(void) tq_lane_head_make(database, lanes[i % nlanes]);
	}
}

TqLaneHead *
tq_lane_head_fullest(const TqLaneHead *except)
{
	HASH_SEQ_STATUS seq;
	TqLaneHead *head;
	TqLaneHead *fullest = NULL;

	hash_seq_init(&seq, heads);
	while ((head = hash_seq_search(&seq)) != NULL)
	{
		if (head != except && head->refiller == 0 && head->count > 0 &&
			(fullest == NULL || head->count > fullest->count))
			fullest = head;
	}
	return fullest;
}

void
tq_lane_heads_visit(Oid database, void (*visit) (TqLaneHead *lane), bool forget)
{
	HASH_SEQ_STATUS seq;
	TqLaneHead *head;

	hash_seq_init(&seq, heads);
	while ((head = hash_seq_search(&seq)) != NULL)
	{
		if (head->key.database != database)
			continue;
		visit(head);
		if (forget && head->refiller == 0)
			(void) hash_search(heads, &head->key, HASH_REMOVE, NULL);
	}
}
