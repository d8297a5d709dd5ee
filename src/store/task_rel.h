/*-------------------------------------------------------------------------
 *
 * task_rel.h
 *	  Direct access to table task; private to store/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TASK_REL_H
#define TQ_TASK_REL_H

#include "postgres.h"

#include "access/htup.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "store/task.h"

typedef enum TqTaskIndex
{
	TQ_TASK_PKEY,
	TQ_TASK_INDEX_READY,
	TQ_TASK_INDEX_DUE,
	TQ_TASK_NINDEXES
} TqTaskIndex;

extern Relation tq_task_open(void);
extern Relation tq_task_open_index(TqTaskIndex index);

/*
 * Lock the row in the slot as it is by now, which is loaded into the slot.
 * The snapshot is the one that it was found with.
 */
extern TqLockResult tq_task_lock_slot(Relation rel, TupleTableSlot *slot,
									  Snapshot snapshot, TqLockWait wait);
extern TqTask *tq_task_from_locked_slot(TupleTableSlot *slot);

/* Delete the row in the slot without waiting for anybody, and load it. */
extern TqLockResult tq_task_delete_slot(Relation rel, TupleTableSlot *slot, TqTask **task);

/* Change columns of a locked row; values and nulls are those of the whole row. */
extern HeapTuple tq_task_update_tuple(HeapTuple tuple, Datum *values, bool *nulls,
									  bool *changed);
extern void tq_task_delete_tuple(HeapTuple tuple);
extern TqLockResult tq_task_delete_now(Relation rel, HeapTuple tuple);

/* Reading and writing TOAST needs a snapshot; true: the caller is to pop it. */
extern bool tq_push_snapshot(void);

extern void tq_task_rel_init(void);

#endif
