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
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/owner.h"
#include "bgw/attempt.h"
#include "bgw/bgw.h"
#include "bgw/transaction.h"
#include "run/claim.h"
#include "run/execute.h"
#include "shmem/claims.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
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
	Jsonb	   *result;
	TqError    *error;
	MemoryContext context;
} Execution;

static Oid	worker_user;

void
tq_attempt_init(void)
{
	worker_user = GetUserId();
}

static void
report_task(const TqTask *task)
{
	char		activity[NAMEDATALEN * 4];

	snprintf(activity, sizeof(activity), "task_queue: task " INT64_FORMAT " handler %s",
			 task->task_id, task->handler);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/* Lock and claim.  False: there is nothing to run here. */
static bool
take_task(Execution *execution)
{
	if (tq_task_lock(execution->key->task_id, TQ_LOCK_SKIP, &execution->task) != TQ_LOCKED)
		return false;
	if (execution->task->state != TQ_TASK_READY)
		return false;
	if (execution->task->lane != execution->lane)
	{
		/* It was moved; the entry of its new lane is elsewhere. */
		return false;
	}
	switch (tq_run_claim(execution->task, execution->worker, false))
	{
		case TQ_CLAIM_OK:
			execution->claimed = true;
			return true;
		case TQ_CLAIM_TAKEN:
			return false;
		default:
			execution->put_back = true;
			return false;
	}
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

static bool
is_procedure(const TqTask *task)
{
	TqHandler  *handler = tq_handler_find(task->handler, true);
	bool		procedure;

	if (handler == NULL)
		return false;
	procedure = handler->kind == TQ_HANDLER_PROCEDURE && !handler->function_missing;
	tq_handler_unpin(handler);
	return procedure;
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

/* The first transaction: all of a function's attempt, the start of a procedure's. */
static void
first_transaction(void *arg)
{
	Execution  *execution = arg;

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
	if (is_procedure(execution->task))
		execute_procedure_start(execution);
	else
	{
		begin_run(execution, TQ_CALL_WORKER);
		begin_slot(execution, false);
		(void) tq_run_execute(&execution->run);
	}
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

/* What a procedure leaves in the session; a function's settings are undone by the call. */
static void
drop_temp_tables(void *arg)
{
	ResetTempTableNamespace();
}

static void
reset_session(bool procedure)
{
	Oid			temp_namespace;
	Oid			toast_namespace;

	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetSequenceCaches();
	if (procedure)
		ResetAllOptions();
	GetTempNamespaceState(&temp_namespace, &toast_namespace);
	if (OidIsValid(temp_namespace))
	{
		ErrorData  *error = tq_transaction_run(drop_temp_tables, NULL);

		if (error != NULL)
			tq_transaction_log(error, "dropping the temporary tables of a task");
	}
}

static void
run_procedure(Execution *execution)
{
	ErrorData  *error;

	SetUserIdAndSecContext(execution->task->enqueuer, SECURITY_LOCAL_USERID_CHANGE);
	error = tq_transaction_guard(call_procedure, execution);
	SetUserIdAndSecContext(worker_user, 0);
	execution->run.in_handler = false;
	if (error != NULL)
	{
		execution->error = tq_run_error(&execution->run, error);
		if (execution->error == NULL)
			execution->error = tq_call_classify_error(error, TQ_PHASE_HANDLER);
	}
	tq_handler_unpin(execution->procedure);
	reset_session(true);
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
	if (execution->put_back)
		tq_ready_push(MyDatabaseId, execution->lane, execution->key);
}

static void
set_commit_mode(void)
{
	const char *mode = tq_synchronous_commit ? "on" : "off";

	if ((synchronous_commit > SYNCHRONOUS_COMMIT_OFF) != tq_synchronous_commit)
		(void) set_config_option("synchronous_commit", mode, PGC_SUSET, PGC_S_OVERRIDE,
								 GUC_ACTION_SET, true, 0, false);
}

void
tq_attempt_run(const char *worker, int64 lane, const TqReadyKey *key)
{
	Execution	execution = {.worker = worker, .lane = lane, .key = key,
	.context = CurrentMemoryContext};
	bool		trouble = false;

	set_commit_mode();
	for (int reruns = 0;; reruns++)
	{
		ErrorData  *error = tq_transaction_run(first_transaction, &execution);

		QueryCancelHoldoffCount = 0;	/* held off since the handler returned */
		if (error == NULL)
		{
			if (execution.procedure)
				run_procedure(&execution);
			else if (execution.started)
				reset_session(false);
		}
		else if (handle_failure(&execution, error, reruns))
		{
			tq_run_end(&execution.run);
			execution.started = false;
			reset_session(false);
			continue;
		}
		else
		{
			trouble = execution.put_back;
			reset_session(false);
		}
		break;
	}
	if (execution.started)
		tq_run_end(&execution.run);
	finish(&execution);
	if (trouble)
		tq_clock_sleep(TROUBLE_PAUSE_MS, tq_shmem_wait_event());
}
