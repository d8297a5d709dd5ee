/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  Canceling a task, waiting or running.
 *
 * A waiting task ends here and now, under its row lock.  A running one must
 * not be waited for: its row stays locked as long as its handler runs.  So the
 * row is locked only if that is possible at once; if it is not and there is a
 * claim, the task is running, and the cancel becomes a row of table
 * cancel_request, which takes effect at commit.  A row that is locked without
 * a claim belongs to another short transaction: wait for it and look again.
 *
 * Claims of other sessions are visible only with the preloaded library.
 * Without it a task that another session drains is waited for.
 *
 * Lock order: the task's row, then the claims table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "run/cancel.h"
#include "run/finish.h"
#include "shmem/claims.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/history.h"
#include "store/task.h"

static void
request_cancel(int64 task_id, const char *reason, Oid role, bool discard)
{
	tq_cancel_request(task_id, reason, role, discard);
	tq_xact_note_cancel(task_id);
}

static void
cancel_locked(TqTask *task, const char *reason, Oid role, bool discard)
{
	TqAttempt	attempt = {.number = task->attempt};
	TqClaim		claim;

	if (task->state == TQ_TASK_RUNNING || tq_claim_find(task->task_id, &claim))
	{
		request_cancel(task->task_id, reason, role, discard);
		return;
	}
	tq_finish_canceled(task, &attempt, reason);
	if (discard)
		(void) tq_history_forget(task->task_id);
}

static bool
cancel_task(int64 task_id, const char *reason, Oid role, bool discard)
{
	TqTask	   *task;
	TqClaim		claim;
	TqLockResult result = tq_task_lock(task_id, TQ_LOCK_SKIP, &task);

	tq_xact_forbid_prepare("cancel()");
	if (result == TQ_LOCK_BUSY)
	{
		if (tq_claim_find(task_id, &claim))
		{
			request_cancel(task_id, reason, role, discard);
			return true;
		}
		result = tq_task_lock(task_id, TQ_LOCK_WAIT, &task);
	}
	if (result != TQ_LOCKED)
		return false;
	cancel_locked(task, reason, role, discard);
	return true;
}

bool
tq_cancel_task(int64 task_id, const char *reason, Oid role)
{
	return cancel_task(task_id, reason, role, false);
}

bool
tq_cancel_and_discard(int64 task_id, Oid role)
{
	return cancel_task(task_id, NULL, role, true);
}
