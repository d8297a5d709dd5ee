/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Live tasks: loading, locking and changing single rows.
 *
 * A row is looked up as it is now, whatever the isolation level, and its newest
 * version is locked, so what a caller sees is what there is.
 * Every change of a locked row starts from the version that the TqTask holds
 * and leaves the new one there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "shmem/xact.h"
#include "store/lane.h"
#include "store/task_rel.h"

void
tq_task_init(void)
{
	tq_task_rel_init();
}

/* Values that were moved out of the row are fetched now: the row may go before they are used. */
static void
fetch_toast(TqTask *task, TupleDesc desc)
{
	for (int i = 0; i < TQ_TASK_NCOLS; i++)
	{
		Datum		value = task->values[i];

		if (!task->nulls[i] && TupleDescAttr(desc, i)->attlen == -1 &&
			VARATT_IS_EXTERNAL(DatumGetPointer(value)))
			task->values[i] =
				PointerGetDatum(detoast_external_attr((struct varlena *) DatumGetPointer(value)));
	}
}

static char *
text_column(const TqTask *task, int column)
{
	return task->nulls[column - 1] ? NULL : TextDatumGetCString(task->values[column - 1]);
}

static TimestampTz
time_column(const TqTask *task, int column)
{
	return task->nulls[column - 1] ? 0 : DatumGetTimestampTz(task->values[column - 1]);
}

static Jsonb *
jsonb_column(const TqTask *task, int column)
{
	return task->nulls[column - 1] ? NULL : DatumGetJsonbP(task->values[column - 1]);
}

static Datum
varlena_column(const TqTask *task, int column)
{
	return task->nulls[column - 1] ? (Datum) 0 :
		PointerGetDatum(PG_DETOAST_DATUM(task->values[column - 1]));
}

/* The columns that are null while a task waits. */
static void
fill_running_fields(TqTask *task)
{
	task->started_at = time_column(task, TQ_COL_STARTED_AT);
	task->worker = text_column(task, TQ_COL_WORKER);
	if (!task->nulls[TQ_COL_CLAIMED_BY - 1])
		task->claimed_by = DatumGetObjectId(task->values[TQ_COL_CLAIMED_BY - 1]);
	if (!task->nulls[TQ_COL_LEASE_TOKEN - 1])
		task->lease_token = DatumGetInt64(task->values[TQ_COL_LEASE_TOKEN - 1]);
	task->lease_until = time_column(task, TQ_COL_LEASE_UNTIL);
}

static void
fill_optional_fields(TqTask *task)
{
	task->has_deadline = !task->nulls[TQ_COL_DEADLINE - 1];
	task->deadline = time_column(task, TQ_COL_DEADLINE);
	task->timeout_us = task->nulls[TQ_COL_TIMEOUT - 1] ? -1 :
		tq_clock_interval_us(DatumGetIntervalP(task->values[TQ_COL_TIMEOUT - 1]));
	task->retry_policy = varlena_column(task, TQ_COL_RETRY_POLICY);
	task->target = text_column(task, TQ_COL_TARGET);
	task->reply_to = text_column(task, TQ_COL_REPLY_TO);
	task->trace_ctx = jsonb_column(task, TQ_COL_TRACE_CTX);
	task->labels = varlena_column(task, TQ_COL_LABELS);
	task->has_dag = !task->nulls[TQ_COL_DAG_KEY - 1];
	if (task->has_dag)
	{
		task->dag_key = DatumGetInt64(task->values[TQ_COL_DAG_KEY - 1]);
		task->step_no = DatumGetInt32(task->values[TQ_COL_STEP_NO - 1]);
	}
	task->has_fire_time = !task->nulls[TQ_COL_FIRE_TIME - 1];
	task->fire_time = time_column(task, TQ_COL_FIRE_TIME);
}

static void
fill_fields(TqTask *task)
{
	task->task_id = DatumGetInt64(task->values[TQ_COL_TASK_ID - 1]);
	task->run_at = DatumGetTimestampTz(task->values[TQ_COL_RUN_AT - 1]);
	task->enqueued_at = DatumGetTimestampTz(task->values[TQ_COL_ENQUEUED_AT - 1]);
	task->lane = DatumGetInt64(task->values[TQ_COL_LANE - 1]);
	task->priority = DatumGetInt32(task->values[TQ_COL_PRIORITY - 1]);
	task->attempt = DatumGetInt32(task->values[TQ_COL_ATTEMPT - 1]);
	task->gen = DatumGetInt32(task->values[TQ_COL_GEN - 1]);
	task->enqueuer = DatumGetObjectId(task->values[TQ_COL_ENQUEUER - 1]);
	task->state = DatumGetChar(task->values[TQ_COL_STATE - 1]);
	task->handler = text_column(task, TQ_COL_HANDLER);
	task->queue = text_column(task, TQ_COL_QUEUE);
	task->args = jsonb_column(task, TQ_COL_ARGS);
	fill_optional_fields(task);
	fill_running_fields(task);
}

