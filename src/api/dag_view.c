/*-------------------------------------------------------------------------
 *
 * dag_view.c
 *	  What list_dags() and the functions that draw a DAG are made of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/timestamp.h"

#include "api/access.h"
#include "api/arg.h"
#include "dag/dag.h"
#include "dag/list.h"
#include "store/dag.h"

PG_FUNCTION_INFO_V1(tq_check_dag);
PG_FUNCTION_INFO_V1(tq_list_dag_ids);

/* 42704 for an unknown DAG, 42501 for one that the caller does not see. */
Datum
tq_check_dag(PG_FUNCTION_ARGS)
{
	char	   *dag_id = tq_arg_required_text(fcinfo, 0, "dag_id");
	int64		dag_key;
	Oid			submitter;

	if (!tq_dag_find(dag_id, &dag_key, &submitter))
		tq_dag_unknown(dag_id);
	if (!tq_access_may_see(GetUserId(), submitter))
		tq_dag_check_access(dag_id, submitter, GetUserId());
	PG_RETURN_VOID();
}

static char
read_state(const char *name)
{
	char	   *lower = str_tolower(name, strlen(name), C_COLLATION_OID);
	TqDagState	state;

	if (!tq_dag_state_parse(lower, &state))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a state of a DAG", name),
				 errhint("States are running, pausing, paused, done, failed and canceled.")));
	return state;
}

Datum
tq_list_dag_ids(PG_FUNCTION_ARGS)
{
	TqDagFilter filter = {.role = GetUserId()};
	TqNameList	labels;

	if (!PG_ARGISNULL(0))
	{
		tq_list_read(&labels, PG_GETARG_DATUM(0), NULL);
		filter.labels = tq_list_datum(&labels);
	}
	if (!PG_ARGISNULL(1))
		filter.state = read_state(tq_arg_text(fcinfo, 1));
	filter.has_created_since = !PG_ARGISNULL(2);
	if (filter.has_created_since)
		filter.created_since = PG_GETARG_TIMESTAMPTZ(2);
	filter.max_rows = tq_arg_count(fcinfo, 3, "max_rows", -1);
	filter.sees_all = tq_access_may_see(filter.role, InvalidOid);
	return tq_dag_list(&filter);
}
