/*-------------------------------------------------------------------------
 *
 * dag_signal.c
 *	  Signals and breakpoints of DAGs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

/* The step waits for these signals (a text[] without duplicates). */
void
tq_signal_wait(int64 dag_key, int32 step_no, Datum names)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_signal (dag_key, name, step_no)"
				" SELECT $1, n, $2 FROM pg_catalog.unnest($3) AS n", INT8OID, INT4OID, TEXTARRAYOID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no), names};

	(void) tq_dag_execute(&plan, values, NULL);
}

/* False: it had been delivered. */
bool
tq_signal_deliver(int64 dag_key, const char *name, Jsonb *payload, TimestampTz now)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_signal (dag_key, name, step_no, delivered_at, payload)"
				" VALUES ($1, $2, 0, $3, $4) ON CONFLICT (dag_key, name, step_no) DO NOTHING",
				INT8OID, TEXTOID, TIMESTAMPTZOID, JSONBOID);
	Datum		values[] = {
		Int64GetDatum(dag_key), CStringGetTextDatum(name), TimestampTzGetDatum(now),
		PointerGetDatum(payload)
	};
	bool		nulls[] = {false, false, false, payload == NULL};

	return tq_dag_execute(&plan, values, nulls) == 1;
}

/* The step numbers that a query has found. */
static int
list_waiting(int64 dag_key, const char *name, int32 **step_nos)
{
	static TqPlan plan =
		TQ_PLAN("SELECT g.step_no FROM task_queue.dag_signal AS g"
				" WHERE g.dag_key = $1 AND g.name = $2 AND g.step_no > 0 ORDER BY g.step_no", INT8OID, TEXTOID);
	Datum		values[] = {Int64GetDatum(dag_key), CStringGetTextDatum(name)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = tq_dag_copy_numbers(tq_dag_query(&plan, values), spi.caller, step_nos);
	tq_spi_end(&spi);
	return n;
}

static bool
count_signal(TqRow *row, void *startable)
{
	int32		unmet = DatumGetInt32(row->values[TQ_STEP_COL_UNMET_SIGNALS]) - 1;

	tq_row_set(row, TQ_STEP_COL_UNMET_SIGNALS, Int32GetDatum(unmet));
	*(bool *) startable = unmet == 0 && DatumGetInt32(row->values[TQ_STEP_COL_UNMET]) == 0 &&
		DatumGetChar(row->values[TQ_STEP_COL_STATE]) == TQ_STEP_PENDING;
	return true;
}

/*
 * Count the signal off in all steps that wait for it, whatever their state:
 * a skipped one can come back.  Returns those that nothing else keeps from
 * being handed over.
 */
int
tq_signal_release(int64 dag_key, const char *name, int32 **step_nos)
{
	int			waiting = list_waiting(dag_key, name, step_nos);
	int			n = 0;

	for (int i = 0; i < waiting; i++)
	{
		Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum((*step_nos)[i])};
		bool		startable;
		TqRow		row;

		if (!tq_row_change(TQ_TABLE_STEP, key, count_signal, &startable, &row))
			continue;
		if (startable)
			(*step_nos)[n++] = (*step_nos)[i];
		tq_row_free(&row);
	}
	return n;
}

/* The payload of a delivered signal; NULL: none. */
Jsonb *
tq_signal_payload(int64 dag_key, const char *name)
{
	static TqPlan plan =
		TQ_PLAN("SELECT g.payload FROM task_queue.dag_signal AS g"
				" WHERE g.dag_key = $1 AND g.name = $2 AND g.step_no = 0", INT8OID, TEXTOID);
	Datum		values[] = {Int64GetDatum(dag_key), CStringGetTextDatum(name)};
	Jsonb	   *payload = NULL;
	TqSpi		spi;
	bool		isnull;

	tq_spi_begin(&spi);
	if (tq_dag_query(&plan, values) == 1)
		payload = (Jsonb *) DatumGetPointer(tq_row_copy(0, 0, spi.caller, &isnull));
	tq_spi_end(&spi);
	return payload;
}

/*
 * The steps at whose breakpoint with this label something stands still now:
 * before, the step itself; after, at least one pending direct dependent.
 */
int
tq_breakpoint_list(int64 dag_key, const char *label, bool after, int32 **step_nos)
{
	static TqPlan before_plan =
		TQ_PLAN("SELECT s.step_no FROM task_queue.dag_step AS s WHERE s.dag_key = $1 AND s.state = 'p'"
				" AND s.stop_before = 'a' AND s.unmet = 0 AND $2 = ANY (s.break_before) ORDER BY s.step_no",
				INT8OID, TEXTOID);
	static TqPlan after_plan =
		TQ_PLAN("SELECT s.step_no FROM task_queue.dag_step AS s WHERE s.dag_key = $1 AND s.state = 'd'"
				" AND s.stop_after = 'a' AND $2 = ANY (s.break_after)"
				" AND EXISTS (SELECT FROM ("
				"   SELECT s.child WHERE s.child > 0"
				"   UNION ALL SELECT e.child_no FROM task_queue.dag_edge AS e"
				"    WHERE e.dag_key = $1 AND e.parent_no = s.step_no) AS k (child_no)"
				"  JOIN task_queue.dag_step AS c ON c.dag_key = $1 AND c.step_no = k.child_no"
				"  WHERE c.state = 'p') ORDER BY s.step_no", INT8OID, TEXTOID);
	Datum		values[] = {Int64GetDatum(dag_key), CStringGetTextDatum(label)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = tq_dag_copy_numbers(tq_dag_run(after ? &after_plan : &before_plan, values, NULL),
					 spi.caller, step_nos);
	tq_spi_end(&spi);
	return n;
}

static bool
release_stop(TqRow *row, void *column)
{
	tq_row_set(row, *(const TqStepColumn *) column, CharGetDatum(TQ_STOP_RELEASED));
	return true;
}

void
tq_breakpoint_release(int64 dag_key, bool after, int n, const int32 *step_nos)
{
	TqStepColumn column = after ? TQ_STEP_COL_STOP_AFTER : TQ_STEP_COL_STOP_BEFORE;

	for (int i = 0; i < n; i++)
	{
		Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_nos[i])};
		TqRow		row;

		if (tq_row_change(TQ_TABLE_STEP, key, release_stop, &column, &row))
			tq_row_free(&row);
	}
}
