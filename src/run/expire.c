/*-------------------------------------------------------------------------
 *
 * expire.c
 *	  Leases that ran out: the attempt has failed.
 *
 * Called by the scheduler, and by dequeue() where there is none.  A row that
 * somebody has locked is left alone: if it is the owner who reports, he is in
 * time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "dag/engine.h"
#include "run/dequeue.h"
#include "run/lease.h"
#include "shmem/lease.h"
#include "shmem/xact.h"
#include "store/leased.h"

#define EXPIRE_BATCH	100

static TqError *
error_of(char limit_kind)
{
	switch (limit_kind)
	{
		case TQ_LIMIT_DEADLINE:
			return tq_error_make(TQ_KIND_DEADLINE, "the deadline passed while the task was running", false);
		case TQ_LIMIT_TIMEOUT:
			return tq_error_make(TQ_KIND_TIMEOUT, "the attempt ran longer than its timeout", true);
		default:
			return tq_error_make(TQ_KIND_LEASE_LOST, "the lease of the external worker ran out", true);
	}
}

static void
fail(TqTask *task, const char *worker, TimestampTz started_at, char limit_kind)
{
	TqAttempt	attempt = {
		.number = task->attempt + 1,
		.worker = pstrdup(worker),
		.started_at = started_at,
		.called = true
	};
	char	   *dag_id;
	char	   *step_id;

	if (task->has_dag && !tq_dag_names(task, &dag_id, &step_id))
		(void) tq_finish_orphan(task);
	else
		(void) tq_finish_failed(task, &attempt, error_of(limit_kind));
}

bool
tq_lease_expire(const TqClaim *claim)
{
	int64		now = tq_clock_monotonic();
	bool		limited = claim->limit_kind != TQ_LIMIT_NONE && claim->lease_until >= claim->limit_until;
	TqTask	   *task;
	TqLockResult result = tq_task_lock(claim->task_id, TQ_LOCK_SKIP, &task);

	if (result == TQ_LOCK_BUSY)
		return false;
	tq_xact_note_ending(claim->task_id, claim->token);
	if (!tq_lease_mark_expired(claim->task_id, claim->token, now))
		return true;
	if (result == TQ_LOCKED)
		fail(task, claim->worker, claim->started_at, limited ? claim->limit_kind : TQ_LIMIT_NONE);
	return true;
}

typedef struct Scope
{
	char	   *const *queues;
	int			nqueues;
	int64		now;
} Scope;

static bool
is_in_scope(const Scope *scope, const char *queue)
{
	for (int i = 0; i < scope->nqueues; i++)
	{
		if (strcmp(scope->queues[i], queue) == 0)
			return true;
	}
	return false;
}

static bool
is_over(const TqClaim *claim, void *arg)
{
	const Scope *scope = arg;

	return tq_lease_is_over(claim, scope->now) && is_in_scope(scope, claim->queue);
}

int
tq_lease_expire_claims(char *const *queues, int nqueues)
{
	Scope		scope = {queues, nqueues, tq_clock_monotonic()};
	int			n;
	TqClaim    *claims;
	int			expired = 0;

	if (tq_lease_next(MyDatabaseId) > scope.now)
		return 0;
	claims = tq_claim_list(is_over, &scope, &n);
	for (int i = 0; i < n && expired < EXPIRE_BATCH; i++)
	{
		if (tq_lease_expire(&claims[i]))
			expired++;
	}
	if (claims != NULL)
		pfree(claims);
	return expired;
}

static bool
expire_locked_row(TqTask *task)
{
	TqHandler  *handler;
	TimestampTz limit;
	char		limit_kind;

	if (task->lease_token == 0 || task->lease_until > tq_clock_now())
		return false;
	handler = tq_handler_find(task->handler, true);
	limit = tq_handout_limit(task, handler, task->started_at, &limit_kind);
	if (handler != NULL)
		tq_handler_unpin(handler);
	if (limit_kind != TQ_LIMIT_NONE && task->lease_until < limit)
		limit_kind = TQ_LIMIT_NONE;
	fail(task, task->worker ? task->worker : TQ_ANONYMOUS_WORKER, task->started_at, limit_kind);
	return true;
}

int
tq_lease_expire_rows(char *const *queues, int nqueues)
{
	Scope		scope = {queues, nqueues};
	int64		ids[EXPIRE_BATCH];
	int			n;
	int			expired = 0;

	if (nqueues == 0)
		return 0;
	n = tq_leased_expired(tq_clock_now(), queues, nqueues, ids, EXPIRE_BATCH);
	for (int i = 0; i < n; i++)
	{
		TqTask	   *task;

		if (tq_task_lock(ids[i], TQ_LOCK_SKIP, &task) == TQ_LOCKED &&
			is_in_scope(&scope, task->queue) && expire_locked_row(task))
			expired++;
	}
	return expired;
}

bool
tq_lease_expire_row(int64 task_id)
{
	TqTask	   *task;
	TqLockResult result = tq_task_lock(task_id, TQ_LOCK_SKIP, &task);

	if (result == TQ_LOCKED)
		(void) expire_locked_row(task);
	return result != TQ_LOCK_BUSY;
}
