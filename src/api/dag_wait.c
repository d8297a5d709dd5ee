/*-------------------------------------------------------------------------
 *
 * dag_wait.c
 *	  await_step() and await_dag().
 *
 * As await(): register first and look then, so that an end that commits in
 * between wakes the caller; and make the commit safe before it is acted on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/arg.h"
#include "api/waiting.h"
#include "dag/dag.h"
#include "shmem/databases.h"
#include "shmem/wait.h"
#include "store/dag.h"

PG_FUNCTION_INFO_V1(tq_await_step);
PG_FUNCTION_INFO_V1(tq_await_dag);

/* Refuse what would never end; step_no 0: the whole DAG is waited for. */
static void
check_wait(const char *dag_id, int64 dag_key, TransactionId xmin, int32 step_no, int64 timeout_us)
{
	if (TransactionIdIsCurrentTransactionId(xmin) || tq_dag_is_locked_here(dag_key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("DAG \"%s\" was submitted or changed by this transaction", dag_id),
				 errdetail("Its steps cannot go on before the transaction commits."),
				 errhint("Commit first, then wait for it.")));
	if (timeout_us == TQ_WAIT_FOREVER && !tq_database_is_served() &&
		tq_dag_needs_workers(dag_key, step_no))
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("no workers serve this database"),
				 errdetail("DAG \"%s\" would be waited for without end.", dag_id),
				 errhint("Run its steps with task_queue.drain() or task_queue.run_tasks(), give a timeout, or see task_queue.health() for why there are no workers.")));
}

static pg_noreturn void
unknown_step(const char *dag_id, const char *step_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("step \"%s\" of DAG \"%s\" does not exist", step_id, dag_id)));
}

/* False at the end of the timeout. */
static bool
wait_for_step(const char *dag_id, const char *step_id, int64 timeout_us, TqStepLook *step)
{
	int64		dag_key = tq_dag_require(dag_id, GetUserId());
	int64		until = tq_waiting_until(timeout_us);
	bool		first = true;
	bool		ended;
	TqDagLook	dag;

	tq_wait_begin(TQ_WAIT_DAG, dag_key);
	for (;;)
	{
		if (!tq_dag_look(dag_key, &dag))
			tq_dag_unknown(dag_id);
		if (!tq_step_look(dag_key, step_id, step))
			unknown_step(dag_id, step_id);
		ended = tq_step_state_is_final(step->state);
		if (ended)
			break;
		if (first)
			check_wait(dag_id, dag_key, dag.xmin, step->step_no, timeout_us);
		first = false;
		if (!tq_waiting_sleep(timeout_us, until))
			break;
	}
	tq_wait_end();
	if (ended)
		tq_waiting_secure(step->xmin, step->finished_at);
	return ended;
}

static pg_noreturn void
raise_outcome(const char *dag_id, const char *step_id, const TqStepLook *step)
{
	if (step->state == TQ_STEP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_TQ_TASK_FAILED),
				 errmsg_internal("%s", step->error_message ? step->error_message : "step failed"),
				 errdetail_internal("%s", step->error_kind)));
	if (step->state == TQ_STEP_SKIPPED)
		ereport(ERROR,
				(errcode(ERRCODE_TQ_STEP_SKIPPED),
				 errmsg("step \"%s\" of DAG \"%s\" was skipped", step_id, dag_id),
				 errdetail("A step that it needs did not succeed.")));
	ereport(ERROR,
			(errcode(ERRCODE_TQ_TASK_CANCELED),
			 errmsg("step \"%s\" of DAG \"%s\" was canceled", step_id, dag_id),
			 step->error_message ? errdetail_internal("%s", step->error_message) : 0));
	pg_unreachable();
}

Datum
tq_await_step(PG_FUNCTION_ARGS)
{
	char	   *dag_id = tq_arg_required_text(fcinfo, 0, "dag_id");
	char	   *step_id = tq_arg_required_text(fcinfo, 1, "step_id");
	TqStepLook	step;

	if (!wait_for_step(dag_id, step_id, tq_waiting_timeout(fcinfo, 2), &step))
		ereport(ERROR,
				(errcode(ERRCODE_TQ_WAIT_TIMEOUT),
				 errmsg("step \"%s\" of DAG \"%s\" has not ended within the timeout", step_id, dag_id)));
	if (step.state != TQ_STEP_DONE)
		raise_outcome(dag_id, step_id, &step);
	if (step.result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(step.result);
}

Datum
tq_await_dag(PG_FUNCTION_ARGS)
{
	char	   *dag_id = tq_arg_required_text(fcinfo, 0, "dag_id");
	int64		timeout_us = tq_waiting_timeout(fcinfo, 1);
	int64		until = tq_waiting_until(timeout_us);
	int64		dag_key = tq_dag_require(dag_id, GetUserId());
	bool		first = true;
	TqDagLook	dag;

	tq_wait_begin(TQ_WAIT_DAG, dag_key);
	for (;;)
	{
		if (!tq_dag_look(dag_key, &dag))
			tq_dag_unknown(dag_id);
		if (tq_dag_state_is_final(dag.state))
			break;
		if (first)
			check_wait(dag_id, dag_key, dag.xmin, 0, timeout_us);
		first = false;
		if (!tq_waiting_sleep(timeout_us, until))
			ereport(ERROR,
					(errcode(ERRCODE_TQ_WAIT_TIMEOUT),
					 errmsg("DAG \"%s\" has not ended within the timeout", dag_id)));
	}
	tq_wait_end();
	tq_waiting_secure(dag.xmin, dag.finished_at);
	PG_RETURN_TEXT_P(cstring_to_text(tq_dag_state_name(dag.state)));
}
