/*-------------------------------------------------------------------------
 *
 * procedure.c
 *	  An attempt of a procedure, which may end transactions.
 *
 * That it was started is committed first, and the attempt is counted; then it
 * runs in transactions that it ends as it likes; then its end is recorded.
 * The claim stands all the time.
 *
 * The role is set outside any transaction, before the procedure's first one
 * starts: set inside, its first ROLLBACK would restore the user that the
 * transaction began with, a worker's superuser.  Afterwards, whatever happened,
 * the executing user is set back before the next transaction starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/role.h"
#include "bgw/execution.h"
#include "bgw/session.h"
#include "bgw/transaction.h"
#include "run/interrupt.h"
#include "store/task.h"

/* Commit that the procedure was started and the attempt is counted. */
static void
mark_started(TqWork *execution)
{
	TqTask	   *task = execution->task;

	task->state = TQ_TASK_RUNNING;
	task->attempt++;
	task->gen++;
	task->worker = execution->run.attempt.worker;
	task->started_at = execution->run.attempt.started_at;
	tq_task_mark_running(task);
}

void
tq_procedure_start(TqWork *execution)
{
	TqHandler  *handler;

	tq_execution_begin(execution, TQ_CALL_NONATOMIC, true);
	if (!tq_run_prepare(&execution->run, &handler, &execution->state))
		return;
	execution->procedure = handler;
	if (execution->foreground)
		execution->settings = tq_session_save_settings();
	mark_started(execution);
}

static void
call_procedure(void *arg)
{
	TqWork *execution = arg;

	StartTransactionCommand();
	tq_role_resume();
	tq_transaction_characterize();
	MemoryContextSwitchTo(execution->context);
	execution->result = tq_run_call(&execution->run, execution->procedure, execution->context);
	CommitTransactionCommand();
	MemoryContextSwitchTo(execution->context);
}

static ErrorData *
call_as_role(TqWork *execution)
{
	int			security = SECURITY_LOCAL_USERID_CHANGE;
	ErrorData  *error;

	if (tq_execution_is_restricted(execution))
		security |= SECURITY_RESTRICTED_OPERATION;
	tq_role_take(execution->task->enqueuer, security);
	error = tq_transaction_guard(call_procedure, execution);
	tq_role_leave(execution->user, execution->sec_context);
	return error;
}

/* What it has committed stays, so an error is that of the attempt whoever caused it; a client gets to hear of his cancel. */
static void
note_error(TqWork *execution, ErrorData *error)
{
	TqRun	   *run = &execution->run;

	tq_interrupt_note_cancels();
	if (execution->foreground && run->interrupt == TQ_INTERRUPT_NONE &&
		error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		execution->raised = error;
	execution->error = tq_run_error(run, error);
	if (execution->error == NULL)
		execution->error = tq_call_classify_error(error, TQ_PHASE_HANDLER);
}

void
tq_procedure_run(TqWork *execution)
{
	ErrorData  *error = call_as_role(execution);

	tq_interrupt_hold();
	execution->run.in_handler = false;
	if (error != NULL)
		note_error(execution, error);
	tq_handler_unpin(execution->procedure);
	if (execution->foreground)
		tq_session_restore_settings(execution->settings);
	else
		tq_session_reset(true);
	tq_execution_record(execution);
}
