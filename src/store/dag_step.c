/*-------------------------------------------------------------------------
 *
 * dag_step.c
 *	  Transitions of single steps.
 *
 * Each is one statement that finds the row by its key, checks the state it
 * expects and returns what the engine needs to go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"

#include "store/dag.h"
#include "store/plans.h"

Datum
tq_int4_array(int n, const int32 *elements)
{
	Datum	   *datums = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = Int32GetDatum(elements[i]);
	return PointerGetDatum(construct_array(datums, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

Datum
tq_char_array(int n, const char *elements)
{
	Datum	   *datums = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = CharGetDatum(elements[i]);
	return PointerGetDatum(construct_array(datums, n, CHAROID, 1, true, TYPALIGN_CHAR));
}

/* Array of a value without nulls; its length is returned. */
int
tq_int4_list(Datum array, int32 **elements)
{
	ArrayType  *values;

	*elements = NULL;
	if (array == (Datum) 0)
		return 0;
	values = DatumGetArrayTypeP(array);
	*elements = (int32 *) ARR_DATA_PTR(values);
	return ArrayGetNItems(ARR_NDIM(values), ARR_DIMS(values));
}

#define SET_END \
	"UPDATE task_queue.dag_step AS s SET state = $3, attempt = $4, gen = $5, task_id = $6, worker = $7," \
	" started_at = $8, finished_at = $9, result = $10, error_kind = $11, error_message = $12"
#define END_TYPES \
	INT8OID, INT4OID, CHAROID, INT4OID, INT4OID, INT8OID, TEXTOID, \
	TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID, TEXTOID, TEXTOID
#define MARK_COLUMNS "s.child, s.child_kind, s.carry, s.carry_bad, s.slice, s.optional, s.stop_after"
#define N_MARK_COLUMNS 7
#define N_END_VALUES 12

static void
fill_end_values(int64 dag_key, int32 step_no, const TqStepEnd *end, Datum *values, bool *nulls)
{
	memset(nulls, 0, N_END_VALUES * sizeof(bool));
	values[0] = Int64GetDatum(dag_key);
	values[1] = Int32GetDatum(step_no);
	values[2] = CharGetDatum(end->state);
	values[3] = Int32GetDatum(end->attempt);
	values[4] = Int32GetDatum(end->gen);
	values[5] = Int64GetDatum(end->task_id);
	values[6] = end->worker ? CStringGetTextDatum(end->worker) : (Datum) 0;
	values[7] = TimestampTzGetDatum(end->started_at);
	values[8] = TimestampTzGetDatum(end->finished_at);
	values[9] = PointerGetDatum(end->result);
	values[10] = end->error_kind ? CStringGetTextDatum(end->error_kind) : (Datum) 0;
	values[11] = end->error_message ? CStringGetTextDatum(end->error_message) : (Datum) 0;
	nulls[6] = end->worker == NULL;
	nulls[7] = end->started_at == 0;
	nulls[9] = end->result == NULL;
	nulls[10] = end->error_kind == NULL;
	nulls[11] = end->error_message == NULL;
}

static int16
row_int16(uint64 row, int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt16(value);
}

static void
read_mark(TqStepMark *mark)
{
	mark->child = tq_row_int32(0, 0);
	mark->child_kind = tq_row_char(0, 1);
	mark->carry = tq_row_int32(0, 2);
	mark->carry_bad = tq_row_int32(0, 3);
	mark->slice = row_int16(0, 4);
	mark->optional = tq_row_bool(0, 5);
	mark->stop_after = tq_row_char(0, 6);
}

static Datum
copy_column(int column, MemoryContext context)
{
	bool		isnull;

	return tq_row_copy(0, column, context, &isnull);
}

