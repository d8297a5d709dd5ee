/*-------------------------------------------------------------------------
 *
 * task_next.c
 *	  Taking the next tasks of some lanes from the table.
 *
 * Each lane is a stretch of the index on ready tasks, in the order in which
 * they are to run.  The heads of the lanes are merged and locked one by one,
 * so no more rows are locked than are handed out (but for those that turn
 * out to have changed), and no plan can be a bad one.  A row is looked at
 * again after it was locked: it may have changed since the scan began.
 *
 * Scheduled tasks are in no index in that order: they are collected and
 * sorted.  Who searches often keeps them, or each search would walk over all
 * of them, and over those that were scheduled once.  A snapshot that is older
 * than the list keeps its rows from being removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/owner.h"
#include "shmem/claims.h"
#include "shmem/ready.h"
#include "store/task_rel.h"

/* A lane, or the collected scheduled tasks, with its head. */
typedef struct Source
{
	IndexScanDesc scan;			/* NULL: of scheduled tasks */
	TupleTableSlot *slot;		/* the head */
	TqReadyKey	key;
	bool		empty;
} Source;

typedef struct TqScheduledEntry
{
	TqReadyKey	key;
	ItemPointerData tid;
} TqScheduledEntry;

typedef struct Search
{
	const int64 *lanes;
	int			nlanes;
	const TqTaskFilter *filter;
	Relation	rel;
	Relation	index;
	Snapshot	snapshot;
	Source	   *sources;
	int			nsources;
	Oid			role;			/* the last role that the filter was asked about */
	bool		role_allowed;
} Search;

static int
compare_scheduled(const void *a, const void *b)
{
	return tq_ready_compare(&((const TqScheduledEntry *) a)->key,
							&((const TqScheduledEntry *) b)->key);
}

static Datum
column(TupleTableSlot *slot, TqTaskColumn number)
{
	bool		isnull;

	return slot_getattr(slot, number, &isnull);
}

static TqReadyKey
key_of(TupleTableSlot *slot)
{
	TqReadyKey	key;

	key.priority = DatumGetInt32(column(slot, TQ_COL_PRIORITY));
	key.run_at = DatumGetTimestampTz(column(slot, TQ_COL_RUN_AT));
	key.task_id = DatumGetInt64(column(slot, TQ_COL_TASK_ID));
	return key;
}

static bool
contains(const int64 *list, int n, int64 value)
{
	for (int i = 0; i < n; i++)
	{
		if (list[i] == value)
			return true;
	}
	return false;
}

static bool
role_is_allowed(Search *search, Oid role)
{
	if (!OidIsValid(search->filter->caller))
		return true;
	if (search->role != role)
	{
		search->role_allowed = tq_role_may_become(search->filter->caller, role);
		search->role = role;
	}
	return search->role_allowed;
}

static bool
written_here(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	return TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

/* Asked of what a scan finds and, since it may have changed, of what was locked. */
static bool
is_wanted(Search *search, TupleTableSlot *slot)
{
	const TqTaskFilter *filter = search->filter;
	char		state = DatumGetChar(column(slot, TQ_COL_STATE));
	int64		task_id = DatumGetInt64(column(slot, TQ_COL_TASK_ID));

	if (state != TQ_TASK_READY &&
		!(state == TQ_TASK_SCHEDULED && filter->scheduled != NULL &&
		  (filter->due_by == 0 ||
		   DatumGetTimestampTz(column(slot, TQ_COL_RUN_AT)) <= filter->due_by)))
		return false;
	return contains(search->lanes, search->nlanes, DatumGetInt64(column(slot, TQ_COL_LANE))) &&
		(!filter->this_transaction || written_here(slot)) &&
		!contains(filter->excluded, filter->nexcluded, task_id) &&
		!(filter->unclaimed && tq_claim_find(task_id, NULL)) &&
		role_is_allowed(search, DatumGetObjectId(column(slot, TQ_COL_ENQUEUER)));
}

/* Move on to the source's next task. */
static void
advance(Search *search, Source *source)
{
	TqScheduledList *list = search->filter->scheduled;

	source->empty = true;
	if (source->scan != NULL)
		source->empty = !index_getnext_slot(source->scan, ForwardScanDirection, source->slot);
	while (source->scan == NULL && list->next < list->count && source->empty)
	{
		ItemPointerData tid = list->entries[list->next++].tid;

		source->empty = !table_tuple_fetch_row_version(search->rel, &tid,
													   search->snapshot, source->slot);
	}
	if (!source->empty)
		source->key = key_of(source->slot);
}

static void
init_member(ScanKey key, AttrNumber column, RegProcedure comparison, Datum value, bool last)
{
	memset(key, 0, sizeof(ScanKeyData));
	key->sk_flags = SK_ROW_MEMBER | (last ? SK_ROW_END : 0);
	key->sk_attno = column;
	key->sk_strategy = BTGreaterEqualStrategyNumber;
	fmgr_info(comparison, &key->sk_func);
	key->sk_argument = value;
}

/* (priority, run_at, task_id) >= from */
static void
init_from(ScanKey key, ScanKey members, const TqReadyKey *from)
{
	init_member(&members[0], 2, F_BTINT4CMP, Int32GetDatum(from->priority), false);
	init_member(&members[1], 3, F_TIMESTAMPTZ_CMP, TimestampTzGetDatum(from->run_at), false);
	init_member(&members[2], 4, F_BTINT8CMP, Int64GetDatum(from->task_id), true);
	memset(key, 0, sizeof(ScanKeyData));
	key->sk_flags = SK_ROW_HEADER;
	key->sk_attno = 2;
	key->sk_strategy = BTGreaterEqualStrategyNumber;
	key->sk_argument = PointerGetDatum(members);
}

static void
open_lane(Search *search, int64 lane)
{
	Source	   *source = &search->sources[search->nsources++];
	ScanKeyData keys[2];
	int			nkeys = 1;

	source->slot = table_slot_create(search->rel, NULL);
	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(lane));
	if (search->filter->from != NULL)
		init_from(&keys[nkeys++], palloc(3 * sizeof(ScanKeyData)), search->filter->from);
	source->scan = TQ_INDEX_BEGINSCAN(search->rel, search->index, search->snapshot, nkeys);
	index_rescan(source->scan, keys, nkeys, NULL, 0);
	advance(search, source);
}

