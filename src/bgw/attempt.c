/*-------------------------------------------------------------------------
 *
 * attempt.c
 *	  A worker's execution of one task, in transactions of its own.
 *
 * Function handler: one transaction with row lock, claim, call, end.
 * Procedure handler: the start is committed first; then the procedure runs in
 * transactions that it ends as it likes; then its end is recorded.
 *
 * The claim is made while the row is locked and is released only after the
 * transaction that records the outcome has ended.  An id that was taken from
 * the ready index and neither ended nor put back to waiting goes back there.
 *
 * The role of a procedure is set outside any transaction, before it starts:
 * set inside, the procedure's first ROLLBACK would restore the worker's own
 * superuser, which StartTransaction had saved.  Afterwards, whatever happened,
 * the worker sets itself back before it starts the next transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/owner.h"
#include "bgw/attempt.h"
#include "bgw/bgw.h"
#include "bgw/session.h"
#include "bgw/transaction.h"
#include "run/claim.h"
#include "run/execute.h"
#include "shmem/claims.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
#include "store/leaf.h"
#include "store/task.h"

#define RECORD_TRIES		3
#define TROUBLE_PAUSE_MS	1000L

typedef struct Execution
{
	const char *worker;
	int64		lane;
	const TqReadyKey *key;
	TqTask	   *task;			/* NULL: not locked */
	bool		claimed;
	bool		put_back;		/* the id must return to the ready index */
	bool		started;		/* run is valid */
	TqRun		run;
	TqHandler  *procedure;		/* not NULL: its start is committed, call it */
	bool		alone;			/* was in a batch that failed: run without company */
	TqReadyKey *batch;			/* keys of the tasks that share the transaction, the first one left out */
	int			nbatch;
	Jsonb	   *result;
	TqError    *error;
	bool		gave_up;		/* the row's deletion was rolled back: the task is not for us now */
	TqReadyKey	misfit;			/* taken from the index, but did not fit the batch */
	bool		has_misfit;
	MemoryContext context;
} Execution;

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

/* A function's task that is ready, in the lane that it was found in, can be deleted at once. */
static bool
ends_in_this_transaction(const TqTask *task, void *arg)
{
	const Execution *execution = arg;
	int			batch_size;

	return task->state == TQ_TASK_READY && task->lane == execution->lane &&
		handler_kind(task, &batch_size) == TQ_HANDLER_FUNCTION;
}

/* A row that was deleted for an execution that cannot take place must come back. */
static void
give_up(Execution *execution)
{
	execution->gave_up = true;
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("task cannot be claimed")));
}

/* Lock and claim.  False: there is nothing to run here. */
static bool
take_task(Execution *execution)
{
	TqTask	   *task;

	if (tq_task_take(execution->key->task_id, ends_in_this_transaction, execution,
					 &execution->task) != TQ_LOCKED)
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
			break;
		default:
			execution->put_back = true;
			break;
	}
	if (task->taken)
		give_up(execution);
	return false;
}

static void
begin_run(Execution *execution, TqCallMode mode)
{
	tq_run_begin(&execution->run, execution->task, execution->worker, mode);
	execution->run.in_worker = true;
	execution->started = true;
}

/* Commit that the procedure was started and the attempt is counted. */
static void
mark_started(Execution *execution)
{
	TqTask	   *task = execution->task;

	task->state = TQ_TASK_RUNNING;
	task->attempt++;
	task->gen++;
	task->worker = execution->run.attempt.worker;
	task->started_at = execution->run.attempt.started_at;
	tq_task_mark_running(task);
}

static void
begin_slot(Execution *execution, bool procedure)
{
	TqTask	   *task = execution->task;

	tq_slot_begin_task(task->handler, task->queue, task->task_id,
					   execution->run.attempt.number, task->gen + (procedure ? 1 : 0),
					   task->enqueuer, procedure);
	report_task(task);
}

static void
execute_procedure_start(Execution *execution)
{
	TqHandler  *handler;
	char		state;

	begin_run(execution, TQ_CALL_NONATOMIC);
	begin_slot(execution, true);
	if (!tq_run_prepare(&execution->run, &handler, &state))
		return;
	execution->procedure = handler;
	mark_started(execution);
}

