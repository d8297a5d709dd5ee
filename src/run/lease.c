/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Tasks in the hands of external workers: reports and heartbeats.
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
#include "run/dequeue.h"
#include "run/lease.h"
#include "run/token.h"
#include "shmem/lease.h"
#include "shmem/seen.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/leased.h"
#include "store/queue.h"

static bool
may_touch(Oid caller, Oid claimed_by, const char *queue)
{
	return tq_role_serves_queue(caller, queue) &&
		(!OidIsValid(claimed_by) || tq_role_may_become(caller, claimed_by));
}

static bool
is_external(const char *handler_name)
{
	TqHandler  *handler = tq_handler_find(handler_name, true);
	bool		external = handler != NULL && handler->kind == TQ_HANDLER_EXTERNAL;

	if (handler != NULL)
		tq_handler_unpin(handler);
	return external;
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
		!may_touch(caller, claim->claimed_by, task->queue))
		return false;
	tq_xact_note_ending(task->task_id, token);
	if (!tq_lease_mark_ending(task->task_id, token))
		return false;
	fill_attempt(attempt, task, claim->worker, claim->started_at);
	return true;
}

static bool
own_by_row(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	if (task->lease_token == 0 || task->lease_token != token ||
		!may_touch(caller, task->claimed_by, task->queue))
		return false;
	fill_attempt(attempt, task, task->worker, task->started_at);
	return true;
}