bool
tq_step_end(int64 dag_key, int32 step_no, const TqStepEnd *end, TqDag *dag, TqStepMark *mark)
{
	static TqPlan plan =
		TQ_PLAN(SET_END " FROM task_queue.dag AS d"
				" WHERE d.dag_key = $1 AND d.state = 'x' AND s.dag_key = $1 AND s.step_no = $2 AND s.state = 'x'"
				" RETURNING " MARK_COLUMNS ", d.dynamic, d.sliced, d.submitter, d.labels, d.retry_policy, d.trace_ctx",
				END_TYPES);
	Datum		values[N_END_VALUES];
	bool		nulls[N_END_VALUES];
	TqSpi		spi;
	bool		found;

	fill_end_values(dag_key, step_no, end, values, nulls);
	tq_spi_begin(&spi);
	found = tq_plan_run(&plan, values, nulls) == 1;
	if (found)
	{
		read_mark(mark);
		memset(dag, 0, sizeof(TqDag));
		dag->dag_key = dag_key;
		dag->state = TQ_DAG_RUNNING;
		dag->dynamic = tq_row_bool(0, N_MARK_COLUMNS);
		dag->sliced = tq_row_bool(0, N_MARK_COLUMNS + 1);
		dag->submitter = tq_row_oid(0, N_MARK_COLUMNS + 2);
		dag->labels = copy_column(N_MARK_COLUMNS + 3, spi.caller);
		dag->retry_policy = copy_column(N_MARK_COLUMNS + 4, spi.caller);
		dag->trace_ctx = (Jsonb *) DatumGetPointer(copy_column(N_MARK_COLUMNS + 5, spi.caller));
	}
	tq_spi_end(&spi);
	return found;
}

bool
tq_step_end_any(int64 dag_key, int32 step_no, const TqStepEnd *end, TqStepMark *mark)
{
	static TqPlan plan =
		TQ_PLAN(SET_END " WHERE s.dag_key = $1 AND s.step_no = $2 AND s.state = 'x' RETURNING " MARK_COLUMNS,
				END_TYPES);
	Datum		values[N_END_VALUES];
	bool		nulls[N_END_VALUES];
	TqSpi		spi;
	bool		found;

	fill_end_values(dag_key, step_no, end, values, nulls);
	tq_spi_begin(&spi);
	found = tq_plan_run(&plan, values, nulls) == 1;
	if (found)
		read_mark(mark);
	tq_spi_end(&spi);
	return found;
}

#define TASK_COLUMNS \
	"handler, queue, args, has_refs, priority, delay_us, timeout_us, retry_policy, placement, placement_step," \
	" target, task_id, gen"

static void
read_task(int column, MemoryContext context, TqStepTask *task)
{
	task->handler = tq_row_text(0, column, context);
	task->queue = tq_row_text(0, column + 1, context);
	task->args = (Jsonb *) DatumGetPointer(copy_column(column + 2, context));
	task->has_refs = tq_row_bool(0, column + 3);
	task->priority = tq_row_int32(0, column + 4);
	task->delay_us = tq_row_int64(0, column + 5);
	task->timeout_us = tq_row_int64(0, column + 6);
	task->retry_policy = copy_column(column + 7, context);
	task->placement = tq_row_char(0, column + 8);
	task->placement_step = tq_row_int32(0, column + 9);
	task->target = tq_row_text(0, column + 10, context);
	task->task_id = tq_row_int64(0, column + 11);
	task->gen = tq_row_int32(0, column + 12);
}

