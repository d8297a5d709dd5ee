/*-------------------------------------------------------------------------
 *
 * dag_count.c
 *	  Counting steps anew, under the exclusive lock of their DAG.
 *
 * A step added by a running handler is written at once, in state TQ_STEP_NEW,
 * and counted when the handler has ended: see dag/add.c.  And when a step is
 * put back, all countdowns of its DAG are made anew: see dag/retry.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

/*
 * The steps of a state from a number on, with what their counters have to
 * be.  An unmet dependency is one that has not ended, or whose
 * after-breakpoint holds.
 */
int
tq_step_list_uncounted(int64 dag_key, char state, int32 first, TqUncountedStep **steps)
{
	static TqPlan plan =
		TQ_PLAN("SELECT s.step_no, s.split, s.slice,"
				" EXISTS (SELECT FROM pg_catalog.unnest(s.needs) AS u (step_no)"
				"  JOIN task_queue.dag_step AS p ON p.dag_key = $1 AND p.step_no = u.step_no"
				"  WHERE p.state IN ('f', 'k', 'c')),"
				" (SELECT pg_catalog.array_agg(p.step_no)"
				"  FROM pg_catalog.unnest(s.needs || s.defaults || s.optionals) AS u (step_no)"
				"  JOIN task_queue.dag_step AS p ON p.dag_key = $1 AND p.step_no = u.step_no"
				"  WHERE (p.state IN ('n', 'p', 'x') OR (p.state = 'd' AND p.stop_after = 'a'))),"
				" (SELECT pg_catalog.count(*)::int4 FROM pg_catalog.unnest(s.wait_for) AS w"
				"  WHERE NOT EXISTS (SELECT FROM task_queue.dag_signal AS g"
				"   WHERE g.dag_key = $1 AND g.name = w AND g.step_no = 0))"
				" FROM task_queue.dag_step AS s"
				" WHERE s.dag_key = $1 AND s.step_no >= $2 AND s.state = $3 ORDER BY s.step_no",
				INT8OID, INT4OID, CHAROID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(first), CharGetDatum(state)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_dag_run(&plan, values, NULL);
	*steps = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(TqUncountedStep));
	for (int i = 0; i < n; i++)
	{
		TqUncountedStep *step = &(*steps)[i];
		bool		isnull;

		step->step_no = tq_row_int32(i, 0);
		step->split = tq_row_bool(i, 1);
		step->slice = DatumGetInt16(tq_row_datum(i, 2, &isnull));
		step->doomed = tq_row_bool(i, 3);
		step->unmet = tq_row_copy(i, 4, spi.caller, &isnull);
		step->unmet_signals = tq_row_int32(i, 5);
	}
	tq_spi_end(&spi);
	return n;
}

/* The step is pending from now on, and this is what it waits for. */
void
tq_step_set_count(int64 dag_key, const TqUncountedStep *step, int32 unmet)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_step SET state = 'p', unmet = $3, unmet_signals = $4, slice = $5"
				" WHERE dag_key = $1 AND step_no = $2", INT8OID, INT4OID, INT4OID, INT4OID, INT2OID);
	Datum		values[] = {
		Int64GetDatum(dag_key), Int32GetDatum(step->step_no), Int32GetDatum(unmet),
		Int32GetDatum(step->unmet_signals), Int16GetDatum(step->slice)
	};
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_dag_run(&plan, values, NULL);
	tq_spi_end(&spi);
}

/*
 * A failed step, and the steps that were skipped because of it, transitively,
 * are pending again, as if they had never run.  The task of the failed one
 * leaves history: it will live again under its id, with the next generation.
 */
void
tq_step_put_back(int64 dag_key, int32 step_no)
{
	static TqPlan history =
		TQ_PLAN("DELETE FROM task_queue.history AS h USING task_queue.dag_step AS s"
				" WHERE s.dag_key = $1 AND s.step_no = $2 AND h.task_id = s.task_id", INT8OID, INT4OID);
	static TqPlan steps =
		TQ_PLAN("WITH RECURSIVE back (step_no) AS ("
				"  SELECT $2"
				" UNION"
				"  SELECT c.step_no FROM back AS b,"
				"   LATERAL (SELECT s.child FROM task_queue.dag_step AS s"
				"    WHERE s.dag_key = $1 AND s.step_no = b.step_no AND s.child > 0"
				"    UNION ALL SELECT e.child_no FROM task_queue.dag_edge AS e"
				"    WHERE e.dag_key = $1 AND e.parent_no = b.step_no) AS k (child_no)"
				"   JOIN task_queue.dag_step AS c ON c.dag_key = $1 AND c.step_no = k.child_no"
				"  WHERE c.state = 'k' AND b.step_no = ANY (c.needs))"
				" UPDATE task_queue.dag_step SET state = 'p', attempt = 0, worker = NULL, queued_at = NULL,"
				"  started_at = NULL, finished_at = NULL, reached_at = NULL, result = NULL, error_kind = NULL,"
				"  error_message = NULL"
				" WHERE dag_key = $1 AND step_no IN (SELECT b.step_no FROM back AS b)", INT8OID, INT4OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_dag_run(&history, values, NULL);
	(void) tq_dag_run(&steps, values, NULL);
	tq_spi_end(&spi);
}

/* Make the DAG's counters anew from its steps; nothing is carried then. */
void
tq_dag_recount(TqDag *dag)
{
#define OPEN_AND_BAD \
	"pg_catalog.count(*) FILTER (WHERE s.state IN ('p', 'x'))::int4 AS open," \
	" pg_catalog.count(*) FILTER (WHERE s.state IN ('f', 'k') AND NOT s.optional)::int4 AS bad"
	static TqPlan plans[] = {
		TQ_PLAN("UPDATE task_queue.dag_step SET carry = 0, carry_bad = 0"
				" WHERE dag_key = $1 AND (carry > 0 OR carry_bad > 0)", INT8OID),
		TQ_PLAN("UPDATE task_queue.dag_counter AS c SET open = COALESCE(n.open, 0), bad = COALESCE(n.bad, 0)"
				" FROM task_queue.dag_counter AS z LEFT JOIN"
				"  (SELECT s.slice, " OPEN_AND_BAD " FROM task_queue.dag_step AS s WHERE s.dag_key = $1"
				"   GROUP BY s.slice) AS n ON n.slice = z.slice"
				" WHERE c.dag_key = $1 AND c.step_no = 0 AND z.dag_key = $1 AND z.step_no = 0 AND z.slice = c.slice",
				INT8OID),
		TQ_PLAN("UPDATE task_queue.dag AS d SET bad = n.bad, open = CASE WHEN NOT d.sliced THEN n.open"
				" ELSE (SELECT pg_catalog.count(*)::int4 FROM task_queue.dag_counter AS c"
				"  WHERE c.dag_key = $1 AND c.step_no = 0 AND c.open > 0) END"
				" FROM (SELECT " OPEN_AND_BAD " FROM task_queue.dag_step AS s WHERE s.dag_key = $1) AS n"
				" WHERE d.dag_key = $1", INT8OID)
	};
	Datum		values[] = {Int64GetDatum(dag->dag_key)};
	TqSpi		spi;

	tq_spi_begin(&spi);
	for (int i = 0; i < lengthof(plans); i++)
		(void) tq_dag_run(&plans[i], values, NULL);
	tq_spi_end(&spi);
}
