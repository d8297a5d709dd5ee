/*-------------------------------------------------------------------------
 *
 * inline.c
 *	  Running tasks in the caller's transaction: drain() and inline execution.
 *
 * Each execution is a subtransaction.  The row lock is taken outside of it,
 * so that a failing task stays locked until its failure is recorded; the claim
 * lasts from then until the outcome is written, and then the row lock, which
 * the caller's transaction keeps, stands for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/owner.h"
#include "handler/protect.h"
#include "run/claim.h"
#include "run/execute.h"
#include "run/inline.h"
#include "run/interrupt.h"
#include "run/serve.h"
#include "shmem/claims.h"
#include "shmem/ready.h"
#include "shmem/xact.h"

typedef struct Drain
{
	const TqDrainOptions *options;
	Oid			caller;
	TimestampTz started_at;		/* a task that was due by then is as good as ready, promoted or not */
	TqServed   *served;
	int64	   *excluded;		/* put to scheduled by this call, or held by somebody else */
	int			nexcluded;
	int			excluded_size;
	MemoryContext context;		/* of the above */
	TqScheduledList scheduled;
	uint64		nscheduled;		/* tq_xact_nscheduled when that was right */
	bool		has_from;
	TqReadyKey	from;			/* there is nothing to be found before that, */
	bool		made_ready;		/* because what was made ready meanwhile is known */
	TqReadyKey	lowest;			/* of that */
} Drain;

typedef struct Execution
{
	Drain	   *drain;
	TqTask	   *task;			/* NULL: nothing was found */
	TqClaimResult claim;
	TqRun		run;
	char		state;
} Execution;

static void
exclude(Drain *drain, int64 task_id)
{
	if (drain->nexcluded == drain->excluded_size)
	{
		drain->excluded_size = Max(16, 2 * drain->excluded_size);
		if (drain->excluded == NULL)
			drain->excluded = MemoryContextAlloc(drain->context, drain->excluded_size * sizeof(int64));
		else
			drain->excluded = repalloc(drain->excluded, drain->excluded_size * sizeof(int64));
	}
	drain->excluded[drain->nexcluded++] = task_id;
}

static void
lock_from(Execution *execution, const TqReadyKey *from)
{
	Drain	   *drain = execution->drain;
	TqTaskFilter filter = {
		.scheduled = &drain->scheduled,
		.due_by = drain->options->include_scheduled ? 0 : drain->started_at,
		.excluded = drain->excluded,
		.nexcluded = drain->nexcluded,
		.this_transaction = drain->options->this_transaction,
		.from = from,
		.caller = drain->caller
	};

	if (tq_task_lock_next(drain->served->lanes, drain->served->count, &filter, 1,
						  &execution->task) == 0)
		execution->task = NULL;
}

static void
look_at_made_ready(Drain *drain)
{
	TqReadyKey	key;

	if (!tq_xact_take_lowest_ready(&key))
		return;
	if (!drain->made_ready || tq_ready_compare(&key, &drain->lowest) < 0)
		drain->lowest = key;
	drain->made_ready = true;
	if (drain->has_from && tq_ready_compare(&key, &drain->from) < 0)
		drain->from = key;
}

/*
 * With include_scheduled: tasks put to scheduled by their own end do not run
 * again, others that the execution has scheduled are to be found.
 */
static void
look_at_scheduled(Execution *execution)
{
	Drain	   *drain = execution->drain;
	uint64		n = tq_xact_nscheduled;
	bool		itself = execution->state == TQ_TASK_SCHEDULED;

	if (drain->options->include_scheduled)
	{
		if (itself)
			exclude(drain, execution->task->task_id);
		if (n != drain->nscheduled + (itself ? 1 : 0))
			tq_scheduled_list_forget(&drain->scheduled);
	}
	drain->nscheduled = n;
}

/*
 * The rows of tasks that were executed stay where they are until the caller's
 * transaction ends, so the search goes on from the last one, or each would
 * walk over all before it.  What others have committed behind, or what is
 * served again, is found when there is nothing else.
 */
static void
lock_first(Execution *execution)
{
	Drain	   *drain = execution->drain;

	look_at_made_ready(drain);
	if (drain->has_from)
		lock_from(execution, &drain->from);
	if (execution->task == NULL)
	{
		tq_scheduled_list_forget(&drain->scheduled);
		lock_from(execution, NULL);
	}
	if (execution->task != NULL)
	{
		drain->from.priority = execution->task->priority;
		drain->from.run_at = execution->task->run_at;
		drain->from.task_id = execution->task->task_id;
	}
	drain->has_from = execution->task != NULL;
}

/* Raised to roll back the row lock of a task that cannot be claimed. */
static const char *const give_up = "task cannot be claimed";

static void
lock_and_claim(void *arg)
{
	Execution  *execution = arg;
	TqTask	   *task;

	lock_first(execution);
	task = execution->task;
	if (task == NULL)
		return;
	execution->claim = tq_run_claim(task, TQ_INLINE_WORKER, true);
	if (execution->claim == TQ_CLAIM_TAKEN || execution->claim == TQ_CLAIM_QUEUE_FULL)
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("%s", give_up)));
}

