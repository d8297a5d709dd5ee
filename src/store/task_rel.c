/*-------------------------------------------------------------------------
 *
 * task_rel.c
 *	  Direct access to table task.
 *
 * Every task is inserted, locked and deleted once, and a plan costs several
 * times as much as the row operation itself.  Reading and changing by tid has
 * a second advantage: it does not depend on the transaction's snapshot, so a
 * caller at REPEATABLE READ changes the row that it has locked, whenever that
 * came to be.
 *
 * The current user does not matter here: nothing is checked, and the indexes
 * contain no user's code.  Callers must make sure that the transaction may
 * write at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/owner.h"
#include "store/task_rel.h"

static const char *const index_names[TQ_TASK_NINDEXES] = {
	[TQ_TASK_PKEY] = "task_pkey",
	[TQ_TASK_INDEX_READY] = "task_ready",
	[TQ_TASK_INDEX_DUE] = "task_due"
};

/* Looked up once, and again after a change to the table's definition. */
static Oid	task_oid = InvalidOid;
static Oid	index_oids[TQ_TASK_NINDEXES];
static Oid	sequence_oid = InvalidOid;

static void
forget_task(Datum arg, Oid relid)
{
	if (relid != InvalidOid && relid != task_oid)
		return;
	task_oid = InvalidOid;
	sequence_oid = InvalidOid;
	memset(index_oids, 0, sizeof(index_oids));
}

void
tq_task_rel_init(void)
{
	CacheRegisterRelcacheCallback(forget_task, (Datum) 0);
}

Relation
tq_task_open(void)
{
	Relation	rel;

	if (!OidIsValid(task_oid))
		task_oid = tq_relation_oid("task");
	rel = table_open(task_oid, RowExclusiveLock);

	/* Taking the lock may have made us forget it. */
	task_oid = RelationGetRelid(rel);
	if (RelationGetDescr(rel)->natts < TQ_TASK_NCOLS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.task\" is not what this library expects", TQ_SCHEMA),
				 errhint("Run ALTER EXTENSION %s UPDATE.", TQ_EXTENSION)));
	return rel;
}

Relation
tq_task_open_index(TqTaskIndex index)
{
	Oid			oid = index_oids[index];

	if (!OidIsValid(oid))
		oid = tq_relation_oid(index_names[index]);
	index_oids[index] = oid;
	return index_open(oid, AccessShareLock);
}

TqLockResult
tq_task_lock_slot(Relation rel, TupleTableSlot *slot, Snapshot snapshot, TqLockWait wait)
{
	ItemPointerData tid = slot->tts_tid;
	TM_FailureData tmfd;

	switch (table_tuple_lock(rel, &tid, snapshot, slot, GetCurrentCommandId(false),
							 LockTupleExclusive,
							 wait == TQ_LOCK_SKIP ? LockWaitSkip : LockWaitBlock,
							 TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &tmfd))
	{
		case TM_Ok:
			return TQ_LOCKED;
		case TM_WouldBlock:
			return TQ_LOCK_BUSY;
		case TM_Deleted:
		case TM_Updated:
		case TM_SelfModified:
			return TQ_LOCK_GONE;
		default:
			elog(ERROR, "unexpected result of locking a task");
	}
	return TQ_LOCK_GONE;
}

bool
tq_push_snapshot(void)
{
	if (ActiveSnapshotSet())
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

void
tq_task_delete_tuple(HeapTuple tuple)
{
	Relation	rel = tq_task_open();
	bool		pushed = tq_push_snapshot();
	TM_FailureData tmfd;
	TM_Result	result;

	result = table_tuple_delete(rel, &tuple->t_self, GetCurrentCommandId(true),
								InvalidSnapshot, InvalidSnapshot, true, &tmfd, false);
	if (result != TM_Ok)
		elog(ERROR, "task was changed behind the back of its owner (%d)", (int) result);
	if (pushed)
		PopActiveSnapshot();
	table_close(rel, NoLock);
}

/* Without waiting for anybody. */
TqLockResult
tq_task_delete_now(Relation rel, HeapTuple tuple)
{
	TM_FailureData tmfd;

	switch (table_tuple_delete(rel, &tuple->t_self, GetCurrentCommandId(true),
							   InvalidSnapshot, InvalidSnapshot, false, &tmfd, false))
	{
		case TM_Ok:
			return TQ_LOCKED;
		case TM_BeingModified:
			return TQ_LOCK_BUSY;
		default:
			return TQ_LOCK_GONE;
	}
}

/*
 * What an insert or update needs beside the tuple.  All of it lives in the
 * executor state's memory.
 */
struct TqTaskWriter
{
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *rri;
	TupleTableSlot *slot;
	bool		pushed;
};

TqTaskWriter *
tq_task_write_begin(void)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext old_context = MemoryContextSwitchTo(estate->es_query_cxt);
	TqTaskWriter *writer = palloc0(sizeof(TqTaskWriter));

	writer->estate = estate;
	writer->rel = tq_task_open();
	writer->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->rri, writer->rel, 0, NULL, 0);
	ExecOpenIndices(writer->rri, false);
	writer->slot = MakeSingleTupleTableSlot(RelationGetDescr(writer->rel), &TTSOpsVirtual);
	writer->pushed = tq_push_snapshot();
	MemoryContextSwitchTo(old_context);
	return writer;
}

