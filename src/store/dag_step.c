/*-------------------------------------------------------------------------
 *
 * dag_step.c
 *	  Transitions of single steps.
 *
 * Each finds the row by its key, checks that it is in the state it expects,
 * and returns what the engine needs to go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"

#include "store/dag.h"
#include "store/dag_rel.h"
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

/* The end of a running step. */
typedef struct EndArgs
{
	const TqStepEnd *end;
	TqStepMark *mark;
} EndArgs;

static void
read_mark(const TqRow *row, TqStepMark *mark)
{
	mark->child = DatumGetInt32(row->values[TQ_STEP_COL_CHILD]);
	mark->child_kind = DatumGetChar(row->values[TQ_STEP_COL_CHILD_KIND]);
	mark->carry = DatumGetInt32(row->values[TQ_STEP_COL_CARRY]);
	mark->carry_bad = DatumGetInt32(row->values[TQ_STEP_COL_CARRY_BAD]);
	mark->slice = DatumGetInt16(row->values[TQ_STEP_COL_SLICE]);
	mark->optional = DatumGetBool(row->values[TQ_STEP_COL_OPTIONAL]);
	mark->stop_after = DatumGetChar(row->values[TQ_STEP_COL_STOP_AFTER]);
}

static char
row_state(const TqRow *row)
{
	return DatumGetChar(row->values[TQ_STEP_COL_STATE]);
}