static bool
own_by_generation(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	TqClaim		claim;

	if (!tq_shmem_available() || !tq_token_is_of(token, task->gen) ||
		!may_touch(caller, InvalidOid, task->queue) || !is_external(task->handler))
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
 * to end the task has ended then, but may not have told memory yet.
 */
static bool
find_claim(int64 task_id, TqClaim *claim)
{
	while (tq_claim_find(task_id, claim))
	{
		if (claim->ending == 0 || claim->ending == MyProcPid)
			return true;
		tq_clock_sleep(1, tq_shmem_wait_event());
	}
	return false;
}

/* Is the task, whose row is locked, the caller's by this token?  If so, he is about to end it. */
static bool
take_ownership(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt)
{
	TqClaim		claim;

	if (find_claim(task->task_id, &claim))
		return own_by_claim(caller, task, token, &claim, attempt);
	if (task->state == TQ_TASK_RUNNING)
		return own_by_row(caller, task, token, attempt);
	return own_by_generation(caller, task, token, attempt);
}

/* The step or its DAG was deleted by force while the worker was at it. */
static bool
is_orphan(TqTask *task)
{
	char	   *dag_id;
	char	   *step_id;

	if (!task->has_dag || tq_dag_names(task, &dag_id, &step_id))
		return false;
	(void) tq_finish_orphan(task);
	return true;
}

static TqTask *
lock_own(Oid caller, int64 task_id, int64 token, TqAttempt *attempt)
{
	TqTask	   *task;

	tq_xact_forbid_prepare("reported on a task");
	if (tq_task_lock(task_id, TQ_LOCK_WAIT, &task) != TQ_LOCKED ||
		!take_ownership(caller, task, token, attempt) || is_orphan(task))
		return NULL;
	if (attempt->worker != NULL)
		tq_seen_note(attempt->worker, caller, NULL, NULL);
	return task;
}

bool
tq_lease_complete(Oid caller, int64 task_id, int64 token, Jsonb *result)
{
	TqAttempt	attempt;
	TqTask	   *task = lock_own(caller, task_id, token, &attempt);

	if (task == NULL)
		return false;
	return tq_finish_done(task, &attempt, result);
}

char
tq_lease_fail(Oid caller, int64 task_id, int64 token, TqError *error)
{
	TqAttempt	attempt;
	TqTask	   *task = lock_own(caller, task_id, token, &attempt);

	return task ? tq_finish_failed(task, &attempt, error) : '\0';
}

bool
tq_lease_release(Oid caller, int64 task_id, int64 token, int64 delay_us)
{
	TqAttempt	attempt;
	TqTask	   *task = lock_own(caller, task_id, token, &attempt);

	if (task == NULL)
		return false;
	(void) tq_finish_released(task, delay_us);
	return true;
}

static int
compare_completions(const void *a, const void *b)
{
	int64		left = (*(TqCompletion *const *) a)->task_id;
	int64		right = (*(TqCompletion *const *) b)->task_id;

	return left < right ? -1 : left > right;
}

/* Rows are locked in the order of their ids, so that two such calls cannot deadlock. */
void
tq_lease_complete_many(Oid caller, TqCompletion *completions, int n)
{
	TqCompletion **sorted = palloc(Max(n, 1) * sizeof(TqCompletion *));
	int64	   *ids = palloc(Max(n, 1) * sizeof(int64));
	TqTask	  **tasks = palloc(Max(n, 1) * sizeof(TqTask *));
	TqLockResult *results = palloc(Max(n, 1) * sizeof(TqLockResult));
	int64		last_id = 0;

	tq_xact_forbid_prepare("reported on tasks");
	for (int i = 0; i < n; i++)
		sorted[i] = &completions[i];
	qsort(sorted, n, sizeof(TqCompletion *), compare_completions);
	for (int i = 0; i < n; i++)
		ids[i] = sorted[i]->task_id;
	tq_task_lock_many(ids, n, TQ_LOCK_WAIT, tasks, results);
	for (int i = 0; i < n; i++)
	{
		TqAttempt	attempt;

		sorted[i]->done = false;
		if (results[i] != TQ_LOCKED || (i > 0 && ids[i] == last_id) ||
			!take_ownership(caller, tasks[i], sorted[i]->token, &attempt) || is_orphan(tasks[i]))
			continue;
		sorted[i]->done = tq_finish_done(tasks[i], &attempt, sorted[i]->result);
		last_id = ids[i];
	}
}

/* Whose leases a heartbeat extends. */
typedef struct Owner
{
	Oid			caller;
	const char *worker;
} Owner;

static bool
is_held(const TqClaim *claim, void *arg)
{
	const Owner *owner = arg;

	return claim->external && !claim->expired && claim->ending != MyProcPid &&
		(claim->pid == 0 || claim->pid == MyProcPid) &&
		strcmp(claim->worker, owner->worker) == 0;
}

static int
heartbeat_claims(Oid caller, const char *worker, int64 lease_us, TqHeld **held)
{
	Owner		owner = {caller, worker};
	int64		now = tq_clock_monotonic();
	TimestampTz wall = tq_clock_now();
	int			nclaims;
	TqClaim    *claims = tq_claim_list(is_held, &owner, &nclaims);
	int			n = 0;

	*held = palloc(Max(nclaims, 1) * sizeof(TqHeld));
	for (int i = 0; i < nclaims; i++)
	{
		TqClaim    *claim = &claims[i];
		int64		until = tq_clock_add(now, lease_us);

		if (!may_touch(caller, claim->claimed_by, claim->queue) ||
			!tq_lease_extend(claim->task_id, claim->token, until, claim))
			continue;
		(*held)[n].task_id = claim->task_id;
		(*held)[n].token = claim->token;
		(*held)[n].lease_until = tq_clock_add(wall, claim->lease_until - now);
		(*held)[n++].cancel_requested = claim->cancel_requested;
	}
	if (claims != NULL)
		pfree(claims);
	return n;
}

static bool
heartbeat_row(Oid caller, const char *worker, int64 lease_us, int64 task_id, TqHeld *held)
{
	TqTask	   *task;
	TqHandler  *handler;
	TimestampTz limit;
	char		limit_kind;
	char	   *reason;

	if (tq_task_lock(task_id, TQ_LOCK_WAIT, &task) != TQ_LOCKED ||
		task->lease_token == 0 || task->worker == NULL || strcmp(task->worker, worker) != 0 ||
		!may_touch(caller, task->claimed_by, task->queue))
		return false;
	handler = tq_handler_find(task->handler, true);
	limit = tq_handout_limit(task, handler, task->started_at, &limit_kind);
	if (handler != NULL)
		tq_handler_unpin(handler);
	task->lease_until = tq_clock_add(tq_clock_now(), lease_us);
	if (limit_kind != TQ_LIMIT_NONE)
		task->lease_until = Min(task->lease_until, limit);
	tq_task_mark_running(task);
	tq_xact_note_due(task->lease_until);
	held->task_id = task_id;
	held->token = task->lease_token;
	held->lease_until = task->lease_until;
	held->cancel_requested = tq_cancel_requested(task_id, &reason);
	return true;
}

static int
compare_held(const void *a, const void *b)
{
	int64		left = ((const TqHeld *) a)->task_id;
	int64		right = ((const TqHeld *) b)->task_id;

	return left < right ? -1 : left > right;
}

TqHeld *
tq_lease_heartbeat(Oid caller, const char *worker, int64 lease_us, int *n)
{
	TqHeld	   *held;
	int64	   *ids;
	int			nrows = tq_leased_by(worker, &ids);

	*n = heartbeat_claims(caller, worker, lease_us, &held);
	held = repalloc(held, Max(*n + nrows, 1) * sizeof(TqHeld));
	for (int i = 0; i < nrows; i++)
	{
		if (heartbeat_row(caller, worker, lease_us, ids[i], &held[*n]))
			(*n)++;
	}
	qsort(held, *n, sizeof(TqHeld), compare_held);
	tq_seen_note(worker, caller, NULL, NULL);
	return held;
}