static void
collect_scheduled(Search *search, TupleTableSlot *slot)
{
	Relation	index = tq_task_open_index(TQ_TASK_INDEX_DUE);
	IndexScanDesc scan = TQ_INDEX_BEGINSCAN(search->rel, index, search->snapshot, 0);
	TqScheduledList *list = search->filter->scheduled;
	int			size = 64;

	list->count = list->next = 0;
	list->entries = MemoryContextAlloc(list->context ? list->context : CurrentMemoryContext,
									   sizeof(TqScheduledEntry) * size);
	index_rescan(scan, NULL, 0, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		TqScheduledEntry *entry;

		CHECK_FOR_INTERRUPTS();
		if (search->filter->due_by != 0 &&
			DatumGetTimestampTz(column(slot, TQ_COL_RUN_AT)) > search->filter->due_by)
			break;
		if (!is_wanted(search, slot))
			continue;
		if (list->count == size)
			list->entries = repalloc_huge(list->entries,
										  sizeof(TqScheduledEntry) * (Size) (size *= 2));
		entry = &list->entries[list->count++];
		entry->key = key_of(slot);
		entry->tid = slot->tts_tid;
	}
	index_endscan(scan);
	index_close(index, NoLock);
	qsort(list->entries, list->count, sizeof(TqScheduledEntry), compare_scheduled);
}

void
tq_scheduled_list_forget(TqScheduledList *list)
{
	if (list->entries != NULL)
		pfree(list->entries);
	list->entries = NULL;
	list->count = list->next = 0;
}

static void
open_scheduled(Search *search)
{
	Source	   *source = &search->sources[search->nsources++];

	source->slot = table_slot_create(search->rel, NULL);
	source->scan = NULL;
	if (search->filter->scheduled->entries == NULL)
		collect_scheduled(search, source->slot);
	advance(search, source);
}

static void
begin_search(Search *search, const int64 *lanes, int nlanes, const TqTaskFilter *filter)
{
	memset(search, 0, sizeof(Search));
	search->lanes = lanes;
	search->nlanes = nlanes;
	search->filter = filter;
	search->rel = tq_task_open();
	search->index = tq_task_open_index(TQ_TASK_INDEX_READY);
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	search->snapshot = GetActiveSnapshot();
	search->sources = palloc0(sizeof(Source) * (nlanes + 1));
	for (int i = 0; i < nlanes; i++)
		open_lane(search, lanes[i]);
	if (filter->scheduled != NULL)
		open_scheduled(search);
}

static void
end_search(Search *search)
{
	for (int i = 0; i < search->nsources; i++)
	{
		if (search->sources[i].scan != NULL)
			index_endscan(search->sources[i].scan);
		else if (!search->sources[i].empty)
			search->filter->scheduled->next--;	/* its head is left for the next search */
		ExecDropSingleTupleTableSlot(search->sources[i].slot);
	}
	PopActiveSnapshot();
	index_close(search->index, NoLock);
	table_close(search->rel, NoLock);
}

static Source *
first_source(Search *search)
{
	Source	   *first = NULL;

	for (int i = 0; i < search->nsources; i++)
	{
		Source	   *source = &search->sources[i];

		if (!source->empty &&
			(first == NULL || tq_ready_compare(&source->key, &first->key) < 0))
			first = source;
	}
	return first;
}

int
tq_task_lock_next(const int64 *lanes, int nlanes, const TqTaskFilter *filter,
				  int max_tasks, TqTask **tasks)
{
	Search		search;
	Source	   *source;
	int			n = 0;

	begin_search(&search, lanes, nlanes, filter);
	while (n < max_tasks && (source = first_source(&search)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_wanted(&search, source->slot) &&
			tq_task_lock_slot(search.rel, source->slot, search.snapshot,
							  TQ_LOCK_SKIP) == TQ_LOCKED &&
			is_wanted(&search, source->slot))
			tasks[n++] = tq_task_from_locked_slot(source->slot);
		advance(&search, source);
	}
	end_search(&search);
	return n;
}
