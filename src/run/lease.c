/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Tasks in the hands of external workers: failures, releases, heartbeats.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "run/dequeue.h"
#include "run/lease.h"
#include "run/own.h"
#include "shmem/lease.h"
#include "shmem/seen.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/leased.h"

static TqTask *
lock_own(Oid caller, int64 task_id, int64 token, TqAttempt *attempt)
{
	TqTask	   *task;

	tq_xact_forbid_prepare("reported on tasks");
	if (tq_task_lock(task_id, TQ_LOCK_WAIT, &task) != TQ_LOCKED ||
		!tq_lease_own(caller, task, token, attempt) || tq_lease_is_orphan(task))
		return NULL;
	if (attempt->worker != NULL)
		tq_seen_note(attempt->worker, caller, NULL, NULL);
	return task;
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

		if (!tq_lease_may_touch(caller, claim->claimed_by, claim->queue) ||
			!tq_lease_extend(claim->task_id, claim->token, until, claim))
			continue;
		(*held)[n].task_id = claim->task_id;
		(*held)[n].token = claim->token;
		(*held)[n].lease_until = tq_clock_add(wall, claim->lease_until - now);
		(*held)[n++].cancel_requested = claim->cancel_requested || tq_xact_has_canceled(claim->task_id);
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
		!tq_lease_may_touch(caller, task->claimed_by, task->queue))
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
