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
 * a claim belongs to another short transaction, or to a worker that has not
 * come to its claim yet: give the latter a moment, then wait for the former.
 *
 * Claims of other sessions are visible only with the preloaded library.
 * Without it a task that another session drains is waited for.
 *
 * Lock order: the task's row, then the claims table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "run/cancel.h"
#include "run/execute.h"
#include "run/finish.h"
#include "shmem/claims.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/history.h"
#include "store/task.h"

/* How long a worker may take from the row lock to its claim: milliseconds, doubled from 1 up to this. */
#define LONGEST_NAP_MS	64

static TqLockResult
lock_row(int64 task_id, TqTask **task)
{
	TqClaim		claim;

	for (long nap = tq_shmem_available() ? 1 : LONGEST_NAP_MS + 1;; nap *= 2)
	{
		TqLockResult result = tq_task_lock(task_id, TQ_LOCK_SKIP, task);

		if (result != TQ_LOCK_BUSY || tq_claim_find(task_id, &claim))
			return result;
		if (nap > LONGEST_NAP_MS)
			break;
		tq_clock_sleep(nap, tq_shmem_wait_event());
	}
	return tq_task_lock(task_id, TQ_LOCK_WAIT, task);
}

/*
 * With the row locked: is it being executed by another session?  A claim
 * outlives the execution until the outcome is committed; one that this very
 * transaction made for an execution, or has reported on, does not count.
 */
static bool
is_running(const TqTask *task)
{
	TqClaim		claim;

	if (task->state == TQ_TASK_RUNNING)
		return true;
	if (!tq_claim_find(task->task_id, &claim) || claim.ending == MyProcPid)
		return false;
	return claim.external || claim.pid != MyProcPid;
}

TqLockResult
tq_cancel_lock(int64 task_id, TqTask **task)
{
	TqLockResult result;

	/* By this very session: there may be no row any more, and no claim to be seen. */
	if (tq_run_of_task(task_id) != NULL)
		return TQ_LOCK_BUSY;
	result = lock_row(task_id, task);
	if (result != TQ_LOCKED)
		return result;
	if (is_running(*task))
		return TQ_LOCK_BUSY;
	if ((*task)->state == TQ_TASK_READY)
		tq_xact_note_locked((*task)->lane, (*task)->priority, (*task)->run_at, task_id);
	return TQ_LOCKED;
}

static void
request_cancel(int64 task_id, const char *reason, Oid role, bool discard)
{
	tq_cancel_request(task_id, reason, role, discard);
	tq_xact_note_cancel(task_id);
}

static bool
cancel_task(int64 task_id, const char *reason, Oid role, bool discard)
{
	TqTask	   *task;
	TqAttempt	attempt = {0};

	tq_xact_forbid_prepare("cancel()");
	switch (tq_cancel_lock(task_id, &task))
	{
		case TQ_LOCK_GONE:
			return false;
		case TQ_LOCK_BUSY:
			request_cancel(task_id, reason, role, discard);
			return true;
		case TQ_LOCKED:
			break;
	}
	attempt.number = task->attempt;
	tq_finish_canceled(task, &attempt, reason);
	if (discard)
		(void) tq_history_forget(task_id);
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