TqCountdown
tq_step_count_down(int64 dag_key, int32 step_no, int32 unmet, int32 carry, int32 carry_bad,
				   int16 slice, bool may_start, TimestampTz now, bool *carried, TqStepTask *task)
{
#define STARTS "unmet = $3 AND unmet_signals = 0 AND stop_before <> 'a' AND $7"
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_step SET unmet = unmet - $3,"
				" carry = carry + CASE WHEN slice = $6 THEN $4 ELSE 0 END,"
				" carry_bad = carry_bad + CASE WHEN slice = $6 THEN $5 ELSE 0 END,"
				" reached_at = CASE WHEN unmet = $3 AND stop_before = 'a' THEN COALESCE(reached_at, $8) ELSE reached_at END,"
				" state = CASE WHEN " STARTS " THEN 'x' ELSE state END,"
				" queued_at = CASE WHEN " STARTS " THEN $8 ELSE queued_at END"
				" WHERE dag_key = $1 AND step_no = $2 AND state = 'p'"
				" RETURNING state, slice, " TASK_COLUMNS,
				INT8OID, INT4OID, INT4OID, INT4OID, INT4OID, INT2OID, BOOLOID, TIMESTAMPTZOID);
	Datum		values[] = {
		Int64GetDatum(dag_key), Int32GetDatum(step_no), Int32GetDatum(unmet),
		Int32GetDatum(carry), Int32GetDatum(carry_bad), Int16GetDatum(slice),
		BoolGetDatum(may_start), TimestampTzGetDatum(now)
	};
	TqCountdown result = TQ_COUNTDOWN_GONE;
	TqSpi		spi;

	*carried = false;
	tq_spi_begin(&spi);
	if (tq_plan_run(&plan, values, NULL) == 1)
	{
		result = tq_row_char(0, 0) == TQ_STEP_RUNNING ? TQ_COUNTDOWN_READY : TQ_COUNTDOWN_WAITS;
		*carried = row_int16(0, 1) == slice;
		if (result == TQ_COUNTDOWN_READY)
		{
			task->step_no = step_no;
			read_task(2, spi.caller, task);
		}
	}
	tq_spi_end(&spi);
	return result;
}

/*
 * *carry and *carry_bad: in, what the ended dependencies carry; out, if the
 * row is at zero now, what goes on to the step itself, in slice *home.
 */
void
tq_step_count_down_split(int64 dag_key, int32 step_no, int16 row, int32 unmet,
						 int32 *carry, int32 *carry_bad, int16 slice,
						 bool *carried, bool *zero, int16 *home)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_counter SET open = open - $4,"
				" carry = carry + CASE WHEN home = $7 AND NOT dead THEN $5 ELSE 0 END,"
				" carry_bad = carry_bad + CASE WHEN home = $7 AND NOT dead THEN $6 ELSE 0 END"
				" WHERE dag_key = $1 AND step_no = $2 AND slice = $3"
				" RETURNING open = 0 AND NOT dead, home = $7 AND NOT dead, carry, carry_bad, home",
				INT8OID, INT4OID, INT2OID, INT4OID, INT4OID, INT4OID, INT2OID);
	Datum		values[] = {
		Int64GetDatum(dag_key), Int32GetDatum(step_no), Int16GetDatum(row), Int32GetDatum(unmet),
		Int32GetDatum(*carry), Int32GetDatum(*carry_bad), Int16GetDatum(slice)
	};
	TqSpi		spi;

	*zero = false;
	*carried = false;
	tq_spi_begin(&spi);
	if (tq_plan_run(&plan, values, NULL) == 1)
	{
		*zero = tq_row_bool(0, 0);
		*carried = tq_row_bool(0, 1);
		*home = row_int16(0, 4);
		if (*zero)
		{
			*carry = tq_row_int32(0, 2);
			*carry_bad = tq_row_int32(0, 3);
		}
	}
	tq_spi_end(&spi);
}

bool
tq_step_skip(int64 dag_key, int32 step_no, TimestampTz now, TqStepMark *mark)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_step AS s SET state = 'k', finished_at = $3"
				" WHERE s.dag_key = $1 AND s.step_no = $2 AND s.state = 'p' RETURNING " MARK_COLUMNS,
				INT8OID, INT4OID, TIMESTAMPTZOID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no), TimestampTzGetDatum(now)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_plan_run(&plan, values, NULL) == 1;
	if (found)
		read_mark(mark);
	tq_spi_end(&spi);
	return found;
}

