/*-------------------------------------------------------------------------
 *
 * finish.c
 *	  The one place where the end of an attempt is written.
 *
 * Order within the transaction: the live row goes first, then the DAG reacts
 * (it takes its own locks, in ascending order), then history, the reply and
 * the notes for shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/async.h"
#include "common/pg_prng.h"

#include "base/clock.h"
#include "dag/engine.h"
#include "handler/registry.h"
#include "policy/retry.h"
#include "run/finish.h"
#include "run/log.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/policy.h"
#include "store/queue.h"

/* A queue that was dropped keeps its tasks' ends like the default one. */
static const TqQueue *
queue_of(const TqTask *task)
{
	const TqQueue *queue = tq_queue_find(task->queue, true);

	return queue ? queue : tq_queue_find(TQ_DEFAULT_QUEUE, false);
}

static int64
keep_time(const TqTask *task, char state)
{
	int64		keep = -1;

	if (state == TQ_TASK_FAILED)
		return queue_of(task)->keep_failed_us;
	if (!task->has_dag || state == TQ_TASK_DONE)
	{
		TqHandler  *handler = tq_handler_find(task->handler, true);

		if (handler)
		{
			keep = handler->keep_done_us;
			tq_handler_unpin(handler);
		}
	}
	return keep >= 0 ? keep : queue_of(task)->keep_done_us;
}

static void
send_reply(const TqTask *task, char state)
{
	char	   *payload;

	if (task->reply_to == NULL)
		return;
	payload = psprintf("{\"task_id\":" INT64_FORMAT ",\"state\":\"%s\"}",
					   task->task_id, tq_task_state_name(state));
	Async_Notify(task->reply_to, payload);
	/* Somebody outside acts on it, so it must not be lost. */
	ForceSyncCommit();
}

/* False: its DAG was deleted, and nothing is kept of it. */
static bool
end_task(TqTask *task, const TqAttempt *attempt, TqEnd *end)
{
	tq_task_delete(task);
	if (task->has_dag && !tq_dag_step_ended(task, end))
	{
		(void) tq_history_forget(task->task_id);
		tq_xact_note_ended(task->task_id);
		return false;
	}
	tq_history_insert(task, end, keep_time(task, end->state));
	send_reply(task, end->state);
	tq_log_end(task, attempt, end->state, end->finished_at, end->error);
	tq_xact_note_ended(task->task_id);
	return true;
}

static void
fill_end(TqEnd *end, char state, const TqAttempt *attempt)
{
	memset(end, 0, sizeof(TqEnd));
	end->state = state;
	end->attempt = attempt->number;
	end->worker = attempt->worker;
	end->started_at = attempt->started_at;
	end->finished_at = tq_clock_now();
}

bool
tq_finish_done(TqTask *task, const TqAttempt *attempt, Jsonb *result)
{
	TqEnd		end;

	fill_end(&end, TQ_TASK_DONE, attempt);
	end.result = result;
	return end_task(task, attempt, &end);
}

void
tq_finish_canceled(TqTask *task, const TqAttempt *attempt, const char *reason)
{
	TqEnd		end;

	fill_end(&end, TQ_TASK_CANCELED, attempt);
	end.cancel_reason = reason ? pstrdup(reason) : NULL;
	(void) end_task(task, attempt, &end);
	tq_cancel_forget(task->task_id);
}

/* The first policy that is set wins as a whole; the task of a step has got its DAG's, if any. */
static void
effective_policy(const TqTask *task, TqRetryPolicy *policy)
{
	Datum		datum = task->retry_policy;
	TqHandler  *handler = NULL;

	if (datum == 0 && (handler = tq_handler_find(task->handler, true)) != NULL)
		datum = handler->has_policy ? handler->retry_policy : 0;
	if (datum == 0)
		datum = queue_of(task)->retry_policy;
	if (datum != 0)
		tq_policy_from_datum(datum, policy);
	else
		tq_retry_default_policy(policy);
	if (handler)
		tq_handler_unpin(handler);
}

int32
tq_finish_maximum_attempts(const TqTask *task)
{
	TqRetryPolicy policy;

	effective_policy(task, &policy);
	return Max(policy.maximum_attempts, 0);
}

static bool
is_retried(const TqRetryPolicy *policy, const TqError *error, int32 attempt)
{
	TqRetryError retry_error = {
		.kind = error->kind,
		.sqlstate = error->sqlstate[0] ? error->sqlstate : NULL,
		.retryable = error->retryable
	};

	return tq_retry_should_retry(policy, &retry_error, attempt);
}

static char
retry(TqTask *task, int32 attempt, const TqRetryPolicy *policy, const TqError *error)
{
	TimestampTz now = tq_clock_now();
	double		r = policy->jitter > 0 ? 2 * pg_prng_double(&pg_global_prng_state) - 1 : 0;
	int64		delay = error->retry_in >= 0 ? error->retry_in :
		tq_retry_jittered_delay(policy, attempt, r);

	task->attempt = attempt;
	task->gen++;
	task->run_at = tq_clock_add(now, delay);
	task->state = delay > 0 ? TQ_TASK_SCHEDULED : TQ_TASK_READY;
	tq_task_requeue(task);
	return task->state;
}

char
tq_finish_failed(TqTask *task, const TqAttempt *attempt, TqError *error)
{
	TqRetryPolicy policy;
	TqEnd		end;
	char	   *reason;

	if (tq_cancel_requested(task->task_id, &reason))
	{
		tq_finish_canceled(task, attempt, reason);
		return TQ_TASK_CANCELED;
	}
	fill_end(&end, TQ_TASK_FAILED, attempt);
	tq_attempt_insert(task, attempt->number, error, attempt->worker, attempt->started_at,
					  end.finished_at, queue_of(task)->keep_failed_us);
	effective_policy(task, &policy);
	if (is_retried(&policy, error, attempt->number))
	{
		tq_log_end(task, attempt, TQ_TASK_SCHEDULED, end.finished_at, error);
		return retry(task, attempt->number, &policy, error);
	}
	end.error = error;
	(void) end_task(task, attempt, &end);
	return TQ_TASK_FAILED;
}

char
tq_finish_released(TqTask *task, int64 delay_us)
{
	char	   *reason;

	if (tq_cancel_requested(task->task_id, &reason))
	{
		TqAttempt	none = {.number = task->attempt};

		tq_finish_canceled(task, &none, reason);
		return TQ_TASK_CANCELED;
	}
	task->gen++;
	task->run_at = tq_clock_add(tq_clock_now(), Max(delay_us, 0));
	task->state = delay_us > 0 ? TQ_TASK_SCHEDULED : TQ_TASK_READY;
	tq_task_requeue(task);
	return task->state;
}

char
tq_finish_orphan(TqTask *task)
{
	tq_task_delete(task);
	(void) tq_history_forget(task->task_id);
	tq_xact_note_ended(task->task_id);
	return TQ_TASK_CANCELED;
}