static TqTask *
task_from_tuple(HeapTuple tuple, TupleDesc desc)
{
	TqTask	   *task = palloc0(sizeof(TqTask));
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];

	Assert(desc->natts >= TQ_TASK_NCOLS);
	task->tuple = heap_copytuple(tuple);
	heap_deform_tuple(task->tuple, desc, values, nulls);
	memcpy(task->values, values, sizeof(task->values));
	memcpy(task->nulls, nulls, sizeof(task->nulls));
	fetch_toast(task, desc);
	fill_fields(task);
	return task;
}

static TqTask *
task_from_slot(TupleTableSlot *slot)
{
	bool		should_free;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
	TqTask	   *task = task_from_tuple(tuple, slot->tts_tupleDescriptor);

	if (should_free)
		heap_freetuple(tuple);
	return task;
}

/*
 * While the row is locked a worker that takes its id from the ready index
 * drops it, so an abort must put it back there.
 */
static void
note_locked(const TqTask *task)
{
	if (task->state == TQ_TASK_READY)
		tq_xact_note_locked(task->lane, task->priority, task->run_at, task->task_id);
}

TqTask *
tq_task_from_locked_slot(TupleTableSlot *slot)
{
	TqTask	   *task = task_from_slot(slot);

	note_locked(task);
	return task;
}

/* What to do with the row that a lookup finds. */
typedef TqLockResult (*RowAction) (Relation rel, TupleTableSlot *slot, void *arg, TqTask **task);

/* An open lookup by id. */
typedef struct Cursor
{
	Relation	rel;
	Relation	index;
	TupleTableSlot *slot;
	IndexScanDesc scan;
} Cursor;

/* The one that a batch keeps open; gone when its transaction ends. */
static Cursor kept;
static bool is_kept = false;

/*
 * The newest committed version, or our own, is what counts here, and it is
 * looked at under its lock afterwards: no snapshot is needed.
 */
static void
open_cursor(Cursor *cursor)
{
	cursor->rel = tq_task_open();
	cursor->index = tq_task_open_index(TQ_TASK_PKEY);
	cursor->slot = table_slot_create(cursor->rel, NULL);
	cursor->scan = TQ_INDEX_BEGINSCAN(cursor->rel, cursor->index, SnapshotSelf, 1);
}

static void
close_cursor(Cursor *cursor)
{
	index_endscan(cursor->scan);
	ExecDropSingleTupleTableSlot(cursor->slot);
	index_close(cursor->index, NoLock);
	table_close(cursor->rel, NoLock);
}

void
tq_task_keep_open(void)
{
	Assert(!is_kept);
	open_cursor(&kept);
	is_kept = true;
}

void
tq_task_close_kept(void)
{
	if (is_kept)
		close_cursor(&kept);
	is_kept = false;
}

void
tq_task_forget_kept(void)
{
	is_kept = false;
}

static TqLockResult
with_row(int64 task_id, RowAction action, void *arg, TqTask **task)
{
	Cursor		own;
	Cursor	   *cursor = is_kept ? &kept : &own;
	TqLockResult result = TQ_LOCK_GONE;
	ScanKeyData key;

	CommandCounterIncrement();
	if (!is_kept)
		open_cursor(&own);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(task_id));
	index_rescan(cursor->scan, &key, 1, NULL, 0);
	if (index_getnext_slot(cursor->scan, ForwardScanDirection, cursor->slot))
		result = action(cursor->rel, cursor->slot, arg, task);
	if (!is_kept)
		close_cursor(&own);
	else
	{
		/* No page may stay pinned while user code runs. */
		ExecClearTuple(cursor->slot);
		index_rescan(cursor->scan, &key, 1, NULL, 0);
	}
	return result;
}

static TqLockResult
lock_row(Relation rel, TupleTableSlot *slot, void *arg, TqTask **task)
{
	TqLockWait	wait = *(TqLockWait *) arg;
	TqLockResult result = tq_task_lock_slot(rel, slot, SnapshotSelf, wait);

	if (result == TQ_LOCKED)
		*task = tq_task_from_locked_slot(slot);
	return result;
}

TqLockResult
tq_task_lock(int64 task_id, TqLockWait wait, TqTask **task)
{
	return with_row(task_id, lock_row, &wait, task);
}

