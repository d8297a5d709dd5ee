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

/*
 * True: the task is canceled, or, if it is being executed, will be when the
 * caller's transaction commits.  False: no such live task.  Rights are the
 * caller's business; role is recorded.
 */
extern bool tq_cancel_task(int64 task_id, const char *reason, Oid role);

/* The same, and nothing is kept of the task: no row, no attempts. */
extern bool tq_cancel_and_discard(int64 task_id, Oid role);

#endif
