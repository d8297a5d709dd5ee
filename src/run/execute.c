/*-------------------------------------------------------------------------
 *
 * execute.c
 *	  One attempt of a claimed task.
 *
 * The timers of an attempt cover its whole call; when the handler, its
 * deferred triggers and its portals are done, query cancels are held off, so
 * that a late one cannot turn a finished handler into a canceled one.  The
 * hold ends with the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "dag/engine.h"
#include "run/execute.h"
#include "run/interrupt.h"
#include "store/cancel.h"
#include "store/lane.h"
#include "store/leaf.h"

TqRun	   *tq_current_run = NULL;

TqRun *
tq_run_in_handler(void)
{
	return (tq_current_run && tq_current_run->in_handler) ? tq_current_run : NULL;
}

TqRun *
tq_run_of_task(int64 task_id)
{
	TqRun	   *run = tq_current_run;

	while (run != NULL && run->task->task_id != task_id)
		run = run->outer;
	return run;
}

void
tq_run_begin(TqRun *run, TqTask *task, const char *worker, TqCallMode mode)
{
	memset(run, 0, sizeof(TqRun));
	run->task = task;
	run->mode = mode;
	run->phase = TQ_RUN_PREPARE;
	run->attempt.number = task->attempt + 1;
	run->attempt.worker = pstrdup(worker);
	run->attempt.started_at = tq_clock_now();
	run->outer = tq_current_run;
	tq_current_run = run;
}

void
tq_run_end(TqRun *run)
{
	tq_interrupt_note_cancels();
	tq_current_run = run->outer;
	tq_interrupt_hand_out(run);
}

int64
tq_run_timeout(const TqTask *task, const TqHandler *handler)
{
	if (task->timeout_us >= 0)
		return task->timeout_us;
	if (handler->timeout_us >= 0)
		return handler->timeout_us;
	return (int64) tq_default_timeout * TQ_USECS_PER_MS;
}

/* When the attempt is to be interrupted, and why; 0: never. */
static TimestampTz
time_limit(const TqRun *run, const TqHandler *handler, TqInterrupt *reason)
{
	int64		timeout = tq_run_timeout(run->task, handler);
	TimestampTz end = timeout > 0 ? tq_clock_add(run->attempt.started_at, timeout) : 0;

	*reason = TQ_INTERRUPT_TIMEOUT;
	if (run->task->has_deadline && (end == 0 || run->task->deadline <= end))
	{
		end = run->task->deadline;
		*reason = TQ_INTERRUPT_DEADLINE;
	}
	return end;
}

/* A task whose handler is external by now was enqueued under an in-database one. */
static void
move_to_external_lane(TqTask *task, TqHandler *handler)
{
	task->lane = tq_lane_of(TQ_LANE_EXTERNAL, task->queue, handler->name, task->target);
	task->state = TQ_TASK_READY;
	tq_task_requeue(task);
}

static TqError *
unknown_handler_error(const TqTask *task, const TqHandler *handler)
{
	char	   *message;

	if (handler == NULL)
		message = psprintf("handler \"%s\" is not registered", task->handler);
	else
		message = psprintf("the function of handler \"%s\" does not exist", task->handler);
	return tq_error_make(TQ_KIND_UNKNOWN_HANDLER, message, false);
}

/* Most steps do not ask for them. */
bool
tq_run_load_names(TqRun *run)
{
	char	   *dag_id;
	char	   *step_id;

	if (run->dag_id != NULL)
		return true;
	if (!run->task->has_dag || !tq_dag_names(run->task, &dag_id, &step_id))
		return false;
	run->dag_id = dag_id;
	run->step_id = step_id;
	return true;
}

bool
tq_run_prepare(TqRun *run, TqHandler **handler, char *state)
{
	TqTask	   *task = run->task;
	char	   *reason;

	*handler = NULL;
	/* A DAG is deleted with the tasks that nobody has had yet, so only others can be orphans. */
	if (task->has_dag && (task->attempt > 0 || task->gen > 0) && !tq_run_load_names(run))
	{
		*state = tq_finish_orphan(task);
		return false;
	}
	/* The attempt that it was requested of may have been undone. */
	if (tq_cancel_is_pending(task->task_id, &reason))
	{
		TqAttempt	none = {.number = task->attempt};

		tq_finish_canceled(task, &none, reason);
		*state = TQ_TASK_CANCELED;
		return false;
	}
	if (task->has_deadline && tq_clock_now() > task->deadline)
	{
		*state = tq_run_record_failure(run, tq_error_make(TQ_KIND_DEADLINE,
														  "the deadline had passed before the task could start", false));
		return false;
	}
	*handler = tq_handler_find(task->handler, true);
	if (*handler == NULL || (*handler)->function_missing)
	{
		*state = tq_run_record_failure(run, unknown_handler_error(task, *handler));
		if (*handler)
			tq_handler_unpin(*handler);
		return false;
	}
	if ((*handler)->kind == TQ_HANDLER_EXTERNAL)
	{
		move_to_external_lane(task, *handler);
		tq_handler_unpin(*handler);
		*state = '\0';
		return false;
	}
	return true;
}

