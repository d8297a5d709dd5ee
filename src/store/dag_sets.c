/*-------------------------------------------------------------------------
 *
 * dag_sets.c
 *	  Inserting steps, and finding those of a DAG.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"

#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

#define STEP_COLUMNS \
	"(dag_key, step_no, unmet, unmet_signals, carry, carry_bad, child, attempt, gen, slice, state, child_kind," \
	" optional, split, has_refs, stop_before, stop_after, placement, placement_step, priority, delay_us," \
	" timeout_us, created_at, reached_at, queued_at, step_id, handler, queue, args, retry_policy, target, needs," \
	" defaults, optionals, wait_for, break_before, break_after, definition)"
#define STEP_VALUES \
	"($1, $2, $3, $4, 0, 0, $5, 0, 0, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19," \
	" CASE WHEN $3 = 0 AND $12 = 'a' THEN $19 END, CASE WHEN $7 = 'x' THEN $19 END," \
	" $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
#define STEP_TYPES \
	INT8OID, INT4OID, INT4OID, INT4OID, INT4OID, INT2OID, CHAROID, CHAROID, BOOLOID, BOOLOID, BOOLOID, \
	CHAROID, CHAROID, CHAROID, INT4OID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, \
	TEXTOID, JSONBOID, TQ_RETRY_POLICY_TYPE, TEXTOID, INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, \
	TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BYTEAOID
#define N_STEP_VALUES 32
#define FIRST_NULLABLE 23

static void
fill_step_values(int64 dag_key, const TqNewStep *step, TimestampTz now, Datum *values, bool *nulls)
{
	int			n = 0;

	values[n++] = Int64GetDatum(dag_key);
	values[n++] = Int32GetDatum(step->step_no);
	values[n++] = Int32GetDatum(step->unmet);
	values[n++] = Int32GetDatum(step->unmet_signals);
	values[n++] = Int32GetDatum(step->child);
	values[n++] = Int16GetDatum(step->slice);
	values[n++] = CharGetDatum(step->state);
	values[n++] = CharGetDatum(step->child_kind);
	values[n++] = BoolGetDatum(step->optional);
	values[n++] = BoolGetDatum(step->split);
	values[n++] = BoolGetDatum(step->has_refs);
	values[n++] = CharGetDatum(step->stop_before);
	values[n++] = CharGetDatum(step->stop_after);
	values[n++] = CharGetDatum(step->placement);
	values[n++] = Int32GetDatum(step->placement_step);
	values[n++] = Int32GetDatum(step->priority);
	values[n++] = Int64GetDatum(step->delay_us);
	values[n++] = Int64GetDatum(step->timeout_us);
	values[n++] = TimestampTzGetDatum(now);
	values[n++] = CStringGetTextDatum(step->step_id);
	values[n++] = CStringGetTextDatum(step->handler);
	values[n++] = CStringGetTextDatum(step->queue);
	values[n++] = JsonbPGetDatum(step->args);
	Assert(n == FIRST_NULLABLE);
	values[n++] = step->retry_policy;
	values[n++] = step->target ? CStringGetTextDatum(step->target) : (Datum) 0;
	values[n++] = step->needs;
	values[n++] = step->defaults;
	values[n++] = step->optionals;
	values[n++] = step->wait_for;
	values[n++] = step->break_before;
	values[n++] = step->break_after;
	values[n++] = step->definition;
	Assert(n == N_STEP_VALUES);
	for (int i = 0; i < n; i++)
		nulls[i] = i >= FIRST_NULLABLE && values[i] == (Datum) 0;
}

void
tq_step_insert(int64 dag_key, const TqNewStep *step, TimestampTz now)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_step " STEP_COLUMNS " VALUES " STEP_VALUES, STEP_TYPES);
	Datum		values[N_STEP_VALUES];
	bool		nulls[N_STEP_VALUES];

	fill_step_values(dag_key, step, now, values, nulls);
	(void) tq_dag_execute(&plan, values, nulls);
}

/*
 * Insert a step that is added to a DAG; sets its number.  False if the DAG
 * has a step of that id; waits for a transaction that is adding one.
 */