/* False: there is nothing to do. */
static bool
find_task(Execution *execution)
{
	Drain	   *drain = execution->drain;

	for (;;)
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		execution->task = NULL;
		error = tq_protect(lock_and_claim, execution);
		if (error == NULL)
			return execution->task != NULL;
		if (strcmp(error->message, give_up) != 0)
			ReThrowError(error);
		if (execution->claim == TQ_CLAIM_QUEUE_FULL)
			tq_serve_remove_queue(drain->served, execution->task->queue);
		else
			exclude(drain, execution->task->task_id);
	}
}

static void
execute(void *arg)
{
	Execution  *execution = arg;

	execution->state = tq_run_execute(&execution->run);
}

/* Errors that are the caller's own business: his cancel, his serialization failure. */
static bool
belongs_to_caller(const TqRun *run, const ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		return run->interrupt == TQ_INTERRUPT_NONE;
	if (error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
		return IsolationUsesXactSnapshot();
	return false;
}

/* One execution, with its reruns; the outcome is recorded.  Errors pass that are the caller's business, or the machinery's. */
static void
try_task(void *arg)
{
	Execution  *execution = arg;
	TqRun	   *run = &execution->run;
	TqCallMode	mode = execution->task->enqueuer == execution->drain->caller ?
		TQ_CALL_IN_CALLER : TQ_CALL_RESTRICTED;

	for (int reruns = 0;; reruns++)
	{
		ErrorData  *error;

		tq_run_begin(run, execution->task, TQ_INLINE_WORKER, mode);
		error = tq_protect(execute, execution);
		if (error == NULL)
			return;
		tq_interrupt_hold();
		run->in_handler = false;
		tq_interrupt_note_cancels();
		if (tq_interrupt_is_for_outer(run) || belongs_to_caller(run, error))
			ReThrowError(error);
		if (reruns < TQ_MAX_RERUNS && tq_run_may_rerun(run, error))
		{
			tq_run_end(run);
			continue;
		}
		run->error = tq_run_error(run, error);
		if (run->error == NULL)
			ReThrowError(error);
		execution->state = tq_run_record_failure(run, run->error);
		return;
	}
}

/* After the execution, however it ended.  A cancel that came for the task must not hit what the caller does next. */
static void
leave_task(void *arg)
{
	Execution  *execution = arg;
	TqRun	   *run = &execution->run;

	if (execution->claim == TQ_CLAIM_OK && tq_claim_release(execution->task->task_id))
		run->interrupt = TQ_INTERRUPT_CANCEL;
	tq_run_end(run);
	tq_interrupt_release();
}

static void
start_drain(Drain *drain, const TqDrainOptions *options)
{
	memset(drain, 0, sizeof(Drain));
	drain->options = options;
	drain->caller = GetUserId();
	drain->started_at = tq_clock_now();
	drain->nscheduled = tq_xact_nscheduled;
	drain->context = drain->scheduled.context = CurrentMemoryContext;
	drain->served = tq_serve_lanes(TQ_INLINE_WORKER, options->queue, true);
}

/*
 * A task may add lanes, pause a queue or change a handler, so what is served
 * is looked up again after each execution.
 */
int64
tq_drain(const TqDrainOptions *options, TqDrainReport report, void *arg)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "task_queue drain",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	Drain		drain;
	int64		executions = 0;

	tq_xact_forbid_prepare("drained tasks");
	start_drain(&drain, options);
	while (options->max_tasks < 0 || executions < options->max_tasks)
	{
		Execution  *execution;
		const TqError *error;

		MemoryContextReset(scratch);
		MemoryContextSwitchTo(scratch);
		drain.served = tq_serve_lanes(TQ_INLINE_WORKER, options->queue, true);
		execution = palloc0(sizeof(Execution));
		execution->drain = &drain;
		if (!find_task(execution))
			break;
		tq_ensure(try_task, leave_task, execution);
		error = execution->state == TQ_TASK_DONE ? NULL : execution->run.error;
		look_at_scheduled(execution);
		if (execution->state == '\0')
			continue;			/* it was not for us */
		executions++;
		MemoryContextSwitchTo(old);
		if (report)
			report(arg, execution->task->task_id, execution->task->handler, execution->state, error);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	/* For a drain() whose handler called this one. */
	look_at_made_ready(&drain);
	if (drain.made_ready)
		tq_xact_remember_ready(&drain.lowest);
	return executions;
}

/*
 * In a SECURITY DEFINER function the current user does not vouch for the
 * session's settings, under which the handler would run: whoever calls it must
 * be allowed to become that user.
 */
static bool
caller_may_run(void)
{
	Oid			user = GetUserId();
	const TqRun *run = tq_run_in_handler();

	if (run != NULL)
		return tq_role_may_become(run->task->enqueuer, user);
	return tq_role_may_become(GetOuterUserId(), user) || tq_role_may_become(GetSessionUserId(), user);
}

void
tq_inline_run(void)
{
	TqDrainOptions options = {.max_tasks = -1, .this_transaction = true};

	if (tq_execution == TQ_EXECUTION_INLINE && caller_may_run())
		(void) tq_drain(&options, NULL, NULL);
}
