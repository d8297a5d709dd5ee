/*-------------------------------------------------------------------------
 *
 * cancel.h
 *	  Canceling a task, waiting or running.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CANCEL_H
#define TQ_CANCEL_H

#include "postgres.h"

#include "store/task.h"

/*
 * Lock the row of a waiting task.  TQ_LOCK_BUSY: it is running; that is not
 * waited for.  If the transaction aborts, workers will find the task again.
 */
extern TqLockResult tq_cancel_lock(int64 task_id, TqTask **task);

/*
 * True: the task is canceled, or, if it is being executed, will be when the
 * caller's transaction commits.  False: no such live task.  Rights are the
 * caller's business; role is recorded.
 */
extern bool tq_cancel_task(int64 task_id, const char *reason, Oid role);

/* The same, and nothing is kept of the task: no row, no attempts. */
extern bool tq_cancel_and_discard(int64 task_id, Oid role);

#endif