static void
set_text(TqRow *row, TqStepColumn column, const char *value)
{
	tq_row_set_nullable(row, column, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static bool
end_row(TqRow *row, void *arg)
{
	EndArgs    *args = arg;
	const TqStepEnd *end = args->end;

	if (row_state(row) != TQ_STEP_RUNNING)
		return false;
	read_mark(row, args->mark);
	tq_row_set(row, TQ_STEP_COL_STATE, CharGetDatum(end->state));
	tq_row_set(row, TQ_STEP_COL_ATTEMPT, Int32GetDatum(end->attempt));
	tq_row_set(row, TQ_STEP_COL_GEN, Int32GetDatum(end->gen));
	tq_row_set(row, TQ_STEP_COL_TASK_ID, Int64GetDatum(end->task_id));
	tq_row_set(row, TQ_STEP_COL_FINISHED_AT, TimestampTzGetDatum(end->finished_at));
	tq_row_set_nullable(row, TQ_STEP_COL_STARTED_AT, TimestampTzGetDatum(end->started_at), end->started_at == 0);
	tq_row_set_nullable(row, TQ_STEP_COL_RESULT, PointerGetDatum(end->result), end->result == NULL);
	set_text(row, TQ_STEP_COL_WORKER, end->worker);
	set_text(row, TQ_STEP_COL_ERROR_KIND, end->error_kind);
	set_text(row, TQ_STEP_COL_ERROR_MESSAGE, end->error_message);
	return true;
}

bool
tq_step_end_any(int64 dag_key, int32 step_no, const TqStepEnd *end, TqStepMark *mark)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	EndArgs		args = {end, mark};
	TqRow		row;

	return tq_row_change(TQ_TABLE_STEP, key, end_row, &args, &row);
}

bool
tq_step_end(int64 dag_key, int32 step_no, const TqStepEnd *end, TqDag *dag, TqStepMark *mark)
{
	Datum		key[] = {Int64GetDatum(dag_key)};
	TqRow		row;

	if (!tq_row_read(TQ_TABLE_DAG, key, &row) ||
		DatumGetChar(row.values[TQ_DAG_COL_STATE]) != TQ_DAG_RUNNING ||
		!tq_step_end_any(dag_key, step_no, end, mark))
		return false;
	memset(dag, 0, sizeof(TqDag));
	dag->dag_key = dag_key;
	tq_dag_read_common(&row, dag);
	return true;
}

/* Counting down a pending step. */
typedef struct CountArgs
{
	int32		unmet;
	int32		carry;
	int32		carry_bad;
	int16		slice;
	bool		may_start;
	TimestampTz now;
	bool		carried;
	bool		starts;
} CountArgs;

static void
add_int32(TqRow *row, int column, int32 addend)
{
	if (addend != 0)
		tq_row_set(row, column, Int32GetDatum(DatumGetInt32(row->values[column]) + addend));
}

static bool
count_row(TqRow *row, void *arg)
{
	CountArgs  *args = arg;
	bool		met = DatumGetInt32(row->values[TQ_STEP_COL_UNMET]) == args->unmet;
	bool		stops = DatumGetChar(row->values[TQ_STEP_COL_STOP_BEFORE]) == TQ_STOP_ARMED;

	if (row_state(row) != TQ_STEP_PENDING)
		return false;
	args->carried = DatumGetInt16(row->values[TQ_STEP_COL_SLICE]) == args->slice;
	args->starts = met && !stops && args->may_start &&
		DatumGetInt32(row->values[TQ_STEP_COL_UNMET_SIGNALS]) == 0;
	add_int32(row, TQ_STEP_COL_UNMET, -args->unmet);
	if (args->carried)
	{
		add_int32(row, TQ_STEP_COL_CARRY, args->carry);
		add_int32(row, TQ_STEP_COL_CARRY_BAD, args->carry_bad);
	}
	if (met && stops && row->nulls[TQ_STEP_COL_REACHED_AT])
		tq_row_set(row, TQ_STEP_COL_REACHED_AT, TimestampTzGetDatum(args->now));
	if (args->starts)
	{
		tq_row_set(row, TQ_STEP_COL_STATE, CharGetDatum(TQ_STEP_RUNNING));
		tq_row_set(row, TQ_STEP_COL_QUEUED_AT, TimestampTzGetDatum(args->now));
	}
	return tq_row_is_changed(row, TQ_STEP_NCOLS);
}

static void
read_task(const TqRow *row, TqStepTask *task)
{
	task->step_no = DatumGetInt32(row->values[TQ_STEP_COL_STEP_NO]);
	task->handler = tq_row_string(row, TQ_STEP_COL_HANDLER);
	task->queue = tq_row_string(row, TQ_STEP_COL_QUEUE);
	task->args = (Jsonb *) DatumGetPointer(tq_row_varlena(row, TQ_STEP_COL_ARGS));
	task->has_refs = DatumGetBool(row->values[TQ_STEP_COL_HAS_REFS]);
	task->priority = DatumGetInt32(row->values[TQ_STEP_COL_PRIORITY]);
	task->delay_us = DatumGetInt64(row->values[TQ_STEP_COL_DELAY_US]);
	task->timeout_us = DatumGetInt64(row->values[TQ_STEP_COL_TIMEOUT_US]);
	task->retry_policy = tq_row_varlena(row, TQ_STEP_COL_RETRY_POLICY);
	task->placement = DatumGetChar(row->values[TQ_STEP_COL_PLACEMENT]);
	task->placement_step = DatumGetInt32(row->values[TQ_STEP_COL_PLACEMENT_STEP]);
	task->target = tq_row_string(row, TQ_STEP_COL_TARGET);
	task->task_id = row->nulls[TQ_STEP_COL_TASK_ID] ? 0 : DatumGetInt64(row->values[TQ_STEP_COL_TASK_ID]);
	task->gen = DatumGetInt32(row->values[TQ_STEP_COL_GEN]);
}

TqCountdown
tq_step_count_down(int64 dag_key, int32 step_no, int32 unmet, int32 carry, int32 carry_bad,
				   int16 slice, bool may_start, TimestampTz now, bool *carried, TqStepTask *task)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	CountArgs	args = {
		.unmet = unmet, .carry = carry, .carry_bad = carry_bad, .slice = slice,
		.may_start = may_start, .now = now
	};
	TqRow		row;

	*carried = false;
	if (!tq_row_change(TQ_TABLE_STEP, key, count_row, &args, &row))
		return TQ_COUNTDOWN_GONE;	/* or nothing was left to do */
	*carried = args.carried;
	if (!args.starts)
		return TQ_COUNTDOWN_WAITS;
	read_task(&row, task);
	return TQ_COUNTDOWN_READY;
}

