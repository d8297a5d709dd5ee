/*-------------------------------------------------------------------------
 *
 * lane.c
 *	  The list of lanes, cached per backend.
 *
 * A lane's id is a hash of what it stands for, so it needs no lookup and no
 * agreement between sessions; the table only tells claimers which lanes there
 * are.  What must stay true: a task that is visible has its lane in the table.
 *
 * The cache is the whole table, read with a snapshot of now and thrown away by
 * a relcache invalidation.  A transaction that adds a lane registers one (by a
 * trigger, so that restoring a dump does, too), in every subtransaction that
 * does so anew: a commit makes the others read the table again, an abort makes
 * this backend do so, which forgets the lanes that were rolled back.
 *
 * Locks: who uses a lane for a task holds RowExclusiveLock on the table until
 * its transaction ends (it is taken through the fast path and conflicts with
 * nothing but the next), who removes lanes takes ShareRowExclusiveLock and
 * never waits for it.  So no lane goes while an open transaction counts on
 * it, and who gets the lock afterwards has seen the invalidation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/owner.h"
#include "policy/lane.h"
#include "store/lane.h"
#include "store/plans.h"

/* Attribute numbers. */
enum
{
	COL_ID = 1,
	COL_KIND,
	COL_QUEUE,
	COL_HANDLER,
	COL_TARGET,
	NCOLS = 6
};

typedef struct LaneEntry
{
	int64		id;				/* hash key */
	TqLane	   *lane;
} LaneEntry;

static MemoryContext lane_context = NULL;	/* all of the cache */
static HTAB *lanes = NULL;		/* LaneEntry */
static TqLane *lane_array = NULL;	/* the same for tq_lane_list(), made when asked for */
static bool loaded = false;
static bool valid = false;		/* no invalidation since it was loaded */
static Oid	lane_relid = InvalidOid;

/* Which (sub)transaction has registered an invalidation already. */
static FullTransactionId registered_xid;
static SubTransactionId registered_subid = InvalidSubTransactionId;

static void
forget_lanes(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == lane_relid)
		valid = false;
}

void
tq_lane_init(void)
{
	CacheRegisterRelcacheCallback(forget_lanes, (Datum) 0);
}

static uint64
hash_part(uint64 seed, const char *text)
{
	if (text == NULL)
		return hash_bytes_extended((const unsigned char *) "", 0, ~seed);
	return hash_bytes_extended((const unsigned char *) text, strlen(text), seed);
}

/* The part of the id that says who is to be woken. */
static int
lane_class(char kind, const char *target)
{
	int			number;
	char		rest;

	if (kind == TQ_LANE_EXTERNAL)
		return TQ_LANE_CLASS_EXTERNAL;
	if (kind == TQ_LANE_MANUAL)
		return TQ_LANE_CLASS_MANUAL;
	if (target == NULL)
		return TQ_LANE_CLASS_DATABASE;
	if (sscanf(target, "worker:db/%d%c", &number, &rest) == 1 &&
		number > 0 && number <= TQ_LANE_CLASS_WORKER_MAX - TQ_LANE_CLASS_WORKER)
		return TQ_LANE_CLASS_WORKER + number;
	return TQ_LANE_CLASS_TARGET;
}

static int64
compute_id(char kind, const char *queue, const char *handler, const char *target)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) &kind, 1, 0);

	hash = hash_part(hash, queue);
	hash = hash_part(hash, handler);
	hash = hash_part(hash, target);
	return (int64) ((hash & ~UINT64CONST(0xffff)) | lane_class(kind, target));
}

/* Enter a lane into the cache; duplicates in the table are harmless. */
static void
remember(int64 id, char kind, const char *queue, const char *handler, const char *target)
{
	bool		found;
	LaneEntry  *entry = hash_search(lanes, &id, HASH_FIND, NULL);
	TqLane	   *lane;
	MemoryContext old_context;

	if (entry != NULL)
		return;
	old_context = MemoryContextSwitchTo(lane_context);
	lane = palloc0(sizeof(TqLane));
	lane->id = id;
	lane->kind = kind;
	lane->queue = pstrdup(queue);
	lane->handler = handler ? pstrdup(handler) : NULL;
	lane->target = target ? pstrdup(target) : NULL;
	MemoryContextSwitchTo(old_context);

	entry = hash_search(lanes, &id, HASH_ENTER, &found);
	entry->lane = lane;
	if (lane_array != NULL)
		pfree(lane_array);
	lane_array = NULL;
}

static void
remember_row(HeapTuple tuple, TupleDesc desc)
{
	Datum		values[NCOLS];
	bool		nulls[NCOLS];

	heap_deform_tuple(tuple, desc, values, nulls);
	remember(DatumGetInt64(values[COL_ID - 1]),
			 DatumGetChar(values[COL_KIND - 1]),
			 TextDatumGetCString(values[COL_QUEUE - 1]),
			 nulls[COL_HANDLER - 1] ? NULL : TextDatumGetCString(values[COL_HANDLER - 1]),
			 nulls[COL_TARGET - 1] ? NULL : TextDatumGetCString(values[COL_TARGET - 1]));
}

