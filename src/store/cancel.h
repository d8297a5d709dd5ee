/*-------------------------------------------------------------------------
 *
 * cancel.h
 *	  Requests to cancel tasks that were being executed.
 *
 * The row of such a task is locked by whoever runs it, so the request is a
 * row of its own.  It is read when an attempt fails, a lease ends, a task is
 * given back and at start-up, and goes when the task ends as canceled.  A task
 * that succeeds does not look: its request is stale, and is removed by the
 * upkeep of history or when the task is requeued.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CANCEL_REQUEST_H
#define TQ_CANCEL_REQUEST_H

#include "postgres.h"

/* discard: the outcome is not to be kept, as delete_task(force) asks. */
extern void tq_cancel_request(int64 task_id, const char *reason, Oid role, bool discard);

/* Is there a request?  The reason of the first one, palloc'd or NULL. */
extern bool tq_cancel_requested(int64 task_id, char **reason);
extern bool tq_cancel_discards(int64 task_id);

/*
 * The same for a task that was claimed just now: nearly always memory knows
 * that there are no requests at all.
 */
extern bool tq_cancel_is_pending(int64 task_id, char **reason);
extern bool tq_cancel_any(void);

extern void tq_cancel_forget(int64 task_id);
extern void tq_cancel_forget_ended(void);

#endif
