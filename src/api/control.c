/*-------------------------------------------------------------------------
 *
 * control.c
 *	  cancel(), alter_task(), requeue(), requeue_failed(), delete_task(),
 *	  purge_dead_letters() and adopt_database().
 *
 * Everything here is part of the caller's transaction.  The caller is looked
 * at first, and needs the rights of the role that enqueued the task.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "api/access.h"
#include "api/arg.h"
#include "base/clock.h"
#include "base/errors.h"
#include "dag/engine.h"
#include "handler/call.h"
#include "handler/registry.h"
#include "run/cancel.h"
#include "shmem/claims.h"
#include "shmem/shmem.h"
#include "store/cancel.h"
#include "store/dag.h"
#include "store/history.h"
#include "store/option.h"
#include "store/queue.h"
#include "store/requeue.h"
#include "store/task.h"

static int64
task_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		tq_error_null_argument("task_id");
	return PG_GETARG_INT64(0);
}

PG_FUNCTION_INFO_V1(tq_cancel);

Datum
tq_cancel(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	int64		task_id = task_argument(fcinfo);
	TqOutcome	outcome;

	PreventCommandIfReadOnly("cancel()");
	tq_access_find_task(task_id, caller, &outcome);
	/*
	 * The end of a waiting step takes its DAG's lock, which goes before the
	 * task's row.  Without claims the row tells whether it is waiting.
	 */
	if (outcome.live && outcome.has_dag && !tq_claim_find(task_id, NULL))
	{
		TqTask	   *task;

		if (!tq_shmem_available())
			(void) tq_task_lock(task_id, TQ_LOCK_WAIT, &task);
		tq_dag_lock(outcome.dag_key, true);
	}
	PG_RETURN_BOOL(outcome.live &&
				   tq_cancel_task(task_id, tq_arg_text(fcinfo, 1), caller));
}

/* May the caller give the task these arguments, and would the handler take them?  As at enqueue. */
static void
check_args(Oid caller, const TqOutcome *outcome, Jsonb *args)
{
	TqHandler  *handler;

	tq_access_require_instruct(caller, outcome->enqueuer);
	handler = tq_handler_find(outcome->handler, false);
	tq_call_check_args(handler, args, outcome->enqueuer);
	tq_handler_unpin(handler);
}

static void
refuse_for_step(const TqOutcome *outcome, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("task " INT64_FORMAT " belongs to a step of a DAG and takes no %s",
					outcome->task_id, what)));
}

static void
alteration_arguments(FunctionCallInfo fcinfo, TqAlteration *alteration)
{
	memset(alteration, 0, sizeof(TqAlteration));
	if (!PG_ARGISNULL(1))
		alteration->args = PG_GETARG_JSONB_P(1);
	alteration->queue = tq_arg_text(fcinfo, 2);
	alteration->has_priority = !PG_ARGISNULL(3);
	alteration->priority = tq_arg_int32(fcinfo, 3, 0);
	alteration->has_run_at = !PG_ARGISNULL(4);
	alteration->run_at = alteration->has_run_at ? PG_GETARG_TIMESTAMPTZ(4) : 0;
	alteration->has_deadline = !PG_ARGISNULL(5);
	alteration->deadline = alteration->has_deadline ? PG_GETARG_TIMESTAMPTZ(5) : 0;
	alteration->has_labels = !PG_ARGISNULL(6);
	if (alteration->has_labels)
		alteration->labels = tq_option_clean_labels(PG_GETARG_DATUM(6));
}

PG_FUNCTION_INFO_V1(tq_alter_task);

Datum
tq_alter_task(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	int64		task_id = task_argument(fcinfo);
	TqAlteration alteration;
	TqOutcome	outcome;
	TqTask	   *task;

	PreventCommandIfReadOnly("alter_task()");
	alteration_arguments(fcinfo, &alteration);
	tq_access_find_task(task_id, caller, &outcome);
	if (alteration.args != NULL && outcome.has_dag)
		refuse_for_step(&outcome, "arguments");
	if (alteration.queue != NULL)
		(void) tq_queue_find(alteration.queue, false);
	if (alteration.args != NULL)
		check_args(caller, &outcome, alteration.args);
	if (!outcome.live || tq_cancel_lock(task_id, &task) != TQ_LOCKED)
		PG_RETURN_BOOL(false);
	tq_task_alter(task, &alteration);
	PG_RETURN_BOOL(true);
}

/*
 * A task is looked up as of now, but changed with the transaction's snapshot.
 */
static void
check_serialization(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access: the task ended after the transaction began")));
}

static pg_noreturn void
refuse_requeue(const TqOutcome *outcome)
{
	TqClaim		claim;
	char		state = outcome->state;

	if (outcome->live && tq_claim_find(outcome->task_id, &claim))
		state = TQ_TASK_RUNNING;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("task " INT64_FORMAT " cannot be requeued", outcome->task_id),
			 errdetail("It is %s; only failed and canceled tasks can be requeued.",
					   tq_task_state_name(state))));
	pg_unreachable();
}

/* The task of a failed step: that is what retry_step() does. */
static void
requeue_step(const TqOutcome *outcome, const TqRequeue *requeue)
{
	if (requeue->args != NULL)
		refuse_for_step(outcome, "arguments");
	if (requeue->has_run_at)
		refuse_for_step(outcome, "time to run at");
	if (outcome->state != TQ_TASK_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task " INT64_FORMAT " belongs to a canceled step of a DAG", outcome->task_id),
				 errdetail("Only failed steps can run again.")));
	tq_dag_retry_task_step(outcome->dag_key, outcome->step_no);
}

