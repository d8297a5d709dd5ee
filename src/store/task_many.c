/*-------------------------------------------------------------------------
 *
 * task_many.c
 *	  Locking or taking several live tasks by their ids.
 *
 * What is done for each row of a set is only what differs from row to row;
 * otherwise as in task.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/task_rel.h"

/* What to do with a row that was found; fills in *task if it is locked then. */
typedef TqLockResult (*RowAction) (Relation rel, TupleTableSlot *slot, int i, void *arg, TqTask **task);

static void
with_rows(const int64 *ids, int n, RowAction action, void *arg, TqTask **tasks, TqLockResult *results)
{
	Relation	rel = tq_task_open();
	Relation	index = tq_task_open_index(TQ_TASK_PKEY);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = TQ_INDEX_BEGINSCAN(rel, index, SnapshotSelf, 1);
	ScanKeyData key;

	CommandCounterIncrement();
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(ids[i]));
		index_rescan(scan, &key, 1, NULL, 0);
		results[i] = TQ_LOCK_GONE;
		tasks[i] = NULL;
		if (index_getnext_slot(scan, ForwardScanDirection, slot))
			results[i] = action(rel, slot, i, arg, &tasks[i]);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(rel, NoLock);
}

static TqLockResult
lock_row(Relation rel, TupleTableSlot *slot, int i, void *arg, TqTask **task)
{
	TqLockResult result = tq_task_lock_slot(rel, slot, SnapshotSelf, *(TqLockWait *) arg);

	if (result == TQ_LOCKED)
		*task = tq_task_from_locked_slot(slot);
	return result;
}

void
tq_task_lock_many(const int64 *ids, int n, TqLockWait wait, TqTask **tasks, TqLockResult *results)
{
	with_rows(ids, n, lock_row, &wait, tasks, results);
}

typedef struct Taking
{
	bool		(*may_delete) (int i, void *arg);
	void	   *arg;
} Taking;

static TqLockResult
take_row(Relation rel, TupleTableSlot *slot, int i, void *arg, TqTask **task)
{
	Taking	   *taking = arg;
	TqLockWait	wait = TQ_LOCK_WAIT;
	TqLockResult result = TQ_LOCK_BUSY;

	if (taking->may_delete(i, taking->arg))
		result = tq_task_delete_slot(rel, slot, task);
	return result == TQ_LOCK_BUSY ? lock_row(rel, slot, i, &wait, task) : result;
}

void
tq_task_take_many(const int64 *ids, int n, bool (*may_delete) (int i, void *arg), void *arg,
				  TqTask **tasks, TqLockResult *results)
{
	Taking		taking = {may_delete, arg};

	with_rows(ids, n, take_row, &taking, tasks, results);
}