static void
execute_function(Execution *execution)
{
	begin_run(execution, TQ_CALL_WORKER);
	begin_slot(execution, false);
	(void) tq_run_execute(&execution->run);
}

/*
 * May the task join the batch?  It must be for the same handler and role, so
 * that nothing of one role is left to another within the transaction.
 */
static bool
joins_batch(const TqTask *task, void *arg)
{
	const Execution *execution = arg;
	const TqTask *first = execution->task;

	return task->state == TQ_TASK_READY && task->lane == execution->lane &&
		task->enqueuer == first->enqueuer && strcmp(task->handler, first->handler) == 0;
}

/*
 * More tasks of the lane in the same transaction, without subtransactions.  A
 * batch counts as one against its queue's max_running.  The first task that
 * does not fit goes back and ends the batch.
 */
static void
execute_batch(Execution *execution, int batch_size)
{
	execution->batch = palloc(batch_size * sizeof(TqReadyKey));
	tq_task_keep_open();
	tq_leaf_collect();
	while (execution->nbatch < batch_size - 1)
	{
		TqReadyKey	key;
		int			index;
		bool		more;
		TqTask	   *task;

		CHECK_FOR_INTERRUPTS();
		if (tq_ready_pop(MyDatabaseId, &execution->lane, 1, -1, &key, &index, &more) != TQ_POP_GOT)
			break;
		if (tq_task_take(key.task_id, joins_batch, execution, &task) != TQ_LOCKED)
			continue;
		if (!task->taken || tq_run_claim_in_batch(task, execution->worker) != TQ_CLAIM_OK)
		{
			if (task->taken)
				give_up(execution);
			/* Its row lock lasts until the end of the batch. */
			execution->misfit = key;
			execution->has_misfit = true;
			break;
		}
		execution->batch[execution->nbatch++] = key;
		tq_run_end(&execution->run);
		tq_slot_end_task();
		QueryCancelHoldoffCount = 0;
		execution->task = task;
		execute_function(execution);
	}
	tq_leaf_insert_collected();
	tq_task_close_kept();
}

/* The first transaction: all of a function's attempt, the start of a procedure's. */
static void
first_transaction(void *arg)
{
	Execution  *execution = arg;
	int			batch_size;

	if (!execution->claimed)
	{
		if (!take_task(execution))
			return;
	}
	else if (tq_task_lock(execution->key->task_id, TQ_LOCK_WAIT, &execution->task) != TQ_LOCKED)
	{
		execution->task = NULL; /* a rerun, but somebody deleted it by force */
		return;
	}
	if (handler_kind(execution->task, &batch_size) == TQ_HANDLER_PROCEDURE)
	{
		execute_procedure_start(execution);
		return;
	}
	execute_function(execution);
	if (batch_size > 1 && !execution->alone)
		execute_batch(execution, batch_size);
}

static void
call_procedure(void *arg)
{
	Execution  *execution = arg;

	StartTransactionCommand();
	MemoryContextSwitchTo(execution->context);
	execution->result = tq_run_call(&execution->run, execution->procedure, execution->context);
	HOLD_CANCEL_INTERRUPTS();
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
	MemoryContextSwitchTo(execution->context);
}

/* Lock the task again to record the outcome.  False: it is not ours any more. */
static bool
lock_again(Execution *execution)
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
	Execution  *execution = arg;

	if (!lock_again(execution))
		return;
	if (execution->error)
		(void) tq_run_record_failure(&execution->run, execution->error);
	else
	{
		if (execution->run.snoozed)
			execution->task->attempt--; /* snoozing costs none, but the start was counted */
		(void) tq_run_record_success(&execution->run, execution->result);
	}
}

/* The outcome must not be lost for a passing trouble of ours. */
static void
record(Execution *execution)
{
	for (int try = 1;; try++)
	{
		ErrorData  *error = tq_transaction_run(record_outcome, execution);

		if (error == NULL)
			return;
		if (!tq_run_may_rerun(&execution->run, error) || try == RECORD_TRIES)
			tq_transaction_log(error, "recording the end of a task");
		if (try == RECORD_TRIES)
		{
			execution->put_back = true;
			return;
		}
		tq_clock_sleep(try * 10L, tq_shmem_wait_event());
	}
}

