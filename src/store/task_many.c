/*-------------------------------------------------------------------------
 *
 * task_many.c
 *	  Locking several live tasks by their ids.
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
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/task_rel.h"

void
tq_task_lock_many(const int64 *ids, int n, TqLockWait wait, TqTask **tasks, TqLockResult *results)
{
	Relation	rel = tq_task_open();
	Relation	index = tq_task_open_index(TQ_TASK_PKEY);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan;
	ScanKeyData key;

	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	scan = TQ_INDEX_BEGINSCAN(rel, index, GetActiveSnapshot(), 1);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(ids[i]));
		index_rescan(scan, &key, 1, NULL, 0);
		results[i] = TQ_LOCK_GONE;
		tasks[i] = NULL;
		if (index_getnext_slot(scan, ForwardScanDirection, slot))
			results[i] = tq_task_lock_slot(rel, slot, GetActiveSnapshot(), wait);
		if (results[i] == TQ_LOCKED)
			tasks[i] = tq_task_from_locked_slot(slot);
	}
	index_endscan(scan);
	PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(rel, NoLock);
}