static void
reset_cache(void)
{
	HASHCTL		ctl = {.keysize = sizeof(int64), .entrysize = sizeof(LaneEntry)};

	if (lane_context == NULL)
		lane_context = AllocSetContextCreate(TopMemoryContext, "task_queue lanes",
											 ALLOCSET_DEFAULT_SIZES);
	loaded = false;
	lane_array = NULL;
	MemoryContextReset(lane_context);
	ctl.hcxt = lane_context;
	lanes = hash_create("task_queue lanes", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* An invalidation that comes meanwhile makes the next use read again. */
static void
load_lanes(void)
{
	Relation	rel = table_open(tq_relation_oid("lane"), AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;

	reset_cache();
	lane_relid = RelationGetRelid(rel);
	valid = true;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		remember_row(tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	loaded = true;
}

static void
ensure_loaded(void)
{
	if (!loaded || !valid)
		load_lanes();
}

/*
 * Make the other backends read the table again at commit, and this one at an
 * abort of the current (sub)transaction.  Once for each is enough: adding
 * many lanes does not mean reading the table as many times.
 */
void
tq_lane_note_change(Oid relid)
{
	FullTransactionId xid = GetTopFullTransactionId();
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (FullTransactionIdEquals(xid, registered_xid) && subid == registered_subid)
		return;
	CacheInvalidateRelcacheByRelid(relid);
	registered_xid = xid;
	registered_subid = subid;
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = (text == NULL);
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
add_lane(int64 id, char kind, const char *queue, const char *handler, const char *target)
{
	static TqPlan insert = TQ_PLAN("INSERT INTO task_queue.lane (id, kind, queue, handler, target)"
								   " VALUES ($1, $2, $3, $4, $5)",
								   INT8OID, CHAROID, TEXTOID, TEXTOID, TEXTOID);
	Datum		values[5];
	bool		nulls[5] = {false};
	TqSpi		spi;

	tq_spi_begin(&spi);
	values[0] = Int64GetDatum(id);
	values[1] = CharGetDatum(kind);
	values[2] = text_or_null(queue, &nulls[2]);
	values[3] = text_or_null(handler, &nulls[3]);
	values[4] = text_or_null(target, &nulls[4]);
	tq_plan_run(&insert, values, nulls);
	tq_spi_end(&spi);
	CommandCounterIncrement();

	/* The first one of a transaction has invalidated the cache. */
	if (loaded && valid)
		remember(id, kind, queue, handler, target);
}

int64
tq_lane_of(char kind, const char *queue, const char *handler, const char *target)
{
	int64		id = compute_id(kind, queue, handler, target);

	if (!OidIsValid(lane_relid) || !valid)
		load_lanes();
	LockRelationOid(lane_relid, RowExclusiveLock);
	ensure_loaded();
	if (hash_search(lanes, &id, HASH_FIND, NULL) == NULL)
		add_lane(id, kind, queue, handler, target);
	return id;
}

const TqLane *
tq_lane_list(int *nlanes)
{
	HASH_SEQ_STATUS status;
	LaneEntry  *entry;
	int			n = 0;

	ensure_loaded();
	*nlanes = hash_get_num_entries(lanes);
	if (lane_array != NULL)
		return lane_array;

	lane_array = MemoryContextAlloc(lane_context, sizeof(TqLane) * Max(*nlanes, 1));
	hash_seq_init(&status, lanes);
	while ((entry = hash_seq_search(&status)) != NULL)
		lane_array[n++] = *entry->lane;
	Assert(n == *nlanes);
	return lane_array;
}

const TqLane *
tq_lane_find(int64 id)
{
	LaneEntry  *entry;

	ensure_loaded();
	entry = hash_search(lanes, &id, HASH_FIND, NULL);
	return entry ? entry->lane : NULL;
}

/*
 * Lanes younger than a day are kept, so that a lane in use does not come and
 * go.  Ready tasks are probed for by lane, and the other states have an index
 * each, so that none of this reads all of the table.
 */
#define EMPTY_LANES \
	" FROM task_queue.lane AS l" \
	" WHERE l.created_at < pg_catalog.clock_timestamp() - INTERVAL '1 day'" \
	" AND (SELECT t.lane FROM task_queue.task AS t WHERE t.lane = l.id AND t.state = 'r' LIMIT 1) IS NULL" \
	" AND NOT EXISTS (SELECT FROM task_queue.task AS t WHERE t.lane = l.id AND t.state = 's')" \
	" AND NOT EXISTS (SELECT FROM task_queue.task AS t WHERE t.lane = l.id AND t.state = 'x')"

/*
 * The look before the lock is there because the lock holds up everybody who
 * enqueues, and scheduled tasks are in no index by lane.
 */
int
tq_lane_remove_empty(void)
{
	static TqPlan look = TQ_PLAN0("SELECT" EMPTY_LANES " LIMIT 1");
	static TqPlan remove = TQ_PLAN0("DELETE" EMPTY_LANES);
	TqSpi		spi;
	int			n = 0;

	ensure_loaded();
	tq_spi_begin(&spi);
	if (tq_plan_run(&look, NULL, NULL) > 0 &&
		ConditionalLockRelationOid(lane_relid, ShareRowExclusiveLock))
		n = (int) tq_plan_run(&remove, NULL, NULL);
	tq_spi_end(&spi);
	return n;
}
