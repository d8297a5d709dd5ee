/*-------------------------------------------------------------------------
 *
 * dag_look.c
 *	  DAGs and steps as they are now, whatever the isolation level.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "store/dag.h"
#include "store/dag_rel.h"

uint64
tq_dag_run(TqPlan *plan, const Datum *values, const bool *nulls)
{
	Snapshot	latest;
	uint64		n;

	if (!IsolationUsesXactSnapshot())
		return tq_plan_run(plan, values, nulls);
	latest = RegisterSnapshot(GetLatestSnapshot());
	n = tq_plan_run_snapshot(plan, values, nulls, latest);
	UnregisterSnapshot(latest);
	return n;
}

uint64
tq_dag_query(TqPlan *plan, const Datum *values)
{
	Snapshot	latest = RegisterSnapshot(GetLatestSnapshot());
	uint64		n = tq_plan_query(plan, values, NULL, latest);

	UnregisterSnapshot(latest);
	return n;
}

static TransactionId
row_xid(int column)
{
	bool		isnull;

	return DatumGetTransactionId(tq_row_datum(0, column, &isnull));
}

bool
tq_dag_look(int64 dag_key, TqDagLook *dag)
{
	static TqPlan plan =
		TQ_PLAN("SELECT d.state, d.xmin, d.finished_at, d.submitter FROM task_queue.dag AS d WHERE d.dag_key = $1",
				INT8OID);
	Datum		values[] = {Int64GetDatum(dag_key)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_dag_query(&plan, values) == 1;
	if (found)
	{
		dag->state = tq_row_char(0, 0);
		dag->xmin = row_xid(1);
		dag->finished_at = tq_row_int64(0, 2);
		dag->submitter = tq_row_oid(0, 3);
	}
	tq_spi_end(&spi);
	return found;
}

/*
 * Does a DAG (step_no 0), or a step with all that it depends on, need a
 * worker of the database to go on?
 */
bool
tq_dag_needs_workers(int64 dag_key, int32 step_no)
{
#define OPEN_IN_DATABASE \
	"s.state IN ('n', 'p', 'x') AND NOT EXISTS (" \
	"SELECT FROM task_queue.handler_name AS n JOIN task_queue.handler AS h ON h.handler_id = n.handler_id" \
	" WHERE n.name = s.handler AND h.kind = 'x')"
	static TqPlan of_dag =
		TQ_PLAN("SELECT 1 FROM task_queue.dag_step AS s WHERE s.dag_key = $1 AND " OPEN_IN_DATABASE " LIMIT 1",
				INT8OID);
	static TqPlan of_step =
		TQ_PLAN("WITH RECURSIVE behind (step_no) AS ("
				"  SELECT $2"
				" UNION"
				"  SELECT u.step_no FROM behind AS b"
				"   JOIN task_queue.dag_step AS c ON c.dag_key = $1 AND c.step_no = b.step_no,"
				"   pg_catalog.unnest(c.needs || c.defaults || c.optionals) AS u (step_no))"
				" SELECT 1 FROM behind AS b JOIN task_queue.dag_step AS s ON s.dag_key = $1 AND s.step_no = b.step_no"
				" WHERE " OPEN_IN_DATABASE " LIMIT 1", INT8OID, INT4OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_dag_query(step_no == 0 ? &of_dag : &of_step, values) == 1;
	tq_spi_end(&spi);
	return found;
}

/*
 * The DAGs that a role may see, newest first, as a text[].  The filter meets
 * the table, whose indexes it can use.
 */
Datum
tq_dag_list(const TqDagFilter *filter)
{
	static TqPlan plan =
		TQ_PLAN("SELECT ARRAY(SELECT d.dag_id FROM task_queue.dag AS d"
				" WHERE ($1 IS NULL OR d.labels @> $1) AND ($2 IS NULL OR d.state = $2)"
				"  AND ($3 IS NULL OR d.created_at >= $3) AND ($4 OR pg_catalog.pg_has_role($5, d.submitter, 'MEMBER'))"
				" ORDER BY d.created_at DESC, d.dag_key DESC LIMIT $6)",
				TEXTARRAYOID, CHAROID, TIMESTAMPTZOID, BOOLOID, OIDOID, INT8OID);
	static TqPlan by_labels =
		TQ_PLAN("SELECT ARRAY(SELECT d.dag_id FROM task_queue.dag AS d"
				" WHERE d.labels @> $1 AND ($2 IS NULL OR d.state = $2)"
				"  AND ($3 IS NULL OR d.created_at >= $3) AND ($4 OR pg_catalog.pg_has_role($5, d.submitter, 'MEMBER'))"
				" ORDER BY d.created_at DESC, d.dag_key DESC LIMIT $6)",
				TEXTARRAYOID, CHAROID, TIMESTAMPTZOID, BOOLOID, OIDOID, INT8OID);
	Datum		values[] = {
		filter->labels, CharGetDatum(filter->state), TimestampTzGetDatum(filter->created_since),
		BoolGetDatum(filter->sees_all), ObjectIdGetDatum(filter->role), Int64GetDatum(filter->max_rows)
	};
	bool		nulls[] = {
		filter->labels == (Datum) 0, filter->state == '\0', !filter->has_created_since,
		false, false, filter->max_rows < 0
	};
	Datum		list;
	TqSpi		spi;
	bool		isnull;

	tq_spi_begin(&spi);
	(void) tq_plan_run(filter->labels ? &by_labels : &plan, values, nulls);
	list = tq_row_copy(0, 0, spi.caller, &isnull);
	tq_spi_end(&spi);
	return list;
}