static TqLockResult
delete_found(Relation rel, TqTask *found, TqTask **task)
{
	TqLockResult result = tq_task_delete_now(rel, found->tuple);

	if (result != TQ_LOCKED)
		return result;
	note_locked(found);
	found->taken = true;
	*task = found;
	return TQ_LOCKED;
}

TqLockResult
tq_task_delete_slot(Relation rel, TupleTableSlot *slot, TqTask **task)
{
	return delete_found(rel, task_from_slot(slot), task);
}

typedef struct Taking
{
	bool		(*ends_here) (const TqTask *task, void *arg);
	void	   *arg;
} Taking;

static TqLockResult
take_row(Relation rel, TupleTableSlot *slot, void *arg, TqTask **task)
{
	Taking	   *taking = arg;
	TqLockWait	wait = TQ_LOCK_SKIP;
	TqTask	   *found = task_from_slot(slot);

	if (!taking->ends_here(found, taking->arg))
		return lock_row(rel, slot, &wait, task);
	return delete_found(rel, found, task);
}

TqLockResult
tq_task_take(int64 task_id, bool (*ends_here) (const TqTask *task, void *arg),
			 void *arg, TqTask **task)
{
	Taking		taking = {ends_here, arg};

	return with_row(task_id, take_row, &taking, task);
}

void
tq_task_delete(TqTask *task)
{
	if (!task->taken)
		tq_task_delete_tuple(task->tuple);
}

static void
set_column(TqTask *task, bool *changed, int column, Datum value, bool isnull)
{
	task->values[column - 1] = isnull ? (Datum) 0 : value;
	task->nulls[column - 1] = isnull;
	changed[column - 1] = true;
}

static void
insert_again(TqTask *task)
{
	TqTaskWriter *writer = tq_task_write_begin();

	(void) tq_task_write_as(writer, task->task_id, task->values, task->nulls);
	tq_task_write_end(writer);
}

/* Write the columns that both kinds of change have in common, and those that were set before. */
static void
store_changes(TqTask *task, bool *changed)
{
	set_column(task, changed, TQ_COL_STATE, CharGetDatum(task->state), false);
	set_column(task, changed, TQ_COL_ATTEMPT, Int32GetDatum(task->attempt), false);
	set_column(task, changed, TQ_COL_GEN, Int32GetDatum(task->gen), false);
	set_column(task, changed, TQ_COL_STARTED_AT,
			   TimestampTzGetDatum(task->started_at), task->started_at == 0);
	set_column(task, changed, TQ_COL_WORKER,
			   task->worker ? CStringGetTextDatum(task->worker) : (Datum) 0,
			   task->worker == NULL);
	set_column(task, changed, TQ_COL_CLAIMED_BY,
			   ObjectIdGetDatum(task->claimed_by), !OidIsValid(task->claimed_by));
	set_column(task, changed, TQ_COL_LEASE_TOKEN,
			   Int64GetDatum(task->lease_token), task->lease_token == 0);
	set_column(task, changed, TQ_COL_LEASE_UNTIL,
			   TimestampTzGetDatum(task->lease_until), task->lease_until == 0);
	if (task->taken)
		insert_again(task);
	else
		task->tuple = tq_task_update_tuple(task->tuple, task->values, task->nulls, changed);
}

void
tq_task_requeue(TqTask *task)
{
	bool		changed[TQ_TASK_NCOLS] = {false};

	Assert(task->state == TQ_TASK_READY || task->state == TQ_TASK_SCHEDULED);
	task->started_at = 0;
	task->worker = NULL;
	task->claimed_by = InvalidOid;
	task->lease_token = 0;
	task->lease_until = 0;
	set_column(task, changed, TQ_COL_LANE, Int64GetDatum(task->lane), false);
	set_column(task, changed, TQ_COL_RUN_AT, TimestampTzGetDatum(task->run_at), false);
	store_changes(task, changed);
	if (task->state == TQ_TASK_READY)
		tq_xact_note_ready(task->lane, task->priority, task->run_at, task->task_id);
	else
		tq_xact_note_due(task->run_at);
}

void
tq_task_mark_running(TqTask *task)
{
	bool		changed[TQ_TASK_NCOLS] = {false};

	Assert(task->state == TQ_TASK_RUNNING);
	store_changes(task, changed);
}

int64
tq_task_lane(bool external, const char *handler, const char *queue, const char *target)
{
	if (external)
		return tq_lane_of(TQ_LANE_EXTERNAL, queue, handler, target);
	return tq_lane_of(tq_execution == TQ_EXECUTION_BACKGROUND ? TQ_LANE_DATABASE : TQ_LANE_MANUAL,
					  queue, NULL, target);
}