static bool
count_counter(TqRow *row, void *arg)
{
	CountArgs  *args = arg;

	args->carried = DatumGetInt16(row->values[TQ_COUNTER_COL_HOME]) == args->slice &&
		!DatumGetBool(row->values[TQ_COUNTER_COL_DEAD]);
	add_int32(row, TQ_COUNTER_COL_OPEN, -args->unmet);
	if (args->carried)
	{
		add_int32(row, TQ_COUNTER_COL_CARRY, args->carry);
		add_int32(row, TQ_COUNTER_COL_CARRY_BAD, args->carry_bad);
	}
	return true;
}

/*
 * *carry and *carry_bad: in, what the ended dependencies carry; out, if the
 * row is at zero now, what goes on to the step itself, in slice *home.
 */
void
tq_step_count_down_split(int64 dag_key, int32 step_no, int16 row_no, int32 unmet,
						 int32 *carry, int32 *carry_bad, int16 slice,
						 bool *carried, bool *zero, int16 *home)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no), Int16GetDatum(row_no)};
	CountArgs	args = {.unmet = unmet, .carry = *carry, .carry_bad = *carry_bad, .slice = slice};
	TqRow		row;

	*zero = false;
	*carried = false;
	if (!tq_row_change(TQ_TABLE_COUNTER, key, count_counter, &args, &row))
		return;
	*carried = args.carried;
	*home = DatumGetInt16(row.values[TQ_COUNTER_COL_HOME]);
	*zero = DatumGetInt32(row.values[TQ_COUNTER_COL_OPEN]) == 0 &&
		!DatumGetBool(row.values[TQ_COUNTER_COL_DEAD]);
	if (*zero)
	{
		*carry = DatumGetInt32(row.values[TQ_COUNTER_COL_CARRY]);
		*carry_bad = DatumGetInt32(row.values[TQ_COUNTER_COL_CARRY_BAD]);
	}
}

typedef struct SkipArgs
{
	TimestampTz now;
	TqStepMark *mark;
} SkipArgs;

static bool
skip_row(TqRow *row, void *arg)
{
	SkipArgs   *args = arg;

	if (row_state(row) != TQ_STEP_PENDING)
		return false;
	read_mark(row, args->mark);
	tq_row_set(row, TQ_STEP_COL_STATE, CharGetDatum(TQ_STEP_SKIPPED));
	tq_row_set(row, TQ_STEP_COL_FINISHED_AT, TimestampTzGetDatum(args->now));
	return true;
}

bool
tq_step_skip(int64 dag_key, int32 step_no, TimestampTz now, TqStepMark *mark)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	SkipArgs	args = {now, mark};
	TqRow		row;

	return tq_row_change(TQ_TABLE_STEP, key, skip_row, &args, &row);
}

/* Rows at zero have passed on what they carried. */
void
tq_step_kill_split(int64 dag_key, int32 step_no, int32 *carry, int32 *carry_bad)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag_counter SET dead = true"
				" WHERE dag_key = $1 AND step_no = $2 AND slice = $3 AND NOT dead"
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
		if (tq_dag_run(&plan, values, NULL) == 1)
		{
			*carry += tq_row_int32(0, 0);
			*carry_bad += tq_row_int32(0, 1);
		}
	}
	tq_spi_end(&spi);
}

static bool
set_target(TqRow *row, void *arg)
{
	set_text(row, TQ_STEP_COL_TARGET, arg);
	return true;
}

void
tq_step_set_target(int64 dag_key, int32 step_no, const char *target)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	TqRow		row;

	(void) tq_row_change(TQ_TABLE_STEP, key, set_target, unconstify(char *, target), &row);
}

/* The dependents in dag_edge, in ascending order. */
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
	n = (int) tq_dag_query(&plan, values);
	*children = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(TqChild));
	for (int i = 0; i < n; i++)
	{
		(*children)[i].step_no = tq_row_int32(i, 0);
		(*children)[i].kind = tq_row_char(i, 1);
	}
	tq_spi_end(&spi);
	return n;
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
	found = tq_dag_query(&plan, values) > 0;
	tq_spi_end(&spi);
	return found;
}