bool
tq_step_insert_added(int64 dag_key, TqNewStep *step, TimestampTz now)
{
	static TqPlan number =
		TQ_PLAN0("SELECT pg_catalog.nextval('task_queue.dag_step_no_seq')");
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_step " STEP_COLUMNS " VALUES " STEP_VALUES
				" ON CONFLICT (dag_key, step_id) DO NOTHING", STEP_TYPES);
	Datum		values[N_STEP_VALUES];
	bool		nulls[N_STEP_VALUES];
	TqSpi		spi;
	bool		inserted;

	tq_spi_begin(&spi);
	(void) tq_dag_run(&number, NULL, NULL);
	step->step_no = (int32) tq_row_int64(0, 0);
	fill_step_values(dag_key, step, now, values, nulls);
	inserted = tq_dag_run(&plan, values, nulls) == 1;
	tq_spi_end(&spi);
	return inserted;
}

void
tq_edge_insert(int64 dag_key, int n, const int32 *parents, const int32 *children, const char *kinds)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_edge (dag_key, parent_no, child_no, kind)"
				" SELECT $1, u.parent_no, u.child_no, u.kind"
				" FROM ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4)) AS u (parent_no, child_no, kind)",
				INT8OID, INT4ARRAYOID, INT4ARRAYOID, CHARARRAYOID);
	Datum		values[4];
	TqSpi		spi;

	if (n == 0)
		return;
	tq_spi_begin(&spi);
	values[0] = Int64GetDatum(dag_key);
	values[1] = tq_int4_array(n, parents);
	values[2] = tq_int4_array(n, children);
	values[3] = tq_char_array(n, kinds);
	(void) tq_dag_run(&plan, values, NULL);
	tq_spi_end(&spi);
}

/* The rows of a split countdown; those of an earlier life are replaced. */
void
tq_countdown_insert(int64 dag_key, int32 step_no, const int32 *unmet_by_row, int16 home)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_counter AS c"
				" (dag_key, step_no, slice, open, bad, carry, carry_bad, home, dead)"
				" SELECT $1, $2, u.i - 1, u.open, 0, 0, 0, $4, false"
				" FROM pg_catalog.unnest($3) WITH ORDINALITY AS u (open, i)"
				" ON CONFLICT (dag_key, step_no, slice) DO UPDATE"
				" SET open = EXCLUDED.open, carry = 0, carry_bad = 0, dead = false",
				INT8OID, INT4OID, INT4ARRAYOID, INT2OID);
	Datum		values[4];
	TqSpi		spi;

	tq_spi_begin(&spi);
	values[0] = Int64GetDatum(dag_key);
	values[1] = Int32GetDatum(step_no);
	values[2] = tq_int4_array(TQ_DAG_SLICES, unmet_by_row);
	values[3] = Int16GetDatum(home);
	(void) tq_dag_run(&plan, values, NULL);
	tq_spi_end(&spi);
}

/* Pending steps that only the DAG's being held can keep from starting. */
int
tq_step_list_startable(int64 dag_key, int32 **step_nos)
{
	static TqPlan plan =
		TQ_PLAN("SELECT s.step_no FROM task_queue.dag_step AS s WHERE s.dag_key = $1 AND s.state = 'p'"
				" AND s.unmet = 0 AND s.unmet_signals = 0 AND s.stop_before <> 'a' ORDER BY s.step_no", INT8OID);
	Datum		values[] = {Int64GetDatum(dag_key)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = tq_dag_copy_numbers(tq_dag_run(&plan, values, NULL), spi.caller, step_nos);
	tq_spi_end(&spi);
	return n;
}

void
tq_step_cancel_pending(int64 dag_key, TimestampTz now, const char *reason)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_step SET state = 'c', finished_at = $2, error_message = $3"
				" WHERE dag_key = $1 AND state IN ('n', 'p')", INT8OID, TIMESTAMPTZOID, TEXTOID);
	Datum		values[] = {
		Int64GetDatum(dag_key), TimestampTzGetDatum(now),
		reason ? CStringGetTextDatum(reason) : (Datum) 0
	};
	bool		nulls[] = {false, false, reason == NULL};

	(void) tq_dag_execute(&plan, values, nulls);
}

/* The live tasks of a DAG. */
int
tq_dag_list_tasks(int64 dag_key, int64 **task_ids)
{
	static TqPlan plan =
		TQ_PLAN("SELECT t.task_id FROM task_queue.task AS t WHERE t.dag_key = $1 ORDER BY t.task_id", INT8OID);
	Datum		values[] = {Int64GetDatum(dag_key)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_dag_run(&plan, values, NULL);
	*task_ids = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		(*task_ids)[i] = tq_row_int64(i, 0);
	tq_spi_end(&spi);
	return n;
}
