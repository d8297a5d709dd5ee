/*-------------------------------------------------------------------------
 *
 * retry.c
 *	  Running failed steps again.
 *
 * A step and what was skipped because of it go back to pending; then all
 * countdowns of the DAG are made anew from the states of its steps, which
 * tells what is ready, and what another failure still forbids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "dag/dag.h"
#include "dag/engine.h"

static void
check_retryable(const TqDag *dag, const TqStepInfo *step)
{
	if (step->state != TQ_STEP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot retry step \"%s\" of DAG \"%s\"", step->step_id, dag->dag_id),
				 errdetail("Its state is %s; only a failed step can be retried.",
						   tq_step_state_name(step->state))));
	if (dag->state == TQ_DAG_CANCELED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot retry step \"%s\" of DAG \"%s\"", step->step_id, dag->dag_id),
				 errdetail("The DAG was canceled.")));
}

/* Steps were put back. */
static void
go_on(TqDag *dag)
{
	TqUncountedStep *pending;
	int			n;

	if (tq_dag_state_is_final(dag->state))
		tq_dag_set_state(dag, TQ_DAG_RUNNING, tq_clock_now(), NULL);
	tq_dag_recount(dag);
	n = tq_step_list_uncounted(dag->dag_key, TQ_STEP_PENDING, 0, &pending);
	for (int i = 0; i < n; i++)
		tq_dag_count_step(dag->dag_key, &pending[i]);
	tq_dag_start_counted(dag, pending, n);
}

static void
retry(TqDag *dag, const TqStepInfo *step)
{
	check_retryable(dag, step);
	tq_step_put_back(dag->dag_key, step->step_no);
	go_on(dag);
}

void
tq_dag_retry(const char *dag_id, const char *step_id, Oid caller)
{
	TqDag	   *dag = tq_dag_open(dag_id, caller, false);
	TqStepInfo	step;

	if (!tq_step_info_by_id(dag->dag_key, step_id, &step))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("step \"%s\" of DAG \"%s\" does not exist", step_id, dag_id)));
	retry(dag, &step);
}

/* The caller has looked at the right to the step's task. */
void
tq_dag_retry_task_step(int64 dag_key, int32 step_no)
{
	TqDag	   *dag;
	TqStepInfo *step;

	tq_dag_lock(dag_key, true);
	dag = tq_dag_load(dag_key);
	if (dag == NULL || tq_step_infos(dag_key, 1, &step_no, &step) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the DAG of this task was deleted")));
	retry(dag, step);
}

int
tq_dag_retry_failed(int64 dag_key, int n, const int32 *step_nos)
{
	TqDag	   *dag;
	TqStepInfo *steps;
	int			retried = 0;

	tq_dag_lock(dag_key, true);
	dag = tq_dag_load(dag_key);
	if (dag == NULL || dag->state == TQ_DAG_CANCELED)
		return 0;
	n = tq_step_infos(dag_key, n, step_nos, &steps);
	for (int i = 0; i < n; i++)
	{
		if (steps[i].state != TQ_STEP_FAILED)
			continue;
		tq_step_put_back(dag_key, steps[i].step_no);
		retried++;
	}
	if (retried > 0)
		go_on(dag);
	return retried;
}
