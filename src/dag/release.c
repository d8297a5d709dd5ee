/*-------------------------------------------------------------------------
 *
 * release.c
 *	  Signals and breakpoints.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "dag/cascade.h"
#include "dag/dag.h"
#include "dag/ref.h"

bool
tq_dag_signal(const char *dag_id, const char *name, Jsonb *payload, Oid caller)
{
	TqDag	   *dag = tq_dag_open(dag_id, caller, false);
	TimestampTz now = tq_clock_now();
	int32	   *step_nos;
	int			n;

	if (tq_dag_state_is_final(dag->state))
		return false;
	if (!tq_signal_deliver(dag->dag_key, name, payload ? payload : tq_ref_null(), now))
		return false;
	n = tq_signal_release(dag->dag_key, name, &step_nos);
	tq_cascade_evaluate_all(dag, now, step_nos, n);
	return true;
}

/* What is blocked is found before anything is released: a release can block the next. */
int
tq_dag_resume_breakpoint(const char *dag_id, const char *label, Oid caller)
{
	TqDag	   *dag = tq_dag_open(dag_id, caller, false);
	TqCascade	cascade;
	int32	   *before;
	int32	   *after;
	int			nbefore;
	int			nafter;

	if (tq_dag_state_is_final(dag->state))
		return 0;
	nbefore = tq_breakpoint_list(dag->dag_key, label, false, &before);
	nafter = tq_breakpoint_list(dag->dag_key, label, true, &after);
	tq_breakpoint_release(dag->dag_key, false, nbefore, before);
	tq_breakpoint_release(dag->dag_key, true, nafter, after);

	tq_cascade_begin(&cascade, dag, tq_clock_now());
	for (int i = 0; i < nbefore; i++)
		tq_cascade_evaluate(&cascade, before[i]);
	for (int i = 0; i < nafter; i++)
	{
		char		kind;
		int32		child = tq_step_child(dag->dag_key, after[i], &kind);

		tq_cascade_released(&cascade, after[i], child, kind);
	}
	(void) tq_cascade_finish(&cascade);
	return nbefore + nafter;
}