PG_FUNCTION_INFO_V1(tq_requeue_task);

Datum
tq_requeue_task(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	int64		task_id = task_argument(fcinfo);
	TqRequeue	requeue = {0};
	TqOutcome	outcome;

	PreventCommandIfReadOnly("requeue()");
	requeue.has_run_at = !PG_ARGISNULL(1);
	if (requeue.has_run_at)
		requeue.run_at = PG_GETARG_TIMESTAMPTZ(1);
	requeue.clear_deadline = tq_arg_bool(fcinfo, 2, true);
	if (!PG_ARGISNULL(3))
		requeue.args = PG_GETARG_JSONB_P(3);
	tq_access_find_task(task_id, caller, &outcome);
	if (outcome.state != TQ_TASK_FAILED && outcome.state != TQ_TASK_CANCELED)
		refuse_requeue(&outcome);
	if (outcome.has_dag)
		requeue_step(&outcome, &requeue);
	else
	{
		if (requeue.args != NULL)
			check_args(caller, &outcome, requeue.args);
		if (!tq_requeue(task_id, &requeue))
		{
			check_serialization();
			/* Somebody was faster. */
			tq_access_find_task(task_id, caller, &outcome);
			refuse_requeue(&outcome);
		}
	}
	PG_RETURN_INT64(task_id);
}

/* All steps of a DAG together: after each go its countdowns are made anew. */
static int64
retry_failed_steps(const TqDeadLetterFilter *filter)
{
	TqFailedStep *steps;
	int			n = tq_failed_steps(filter, &steps);
	int32	   *step_nos = palloc((n + 1) * sizeof(int32));
	int64		retried = 0;
	int			end;

	for (int i = 0; i < n; i++)
		step_nos[i] = steps[i].step_no;
	for (int i = 0; i < n; i = end)
	{
		for (end = i; end < n && steps[end].dag_key == steps[i].dag_key; end++)
			;
		retried += tq_dag_retry_failed(steps[i].dag_key, end - i, &step_nos[i]);
	}
	return retried;
}

PG_FUNCTION_INFO_V1(tq_requeue_failed_tasks);

Datum
tq_requeue_failed_tasks(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	TqDeadLetterFilter filter = {0};
	int64		nsteps;

	PreventCommandIfReadOnly("requeue_failed()");
	filter.handler = tq_arg_text(fcinfo, 0);
	filter.queue = tq_arg_text(fcinfo, 1);
	filter.error_kind = tq_arg_text(fcinfo, 2);
	filter.failed_since = PG_ARGISNULL(3) ? 0 : PG_GETARG_TIMESTAMPTZ(3);
	filter.caller = tq_role_is_admin(caller) ? InvalidOid : caller;
	if (filter.handler != NULL)
		tq_handler_unpin(tq_handler_find(filter.handler, false));
	if (filter.queue != NULL)
		(void) tq_queue_find(filter.queue, false);
	nsteps = retry_failed_steps(&filter);
	PG_RETURN_INT64(tq_requeue_failed(&filter) + nsteps);
}

PG_FUNCTION_INFO_V1(tq_delete_task);

Datum
tq_delete_task(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	int64		task_id = task_argument(fcinfo);
	bool		force = tq_arg_bool(fcinfo, 1, false);
	TqOutcome	outcome;

	PreventCommandIfReadOnly("delete_task()");
	if (!tq_access_look_up(task_id, &outcome))
		PG_RETURN_BOOL(false);
	tq_access_find_task(task_id, caller, &outcome);
	if (outcome.has_dag)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task " INT64_FORMAT " belongs to a step of a DAG", task_id),
				 errhint("Delete the DAG with task_queue.delete_dag().")));
	if (outcome.live && !force)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task " INT64_FORMAT " has not ended", task_id),
				 errhint("Cancel it first, or use force => true.")));
	if (outcome.live && tq_cancel_and_discard(task_id, caller))
		PG_RETURN_BOOL(true);
	if (tq_history_forget(task_id))
		PG_RETURN_BOOL(true);
	check_serialization();
	PG_RETURN_BOOL(false);
}

PG_FUNCTION_INFO_V1(tq_purge_dead_letters);

Datum
tq_purge_dead_letters(PG_FUNCTION_ARGS)
{
	int64		age_us;

	PreventCommandIfReadOnly("purge_dead_letters()");
	tq_require_admin(GetUserId(), "purge dead letters");
	age_us = tq_arg_required_interval(fcinfo, 0, "older_than");
	PG_RETURN_INT64(tq_purge_failed(tq_clock_add(tq_clock_now(), -age_us)));
}

PG_FUNCTION_INFO_V1(tq_adopt_database);

Datum
tq_adopt_database(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();

	PreventCommandIfReadOnly("adopt_database()");
	tq_require_admin(caller, "adopt the database");
	tq_adopt(caller);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(tq_maintain_history);

Datum
tq_maintain_history(PG_FUNCTION_ARGS)
{
	tq_cancel_forget_ended();
	PG_RETURN_BOOL(tq_history_maintain());
}