Jsonb *
tq_run_call(TqRun *run, TqHandler *handler, MemoryContext result_context)
{
	Jsonb	   *result;
	bool		collecting = tq_leaf_pause();
	TqInterrupt reason;
	TimestampTz end = time_limit(run, handler, &reason);

	run->attempt.called = true;
	tq_call_phase = TQ_PHASE_ARGS;
	tq_interrupt_begin(run, end, reason);
	tq_handler_check_permission(handler, run->task->enqueuer);
	run->in_handler = true;
	result = tq_handler_call(handler, run->task->args, run->task->enqueuer,
							 run->mode, result_context);
	tq_interrupt_end(run);
	run->in_handler = false;
	tq_leaf_resume(collecting);
	return result;
}

/*
 * The DAG of the step was deleted while it ran: roll back what it did.  The
 * failure that is recorded then finds no DAG either, and just removes the
 * task.
 */
static pg_noreturn void
undo_orphan(TqRun *run)
{
	run->phase = TQ_RUN_CALL;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the DAG of this step was deleted")));
}

char
tq_run_record_success(TqRun *run, Jsonb *result)
{
	char		state;

	run->phase = TQ_RUN_RECORD;
	if (run->snoozed)
	{
		if (run->task->has_dag && !tq_dag_step_snoozed(run->task))
			undo_orphan(run);
		state = tq_finish_released(run->task, run->snooze_us);
	}
	else
	{
		state = TQ_TASK_DONE;
		if (!tq_finish_done(run->task, &run->attempt, result))
			undo_orphan(run);
	}
	run->phase = TQ_RUN_COMMIT;
	tq_call_phase = TQ_PHASE_HANDLER;
	return state;
}

char
tq_run_execute(TqRun *run)
{
	TqHandler  *handler;
	Jsonb	   *result;
	char		state;

	if (!tq_run_prepare(run, &handler, &state))
		return state;
	result = tq_run_call(run, handler, CurrentMemoryContext);
	tq_handler_unpin(handler);
	state = tq_run_record_success(run, result);
	return state;
}

static TqError *
interrupt_error(const TqRun *run)
{
	if (run->interrupt == TQ_INTERRUPT_DEADLINE)
		return tq_error_make(TQ_KIND_DEADLINE, "the deadline passed while the task was running", false);
	return tq_error_make(TQ_KIND_TIMEOUT, "the attempt ran longer than its timeout", true);
}

/* An error of our own work is not, unless the handler has returned more than can be stored or handed on. */
static bool
is_error_of_task(const TqRun *run, const ErrorData *edata)
{
	if (run->phase == TQ_RUN_RECORD)
		return ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	return run->phase == TQ_RUN_CALL || run->phase == TQ_RUN_COMMIT;
}

TqError *
tq_run_error(TqRun *run, const ErrorData *edata)
{
	TqError    *error;

	if (!is_error_of_task(run, edata))
		return NULL;
	if (run->interrupt == TQ_INTERRUPT_DEADLINE || run->interrupt == TQ_INTERRUPT_TIMEOUT)
	{
		error = interrupt_error(run);
		error->context = edata->context ? pstrdup(edata->context) : NULL;
	}
	else
		error = tq_call_classify_error(edata, tq_call_phase);
	if (strcmp(error->kind, TQ_KIND_ARG_COUNT) == 0 ||
		strcmp(error->kind, TQ_KIND_ARG_TYPE) == 0)
		run->attempt.called = false;
	return error;
}

bool
tq_run_may_rerun(const TqRun *run, const ErrorData *edata)
{
	if (run->interrupt != TQ_INTERRUPT_NONE)
		return false;
	return edata->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

char
tq_run_record_failure(TqRun *run, TqError *error)
{
	char		state;

	run->phase = TQ_RUN_RECORD;
	run->error = error;
	state = tq_finish_failed(run->task, &run->attempt, error);
	return state;
}
