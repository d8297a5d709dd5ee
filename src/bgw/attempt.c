/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  Execution of one task in transactions of its own, by a worker or, for
 *	  run_tasks(), in a client's session.
 *
 * Function handler: one transaction with row lock, claim, call, end.
 * Procedure handler: see procedure.c.
 *
 * The claim is made while the row is locked and is released only after the
 * transaction that records the outcome has ended.  An id that was taken from
 * the ready index and neither ended nor put back to waiting goes back there.
 *
 * In a client's session what the client did (his cancel) and what goes wrong on
 * our side is returned as an error for him; a worker logs it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"

#include "base/clock.h"
#include "base/compat.h"
#include "bgw/attempt.h"
#include "bgw/execution.h"
#include "bgw/transaction.h"
#include "run/claim.h"
#include "run/interrupt.h"
#include "shmem/claims.h"
#include "shmem/held.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
#include "store/task.h"

#define RECORD_TRIES		3
#define TROUBLE_PAUSE_MS	1000L

static void
report_task(const TqTask *task)
{
	char		activity[NAMEDATALEN * 4];

	snprintf(activity, sizeof(activity), "task_queue: task " INT64_FORMAT " handler %s",
			 task->task_id, task->handler);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* '\0': not registered, or without its function. */
static char
handler_kind(const TqTask *task, int *batch_size)
{
	TqHandler  *handler = tq_handler_find(task->handler, true);
	char		kind = '\0';

	*batch_size = 1;
	if (handler == NULL)
		return kind;
	if (!handler->function_missing)
	{
		kind = handler->kind;
		*batch_size = handler->batch_size;
	}
	tq_handler_unpin(handler);
	return kind;
}

/*
 * The last task that was found to be claimed by somebody else.  Giving it up
 * puts its id back into the ready index, where we would find it again at once
 * and for ever; the next time it is only locked, and its id is dropped.
 */
static int64 contested = 0;

/* A function's task that is ready, in the lane that it was found in, can be deleted at once. */
static bool
ends_in_this_transaction(const TqTask *task, void *arg)
{
	const TqWork *execution = arg;
	int			batch_size;

	return task->state == TQ_TASK_READY && task->lane == execution->lane &&
		task->task_id != contested &&
		handler_kind(task, &batch_size) == TQ_HANDLER_FUNCTION;
}

/* A row that was deleted for an execution that cannot take place must come back. */
void
tq_execution_give_up(TqWork *execution)
{
	execution->gave_up = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("task " INT64_FORMAT " cannot be claimed", execution->key->task_id)));
}

/* Lock and claim.  False: there is nothing to run here. */
static bool
take_task(TqWork *execution)
{
	TqTask	   *task;
	TqLockResult result = tq_task_take(execution->key->task_id, ends_in_this_transaction,
									   execution, &execution->task);

	execution->refused = result == TQ_LOCK_BUSY;
	if (result != TQ_LOCKED)
		return false;
	task = execution->task;
	if (task->state != TQ_TASK_READY || task->lane != execution->lane)
		return false;			/* if it was moved, the entry of its new lane is elsewhere */
	switch (tq_run_claim(task, execution->worker, false))
	{
		case TQ_CLAIM_OK:
			execution->claimed = true;
			return true;
		case TQ_CLAIM_TAKEN:
			contested = task->taken ? task->task_id : 0;
			break;
		default:
			execution->put_back = !task->taken; /* else the abort does that */
			break;
	}
	if (task->taken)
		tq_execution_give_up(execution);
	return false;
}

/* procedure: its start is counted in its row, which raises gen. */
void
tq_execution_begin(TqWork *execution, TqCallMode mode, bool procedure)
{
	TqTask	   *task = execution->task;

	tq_run_begin(&execution->run, task, execution->worker, mode);
	execution->run.in_worker = true;
	execution->started = true;
	if (execution->foreground)
		return;
	tq_slot_begin_task(task->handler, task->queue, task->task_id,
					   execution->run.attempt.number, task->gen + (procedure ? 1 : 0),
					   task->enqueuer, procedure);
	report_task(task);
}

/* A task of another role must leave nothing in a client's session. */
bool
tq_execution_is_restricted(const TqWork *execution)
{
	return execution->foreground && execution->task->enqueuer != execution->user;
}

static void
clean_session(const TqWork *execution)
{
	if (!execution->foreground)
		tq_session_reset(false);
}

void
tq_execution_call_function(TqWork *execution)
{
	TqCallMode	mode = tq_execution_is_restricted(execution) ? TQ_CALL_RESTRICTED : TQ_CALL_WORKER;

	tq_execution_begin(execution, mode, false);
	execution->state = tq_run_execute(&execution->run);
}

/* The first transaction: all of a function's attempt, the start of a procedure's. */
static void
first_transaction(void *arg)
{
	TqWork	   *execution = arg;
	int			batch_size;

	if (!execution->claimed)
	{
		if (!execution->take(execution))
			return;
	}
	else if (tq_task_lock(execution->key->task_id, TQ_LOCK_WAIT, &execution->task) != TQ_LOCKED)
	{
		execution->task = NULL; /* a rerun, but somebody deleted it by force */
		return;
	}
	if (handler_kind(execution->task, &batch_size) == TQ_HANDLER_PROCEDURE)
	{
		tq_procedure_start(execution);
		return;
	}
	tq_execution_call_function(execution);
	if (batch_size > 1 && !execution->alone)
		tq_batch_execute(execution, batch_size);
}

/* Lock the task again to record the outcome.  False: it is not ours any more. */
static bool
lock_again(TqWork *execution)
{
	TqTask	   *task;
	TqTask	   *before = execution->task;

	if (tq_task_lock(before->task_id, TQ_LOCK_WAIT, &task) != TQ_LOCKED ||
		task->gen != before->gen)
		return false;
	execution->task = task;
	execution->run.task = task;
	return true;
}