static void
run_procedure(Execution *execution)
{
	Oid			user = GetUserId();
	ErrorData  *error;

	SetUserIdAndSecContext(execution->task->enqueuer, SECURITY_LOCAL_USERID_CHANGE);
	error = tq_transaction_guard(call_procedure, execution);
	SetUserIdAndSecContext(user, 0);
	execution->run.in_handler = false;
	if (error != NULL)
	{
		execution->error = tq_run_error(&execution->run, error);
		if (execution->error == NULL)
			execution->error = tq_call_classify_error(error, TQ_PHASE_HANDLER);
	}
	tq_handler_unpin(execution->procedure);
	tq_session_reset(true);
	record(execution);
}

/* The attempt's transaction failed.  True: run it again at once. */
static bool
handle_failure(Execution *execution, ErrorData *error, int reruns)
{
	TqRun	   *run = &execution->run;

	if (execution->started && execution->task)
	{
		run->in_handler = false;
		if (tq_slot_cancel_requested() && run->phase == TQ_RUN_CALL)
			run->interrupt = TQ_INTERRUPT_CANCEL;
		if (tq_run_may_rerun(run, error) && reruns < TQ_MAX_RERUNS)
			return true;
		execution->error = tq_run_error(run, error);
		if (execution->error)
		{
			record(execution);
			return false;
		}
	}
	tq_transaction_log(error, "running a task");
	execution->put_back = true;
	return false;
}

static void
finish(Execution *execution)
{
	if (execution->started)
		tq_slot_end_task();
	if (execution->claimed)
		tq_claim_release(execution->key->task_id);
	for (int i = 0; i < execution->nbatch; i++)
		tq_claim_release(execution->batch[i].task_id);
	if (execution->has_misfit)
		tq_ready_push(MyDatabaseId, execution->lane, &execution->misfit);
	if (execution->put_back)
		tq_ready_push(MyDatabaseId, execution->lane, execution->key);
}

static void run_execution(Execution *execution);

/* The claims of the whole batch stand, so nobody else takes its tasks meanwhile. */
static void
run_alone(const Execution *batch, const TqReadyKey *key)
{
	Execution	execution = {.worker = batch->worker, .lane = batch->lane, .key = key,
	.claimed = true, .alone = true, .context = batch->context};

	(void) tq_bgw_check_interrupts();
	run_execution(&execution);
}

static void
run_batch_alone(Execution *execution)
{
	int			n = execution->nbatch;

	tq_run_end(&execution->run);
	tq_slot_end_task();
	tq_session_reset(false);
	execution->nbatch = 0;
	if (execution->has_misfit)
		tq_ready_push(MyDatabaseId, execution->lane, &execution->misfit);
	run_alone(execution, execution->key);
	for (int i = 0; i < n; i++)
		run_alone(execution, &execution->batch[i]);
}

/* Whatever comes of it, the session is clean afterwards. */
static void
run_execution(Execution *execution)
{
	bool		trouble = false;

	for (int reruns = 0;; reruns++)
	{
		ErrorData  *error = tq_transaction_run(first_transaction, execution);

		QueryCancelHoldoffCount = 0;	/* held off since the handler returned */
		if (error == NULL)
		{
			if (execution->procedure)
				run_procedure(execution);
			else if (execution->started)
				tq_session_reset(false);
			break;
		}
		tq_task_forget_kept();
		tq_leaf_forget_collected();
		if (execution->gave_up && !execution->claimed)
			break;
		if (execution->claimed && !execution->alone && execution->batch != NULL)
		{
			run_batch_alone(execution);
			return;
		}
		if (!handle_failure(execution, error, reruns))
		{
			trouble = execution->put_back;
			tq_session_reset(false);
			break;
		}
		tq_run_end(&execution->run);
		execution->started = false;
		tq_session_reset(false);
	}
	if (execution->started)
		tq_run_end(&execution->run);
	finish(execution);
	if (trouble)
		tq_clock_sleep(TROUBLE_PAUSE_MS, tq_shmem_wait_event());
}

void
tq_attempt_run(const char *worker, int64 lane, const TqReadyKey *key)
{
	Execution	execution = {.worker = worker, .lane = lane, .key = key,
	.context = CurrentMemoryContext};

	run_execution(&execution);
}
