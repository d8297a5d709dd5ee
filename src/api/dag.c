/*-------------------------------------------------------------------------
 *
 * dag.c
 *	  submit_dag(), add_step() and what else acts on DAGs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "api/arg.h"
#include "base/clock.h"
#include "dag/dag.h"
#include "dag/list.h"
#include "run/cancel.h"
#include "run/execute.h"
#include "run/inline.h"
#include "store/option.h"
#include "store/policy.h"
#include "store/queue.h"

PG_FUNCTION_INFO_V1(tq_submit_dag);
PG_FUNCTION_INFO_V1(tq_add_step);
PG_FUNCTION_INFO_V1(tq_pause_dag);
PG_FUNCTION_INFO_V1(tq_resume_dag);
PG_FUNCTION_INFO_V1(tq_cancel_dag);
PG_FUNCTION_INFO_V1(tq_delete_dag);
PG_FUNCTION_INFO_V1(tq_purge_dags);
PG_FUNCTION_INFO_V1(tq_retry_step);
PG_FUNCTION_INFO_V1(tq_signal);
PG_FUNCTION_INFO_V1(tq_resume_breakpoint);

/* A text[] as it is stored: 0 if nothing is left of it. */
static Datum
clean_list(FunctionCallInfo fcinfo, int n, const char *what)
{
	TqNameList	list;

	if (PG_ARGISNULL(n))
		return (Datum) 0;
	tq_list_read(&list, PG_GETARG_DATUM(n), what);
	return tq_list_datum(&list);
}

static void
read_options(FunctionCallInfo fcinfo, TqDag *dag)
{
	dag->dag_id = tq_arg_text(fcinfo, 1);
	tq_error_if_empty(dag->dag_id, "DAG id");
	if (!PG_ARGISNULL(2))
	{
		dag->retry_policy = PG_GETARG_DATUM(2);
		tq_policy_check(dag->retry_policy);
	}
	dag->labels = clean_list(fcinfo, 3, "label");
	dag->active_breakpoints = clean_list(fcinfo, 4, "breakpoint label");
	if (!PG_ARGISNULL(5))
	{
		dag->trace_ctx = PG_GETARG_JSONB_P(5);
		tq_option_check_trace_ctx(dag->trace_ctx);
	}
	dag->reply_to = tq_arg_text(fcinfo, 6);
	if (dag->reply_to != NULL)
		tq_option_check_reply_to(dag->reply_to);
	dag->keep_us = tq_arg_interval(fcinfo, 7, "keep", -1);
}

Datum
tq_submit_dag(PG_FUNCTION_ARGS)
{
	TqDag		dag = {.submitter = GetUserId()};
	char	   *dag_id;

	PreventCommandIfReadOnly("submit_dag()");
	if (PG_ARGISNULL(0))
		tq_error_null_argument("steps");
	if (!PG_ARGISNULL(8))
		tq_error_reserved_argument("deadline");
	if (!PG_ARGISNULL(9))
		tq_error_reserved_argument("on_conflict");
	read_options(fcinfo, &dag);
	dag_id = tq_dag_submit(&dag, PG_GETARG_DATUM(0));
	tq_inline_run();
	PG_RETURN_TEXT_P(cstring_to_text(dag_id));
}

Datum
tq_add_step(PG_FUNCTION_ARGS)
{
	TqRun	   *run = tq_run_in_handler();
	TqDagParent parent;
	bool		in_step = run != NULL && run->task->has_dag;

	PreventCommandIfReadOnly("add_step()");
	if (PG_ARGISNULL(0))
		tq_error_null_argument("step");
	if (in_step)
		parent = (TqDagParent) {
			.dag_key = run->task->dag_key,
			.step_no = run->task->step_no,
			.in_procedure = run->mode == TQ_CALL_NONATOMIC
		};
	tq_dag_add_step(PG_GETARG_DATUM(0), tq_arg_text(fcinfo, 1), GetUserId(), in_step ? &parent : NULL);
	PG_RETURN_VOID();
}

static Datum
return_state(char state)
{
	return CStringGetTextDatum(tq_dag_state_name(state));
}

Datum
tq_pause_dag(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("pause_dag()");
	return return_state(tq_dag_pause(tq_arg_required_text(fcinfo, 0, "dag_id"), GetUserId()));
}

Datum
tq_resume_dag(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("resume_dag()");
	return return_state(tq_dag_resume(tq_arg_required_text(fcinfo, 0, "dag_id"), GetUserId()));
}

Datum
tq_cancel_dag(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("cancel_dag()");
	return return_state(tq_dag_cancel(tq_arg_required_text(fcinfo, 0, "dag_id"), GetUserId(),
									  tq_arg_text(fcinfo, 1), tq_cancel_task));
}

Datum
tq_delete_dag(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("delete_dag()");
	PG_RETURN_BOOL(tq_dag_delete(tq_arg_required_text(fcinfo, 0, "dag_id"), GetUserId(),
								 tq_arg_bool(fcinfo, 1, false), tq_cancel_and_discard));
}

Datum
tq_purge_dags(PG_FUNCTION_ARGS)
{
	int64		age_us;

	PreventCommandIfReadOnly("purge_dags()");
	tq_require_admin(GetUserId(), "purge DAGs");
	age_us = tq_arg_required_interval(fcinfo, 0, "older_than");
	PG_RETURN_INT64(tq_dag_purge(age_us, clean_list(fcinfo, 1, "label")));
}

Datum
tq_retry_step(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("retry_step()");
	tq_dag_retry(tq_arg_required_text(fcinfo, 0, "dag_id"),
				 tq_arg_required_text(fcinfo, 1, "step_id"), GetUserId());
	PG_RETURN_VOID();
}

Datum
tq_signal(PG_FUNCTION_ARGS)
{
	char	   *dag_id = tq_arg_required_text(fcinfo, 0, "dag_id");
	char	   *name = tq_arg_required_text(fcinfo, 1, "name");

	PreventCommandIfReadOnly("signal()");
	tq_error_if_empty(name, "signal name");
	PG_RETURN_BOOL(tq_dag_signal(dag_id, name, PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), GetUserId()));
}

Datum
tq_resume_breakpoint(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("resume_breakpoint()");
	PG_RETURN_INT32(tq_dag_resume_breakpoint(tq_arg_required_text(fcinfo, 0, "dag_id"),
											 tq_arg_required_text(fcinfo, 1, "label"), GetUserId()));
}