static void
record_outcome(void *arg)
{
	TqWork *execution = arg;

	if (!lock_again(execution))
		return;
	if (execution->error)
		execution->state = tq_run_record_failure(&execution->run, execution->error);
	else
	{
		if (execution->run.snoozed)
			execution->task->attempt--; /* snoozing costs none, but the start was counted */
		execution->state = tq_run_record_success(&execution->run, execution->result);
	}
}

/*
 * The outcome must not be lost for a passing trouble of ours, nor, as cancels
 * are held off, for a client who cancels just now.
 */
void
tq_execution_record(TqWork *execution)
{
	for (int try = 1;; try++)
	{
		ErrorData  *error;

		error = tq_transaction_run(record_outcome, execution);
		tq_interrupt_hold();
		if (error == NULL)
			return;
		if (!tq_run_may_rerun(&execution->run, error) || try == RECORD_TRIES)
			tq_transaction_log(error, "recording the end of a task");
		if (try == RECORD_TRIES)
		{
			execution->put_back = true;
			execution->raised = error;
			return;
		}
		tq_clock_sleep(try * 10L, tq_shmem_wait_event());
	}
}

/* The client's own cancel or statement_timeout; it ends the whole call. */
static bool
belongs_to_client(const TqWork *execution, const ErrorData *error)
{
	return execution->foreground && error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		execution->run.interrupt == TQ_INTERRUPT_NONE;
}

/* The attempt's transaction failed.  True: run it again at once. */
static bool
handle_failure(TqWork *execution, ErrorData *error, int reruns)
{
	TqRun	   *run = &execution->run;

	if (execution->started && execution->task)
	{
		run->in_handler = false;
		tq_interrupt_note_cancels();
		if (tq_run_may_rerun(run, error) && reruns < TQ_MAX_RERUNS)
			return true;
		if (!belongs_to_client(execution, error))
			execution->error = tq_run_error(run, error);
		if (execution->error)
		{
			tq_execution_record(execution);
			return false;
		}
	}
	execution->raised = error;
	execution->put_back = true;
	if (!execution->foreground)
		tq_transaction_log(error, "running a task");
	return false;
}

/* A cancel that came for the task must not hit what the client does next. */
static void
release_claim(const TqWork *execution)
{
	if (execution->claimed && tq_claim_release(execution->key->task_id) && execution->foreground)
		QueryCancelPending = false;
	tq_interrupt_release();
}

/*
 * A task that is ready again was put into the ready index by the commit, but
 * whoever took it from there since then has found our claim and dropped it.
 */
static void
put_back(const TqWork *execution)
{
	TqReadyKey	key;

	if (!tq_shmem_available() || (execution->foreground && !execution->claimed))
		return;
	if (execution->put_back)
		tq_ready_push(MyDatabaseId, execution->lane, execution->key);
	else if (execution->state == TQ_TASK_READY)
	{
		key.priority = execution->task->priority;
		key.run_at = execution->task->run_at;
		key.task_id = execution->task->task_id;
		tq_ready_push(MyDatabaseId, execution->task->lane, &key);
		tq_wake_worker(MyDatabaseId, 0);
	}
}

static void
finish(TqWork *execution)
{
	if (execution->started && !execution->foreground)
		tq_slot_end_task();
	release_claim(execution);
	for (int i = 0; i < execution->nbatch; i++)
	{
		tq_claim_release(execution->batch[i].task_id);
		tq_held_drop(execution->batch[i].task_id);
	}
	if (execution->has_misfit)
	{
		tq_ready_push(MyDatabaseId, execution->lane, &execution->misfit);
		tq_held_drop(execution->misfit.task_id);
	}
	put_back(execution);
	if (execution->refused)
		tq_held_refuse(execution->key->task_id);
	else
		tq_held_drop(execution->key->task_id);
}

/* Two tasks that met in a deadlock must not meet again at once. */
static void
pause_before_rerun(int reruns)
{
	uint32		limit = Min(1 << reruns, 64);

	tq_clock_sleep(pg_prng_uint64_range(&pg_global_prng_state, 0, limit),
				   tq_shmem_wait_event());
}

/* Whatever comes of it, the session is clean afterwards. */
void
tq_execution_run(TqWork *execution)
{
	bool		trouble = false;

	for (int reruns = 0;; reruns++)
	{
		ErrorData  *error = tq_transaction_run(first_transaction, execution);

		tq_interrupt_hold();
		if (error == NULL)
		{
			if (execution->procedure)
				tq_procedure_run(execution);
			else if (execution->started)
				clean_session(execution);
			break;
		}
		tq_task_forget_kept();
		if (execution->gave_up && !execution->claimed)
			break;
		if (execution->batch != NULL)
		{
			tq_batch_run_alone(execution);
			return;
		}
		if (!handle_failure(execution, error, reruns))
		{
			trouble = execution->put_back;
			clean_session(execution);
			break;
		}
		tq_run_end(&execution->run);
		execution->started = false;
		clean_session(execution);
		if (!execution->foreground)
			pause_before_rerun(reruns);
	}
	if (execution->started)
		tq_run_end(&execution->run);
	finish(execution);
	if (trouble && !execution->foreground)
		tq_clock_sleep(TROUBLE_PAUSE_MS, tq_shmem_wait_event());
}

void
tq_attempt_run(const char *worker, int64 lane, const TqReadyKey *key)
{
	TqWork		execution = {.worker = worker, .take = take_task, .user = GetUserId(),
	.lane = lane, .key = key, .context = CurrentMemoryContext};

	tq_execution_run(&execution);
}