/* Rows at zero have passed on what they carried. */
void
tq_step_kill_split(int64 dag_key, int32 step_no, int32 *carry, int32 *carry_bad)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_counter SET dead = true"
				" WHERE dag_key = $1 AND step_no = $2 AND slice = $3"
				" RETURNING CASE WHEN open > 0 THEN carry ELSE 0 END, CASE WHEN open > 0 THEN carry_bad ELSE 0 END",
				INT8OID, INT4OID, INT2OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no), (Datum) 0};
	TqSpi		spi;

	*carry = 0;
	*carry_bad = 0;
	tq_spi_begin(&spi);
	for (int16 row = 0; row < TQ_DAG_SLICES; row++)
	{
		values[2] = Int16GetDatum(row);
		if (tq_plan_run(&plan, values, NULL) == 1)
		{
			*carry += tq_row_int32(0, 0);
			*carry_bad += tq_row_int32(0, 1);
		}
	}
	tq_spi_end(&spi);
}

/* dag_step.child */
int32
tq_step_child(int64 dag_key, int32 step_no, char *kind)
{
	static TqPlan plan =
		TQ_PLAN("SELECT s.child, s.child_kind FROM task_queue.dag_step AS s"
				" WHERE s.dag_key = $1 AND s.step_no = $2", INT8OID, INT4OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	int32		child = TQ_CHILD_NONE;
	TqSpi		spi;

	*kind = TQ_EDGE_REQUIRED;
	tq_spi_begin(&spi);
	if (tq_plan_run(&plan, values, NULL) == 1)
	{
		child = tq_row_int32(0, 0);
		*kind = tq_row_char(0, 1);
	}
	tq_spi_end(&spi);
	return child;
}

/* Those of dag_edge, in ascending order. */
int
tq_step_children(int64 dag_key, int32 step_no, TqChild **children)
{
	static TqPlan plan =
		TQ_PLAN("SELECT e.child_no, e.kind FROM task_queue.dag_edge AS e"
				" WHERE e.dag_key = $1 AND e.parent_no = $2 ORDER BY e.child_no", INT8OID, INT4OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_plan_run(&plan, values, NULL);
	*children = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(TqChild));
	for (int i = 0; i < n; i++)
	{
		(*children)[i].step_no = tq_row_int32(i, 0);
		(*children)[i].kind = tq_row_char(i, 1);
	}
	tq_spi_end(&spi);
	return n;
}

void
tq_step_set_target(int64 dag_key, int32 step_no, const char *target)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_step SET target = $3 WHERE dag_key = $1 AND step_no = $2",
				INT8OID, INT4OID, TEXTOID);
	Datum		values[] = {
		Int64GetDatum(dag_key), Int32GetDatum(step_no),
		target ? CStringGetTextDatum(target) : (Datum) 0
	};
	bool		nulls[] = {false, false, target == NULL};
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&plan, values, nulls);
	tq_spi_end(&spi);
}

bool
tq_step_is_any(int64 dag_key, char state)
{
	static TqPlan plan =
		TQ_PLAN("SELECT 1 FROM task_queue.dag_step AS s WHERE s.dag_key = $1 AND s.state = $2 LIMIT 1",
				INT8OID, CHAROID);
	Datum		values[] = {Int64GetDatum(dag_key), CharGetDatum(state)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_plan_run(&plan, values, NULL) > 0;
	tq_spi_end(&spi);
	return found;
}

bool
tq_step_exists(int64 dag_key, int32 step_no)
{
	static TqPlan plan =
		TQ_PLAN("SELECT 1 FROM task_queue.dag_step AS s WHERE s.dag_key = $1 AND s.step_no = $2",
				INT8OID, INT4OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_plan_run(&plan, values, NULL) > 0;
	tq_spi_end(&spi);
	return found;
}

/* When the first attempt of a task began that failed since the step was handed over; 0: none did. */
TimestampTz
tq_step_first_start(int64 dag_key, int32 step_no, int64 task_id)
{
	static TqPlan plan =
		TQ_PLAN("SELECT pg_catalog.min(a.started_at) FROM task_queue.attempt AS a, task_queue.dag_step AS s"
				" WHERE a.task_id = $3 AND s.dag_key = $1 AND s.step_no = $2 AND a.started_at >= s.queued_at",
				INT8OID, INT4OID, INT8OID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no), Int64GetDatum(task_id)};
	TimestampTz started;
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&plan, values, NULL);
	started = tq_row_int64(0, 0);
	tq_spi_end(&spi);
	return started;
}
