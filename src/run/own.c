/*-------------------------------------------------------------------------
 *
 * own.c
 *	  Whose an external task is.
 *
 * A report locks the row, then looks for the claim.  The claim is marked as
 * ending, which keeps it from running out while the transaction is open, and
 * goes when that commits.  A claim that was forgotten is made again first, so
 * that nobody is handed the task meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "base/owner.h"
#include "dag/engine.h"
#include "handler/registry.h"
#include "run/own.h"
#include "run/token.h"
#include "shmem/lease.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/queue.h"

/* How long a transaction that has ended may take to tell memory. */
#define PATIENCE_MS		100

bool
tq_lease_may_touch(Oid caller, Oid claimed_by, const char *queue)
{
	return tq_role_serves_queue(caller, queue) &&
		(!OidIsValid(claimed_by) || tq_role_may_become(caller, claimed_by));
}

/* The attempt that ends; of a lease that memory has forgotten only the number is known. */
static void
fill_attempt(TqAttempt *attempt, const TqTask *task, const char *worker, TimestampTz started_at)
{
	memset(attempt, 0, sizeof(TqAttempt));
	attempt->number = task->attempt + 1;
	attempt->worker = worker ? pstrdup(worker) : NULL;
	attempt->started_at = started_at;
	attempt->called = true;
}

static bool
own_by_claim(Oid caller, const TqTask *task, int64 token, const TqClaim *claim, TqAttempt *attempt)
{
	if (!claim->external || claim->token != token || claim->ending != 0 ||
		!tq_lease_may_touch(caller, claim->claimed_by, task->queue))
		return false;
	tq_xact_note_ending(task->task_id, token);
	if (!tq_lease_mark_ending(task->task_id, token))
		return false;
	fill_attempt(attempt, task, claim->worker, claim->started_at);
	return true;
}

/*
 * Without looking at the row: as long as the claim stands, nobody but the one
 * who marks it as ending changes the task.
 */
bool
tq_lease_own_unlocked(Oid caller, int64 task_id, int64 token, TqAttempt *attempt)
{
	TqClaim		claim;

	if (!tq_claim_find(task_id, &claim) || !claim.external || claim.token != token ||
		claim.ending != 0 || (claim.pid != 0 && claim.pid != MyProcPid) ||
		!tq_lease_may_touch(caller, claim.claimed_by, claim.queue))
		return false;
	tq_xact_note_ending(task_id, token);
	if (!tq_lease_mark_ending(task_id, token))
		return false;
	memset(attempt, 0, sizeof(TqAttempt));
	attempt->number = claim.attempt;
	attempt->worker = pstrdup(claim.worker);
	attempt->started_at = claim.started_at;
	attempt->called = true;
	return true;
}

static bool
own_by_row(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	if (task->lease_token == 0 || task->lease_token != token ||
		!tq_lease_may_touch(caller, task->claimed_by, task->queue))
		return false;
	fill_attempt(attempt, task, task->worker, task->started_at);
	return true;
}

static bool
own_by_generation(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	TqClaim		claim;

	if (!tq_shmem_available() || !tq_token_is_of(token, task->gen) ||
		!tq_lease_may_touch(caller, InvalidOid, task->queue) || !tq_handler_is_external(task->handler))
		return false;
	memset(&claim, 0, sizeof(claim));
	claim.task_id = task->task_id;
	claim.external = true;
	claim.pid = claim.ending = MyProcPid;
	claim.token = token;
	claim.started_at = tq_clock_now();
	claim.attempt = task->attempt + 1;
	claim.enqueuer = task->enqueuer;
	claim.claimed_by = caller;
	tq_shmem_copy_text(claim.worker, TQ_ANONYMOUS_WORKER, sizeof(claim.worker));
	tq_shmem_copy_text(claim.handler, task->handler, sizeof(claim.handler));
	tq_shmem_copy_text(claim.queue, task->queue, sizeof(claim.queue));
	tq_xact_note_claiming(task->task_id, token);
	tq_xact_note_ending(task->task_id, token);
	if (tq_claim_take(&claim, 0) == TQ_CLAIM_TAKEN)
		return false;
	fill_attempt(attempt, task, NULL, 0);
	return true;
}

/*
 * Find the claim of a task whose row is locked.  A transaction that was about
 * to end the task has mostly ended then, but may not have told memory yet.  If
 * it has not, it is about to delete the row, and waits for us.
 */
static bool
find_claim(int64 task_id, TqClaim *claim)
{
	for (int tries = 0; tq_claim_find(task_id, claim); tries++)
	{
		if (claim->ending == 0 || claim->ending == MyProcPid || tries == PATIENCE_MS)
			return true;
		tq_clock_sleep(1, tq_shmem_wait_event());
	}
	return false;
}

/* Is the task, whose row is locked, the caller's by this token?  If so, he is about to end it. */
static bool
owns(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	TqClaim		claim;

	if (find_claim(task->task_id, &claim))
		return own_by_claim(caller, task, token, &claim, attempt);
	if (task->state == TQ_TASK_RUNNING)
		return own_by_row(caller, task, token, attempt);
	return own_by_generation(caller, task, token, attempt);
}

/*
 * A row that was locked in vain stays so until the transaction ends, and a
 * worker that finds it locked drops its id.  An abort puts it back anyway, and
 * this does at commit.
 */
bool
tq_lease_own(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	if (owns(caller, task, token, attempt))
		return true;
	if (task->state == TQ_TASK_READY)
		tq_xact_note_ready(task->lane, task->priority, task->run_at, task->task_id);
	return false;
}

/* The step or its DAG was deleted by force while the worker was at it. */
bool
tq_lease_is_orphan(TqTask *task)
{
	char	   *dag_id;
	char	   *step_id;

	if (!task->has_dag || tq_dag_names(task, &dag_id, &step_id))
		return false;
	(void) tq_finish_orphan(task);
	return true;
}