/* Makes what was written visible to later commands of the transaction. */
void
tq_task_write_end(TqTaskWriter *writer)
{
	if (writer->pushed)
		PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(writer->slot);
	ExecCloseIndices(writer->rri);
	table_close(writer->rel, NoLock);
	FreeExecutorState(writer->estate);
	CommandCounterIncrement();
}

int64
tq_task_write(TqTaskWriter *writer, Datum *values, bool *nulls)
{
	if (!OidIsValid(sequence_oid))
		sequence_oid = tq_relation_oid("task_task_id_seq");
	return tq_task_write_as(writer, nextval_internal(sequence_oid, false), values, nulls);
}

/* The same for a task that lives again, under the id it had. */
int64
tq_task_write_as(TqTaskWriter *writer, int64 task_id, Datum *values, bool *nulls)
{
	TupleTableSlot *slot = writer->slot;

	values[TQ_COL_TASK_ID - 1] = Int64GetDatum(task_id);
	nulls[TQ_COL_TASK_ID - 1] = false;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * TQ_TASK_NCOLS);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * TQ_TASK_NCOLS);
	for (int i = TQ_TASK_NCOLS; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true;
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(writer->rel);
	table_tuple_insert(writer->rel, slot, GetCurrentCommandId(true), 0, NULL);
	(void) TQ_INSERT_INDEX_TUPLES(writer->rri, slot, writer->estate, false, false);
	ResetPerTupleExprContext(writer->estate);
	return task_id;
}

/* The arrays have the columns that this version knows; there may be more. */
static HeapTuple
modify_tuple(HeapTuple old_tuple, TupleDesc desc, Datum *values, bool *nulls, bool *changed)
{
	Datum	   *all_values = palloc0(sizeof(Datum) * desc->natts);
	bool	   *all_nulls = palloc0(sizeof(bool) * desc->natts);
	bool	   *all_changed = palloc0(sizeof(bool) * desc->natts);

	memcpy(all_values, values, sizeof(Datum) * TQ_TASK_NCOLS);
	memcpy(all_nulls, nulls, sizeof(bool) * TQ_TASK_NCOLS);
	memcpy(all_changed, changed, sizeof(bool) * TQ_TASK_NCOLS);
	return heap_modify_tuple(old_tuple, desc, all_values, all_nulls, all_changed);
}

/* Returns the new version, in the caller's memory. */
HeapTuple
tq_task_update_tuple(HeapTuple old_tuple, Datum *values, bool *nulls, bool *changed)
{
	TqTaskWriter *writer = tq_task_write_begin();
	TupleTableSlot *slot = writer->slot;
	HeapTuple	tuple;
	TM_FailureData tmfd;
	LockTupleMode lockmode;
	TU_UpdateIndexes update_indexes;
	TM_Result	result;

	tuple = modify_tuple(old_tuple, RelationGetDescr(writer->rel), values, nulls, changed);
	ExecForceStoreHeapTuple(tuple, slot, false);
	result = table_tuple_update(writer->rel, &old_tuple->t_self, slot,
								GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, true, &tmfd, &lockmode, &update_indexes);
	if (result != TM_Ok)
		elog(ERROR, "task was changed behind the back of its owner (%d)", (int) result);
	if (update_indexes != TU_None)
		(void) TQ_INSERT_INDEX_TUPLES(writer->rri, slot, writer->estate, true,
									  update_indexes == TU_Summarizing);
	tuple->t_self = slot->tts_tid;
	tuple->t_tableOid = RelationGetRelid(writer->rel);
	tq_task_write_end(writer);
	return tuple;
}
