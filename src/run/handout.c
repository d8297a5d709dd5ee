/*-------------------------------------------------------------------------
 *
 * handout.c
 *	  Making a locked task an external worker's.
 *
 * The note for the transaction's end comes before the claim, because making
 * it can fail.  It names the token, so it does no harm if the claim is then
 * refused.  If the claims table is full, the lease is written into the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "dag/engine.h"
#include "run/dequeue.h"
#include "run/execute.h"
#include "run/token.h"
#include "shmem/lease.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/lane.h"

TimestampTz
tq_handout_limit(const TqTask *task, const TqHandler *handler, TimestampTz started_at, char *kind)
{
	int64		timeout = handler ? tq_run_timeout(task, handler) : task->timeout_us;
	TimestampTz end = 0;

	*kind = TQ_LIMIT_NONE;
	if (timeout > 0)
	{
		end = tq_clock_add(started_at, timeout);
		*kind = TQ_LIMIT_TIMEOUT;
	}
	if (task->has_deadline && (end == 0 || task->deadline <= end))
	{
		end = task->deadline;
		*kind = TQ_LIMIT_DEADLINE;
	}
	return end;
}

static void
fail_at_dispatch(const TqDequeue *request, TqTask *task, TqError *error)
{
	TqAttempt	attempt = {
		.number = task->attempt + 1,
		.worker = pstrdup(request->worker),
		.started_at = tq_clock_now()
	};

	(void) tq_finish_failed(task, &attempt, error);
}

/* Its handler was registered anew as one that runs in the database, whose workers look at the lane of the name. */
static void
move_away(TqTask *task)
{
	task->lane = tq_lane_of(TQ_LANE_EXTERNAL, task->queue, task->handler, task->target);
	task->state = TQ_TASK_READY;
	tq_task_requeue(task);
}

/* False: it has ended, or is not for external workers. */
static bool
may_start(const TqDequeue *request, TqTask *task, const TqHandler *handler, TqHandout *handout)
{
	if (handler == NULL)
	{
		fail_at_dispatch(request, task, tq_error_make(TQ_KIND_UNKNOWN_HANDLER,
													  psprintf("handler \"%s\" is not registered", task->handler), false));
		return false;
	}
	if (handler->kind != TQ_HANDLER_EXTERNAL)
	{
		move_away(task);
		return false;
	}
	if (task->has_dag && !tq_dag_names(task, &handout->dag_id, &handout->step_id))
	{
		(void) tq_finish_orphan(task);
		return false;
	}
	if (task->has_deadline && handout->started_at > task->deadline)
	{
		fail_at_dispatch(request, task, tq_error_make(TQ_KIND_DEADLINE,
													  "the deadline had passed before the task could start", false));
		return false;
	}
	return true;
}

static void
fill_claim(TqClaim *claim, const TqDequeue *request, const TqHandout *handout,
		   TimestampTz limit, char limit_kind)
{
	const TqTask *task = handout->task;
	int64		now = tq_clock_monotonic();

	memset(claim, 0, sizeof(TqClaim));
	claim->task_id = task->task_id;
	claim->external = true;
	claim->pid = MyProcPid;
	claim->token = handout->token;
	claim->lease_until = now + (handout->lease_until - handout->started_at);
	claim->limit_kind = limit_kind;
	if (limit_kind != TQ_LIMIT_NONE)
		claim->limit_until = now + (limit - handout->started_at);
	claim->started_at = handout->started_at;
	claim->attempt = handout->attempt;
	claim->enqueuer = task->enqueuer;
	claim->claimed_by = request->caller;
	claim->lane = task->lane;
	claim->priority = task->priority;
	claim->run_at = task->run_at;
	tq_shmem_copy_text(claim->worker, request->worker, sizeof(claim->worker));
	tq_shmem_copy_text(claim->handler, task->handler, sizeof(claim->handler));
	tq_shmem_copy_text(claim->queue, task->queue, sizeof(claim->queue));
}

/* A lease in the row ends by time like a scheduled task becomes due. */
static void
write_lease(const TqDequeue *request, const TqHandout *handout)
{
	TqTask	   *task = handout->task;

	task->state = TQ_TASK_RUNNING;
	task->started_at = handout->started_at;
	task->worker = pstrdup(request->worker);
	task->claimed_by = request->caller;
	task->lease_token = handout->token;
	task->lease_until = handout->lease_until;
	tq_task_mark_running(task);
	tq_xact_note_due(task->lease_until);
}

static TqHandoutResult
claim_in_memory(const TqDequeue *request, const TqHandout *handout, int max_running,
				TimestampTz limit, char limit_kind)
{
	TqClaim		claim;
	char	   *reason;

	fill_claim(&claim, request, handout, limit, limit_kind);
	tq_xact_note_claiming(claim.task_id, claim.token);
	switch (tq_claim_take(&claim, max_running))
	{
		case TQ_CLAIM_OK:
			if (tq_cancel_is_pending(claim.task_id, &reason))
				(void) tq_claim_request_cancel(MyDatabaseId, claim.task_id);
			return TQ_HANDED_OUT;
		case TQ_CLAIM_TAKEN:
			return TQ_HANDOUT_CLAIMED;
		case TQ_CLAIM_NO_ROOM:
			write_lease(request, handout);
			return TQ_HANDED_OUT;
		case TQ_CLAIM_QUEUE_FULL:
			break;
	}
	tq_xact_note_ready(handout->task->lane, handout->task->priority,
					   handout->task->run_at, handout->task->task_id);
	return TQ_HANDOUT_FULL;
}

TqHandoutResult
tq_handout_make(const TqDequeue *request, TqTask *task, int max_running, TqHandout *handout)
{
	TqHandler  *handler = tq_handler_find(task->handler, true);
	TqHandoutResult result = TQ_HANDED_OUT;
	TimestampTz limit;
	char		limit_kind;

	memset(handout, 0, sizeof(TqHandout));
	handout->task = task;
	handout->started_at = tq_clock_now();
	handout->attempt = task->attempt + 1;
	handout->token = tq_token_make(task->gen);
	if (!may_start(request, task, handler, handout))
		result = TQ_HANDOUT_ENDED;
	else
	{
		limit = tq_handout_limit(task, handler, handout->started_at, &limit_kind);
		handout->lease_until = tq_clock_add(handout->started_at, request->lease_us);
		if (limit_kind != TQ_LIMIT_NONE)
			handout->lease_until = Min(handout->lease_until, limit);
		if (tq_shmem_available())
			result = claim_in_memory(request, handout, max_running, limit, limit_kind);
		else
			write_lease(request, handout);
	}
	if (handler != NULL)
		tq_handler_unpin(handler);
	return result;
}

void
tq_handout_undo(const TqHandout *handout)
{
	const TqTask *task = handout->task;

	tq_lease_undo(task->task_id, handout->token);
	tq_xact_note_ready(task->lane, task->priority, task->run_at, task->task_id);
}
