/*-------------------------------------------------------------------------
 *
 * dag_row.c
 *	  Rows of DAGs and the counters of their open steps.
 *
 * The counter is in the DAG's row, or in TQ_DAG_SLICES rows of dag_counter if
 * the DAG is sliced: then the row of the DAG counts those that are above zero,
 * and whoever brings one to zero counts that down.  These rows are the last
 * that a step's end changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

bool
tq_dag_find(const char *dag_id, int64 *dag_key, Oid *submitter)
{
	static TqPlan plan =
		TQ_PLAN("SELECT d.dag_key, d.submitter FROM task_queue.dag AS d WHERE d.dag_id = $1",
				TEXTOID);
	Datum		values[] = {CStringGetTextDatum(dag_id)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_dag_run(&plan, values, NULL) == 1;
	if (found)
	{
		*dag_key = tq_row_int64(0, 0);
		*submitter = tq_row_oid(0, 1);
	}
	tq_spi_end(&spi);
	return found;
}

void
tq_dag_read_common(const TqRow *row, TqDag *dag)
{
	dag->state = DatumGetChar(row->values[TQ_DAG_COL_STATE]);
	dag->dynamic = DatumGetBool(row->values[TQ_DAG_COL_DYNAMIC]);
	dag->sliced = DatumGetBool(row->values[TQ_DAG_COL_SLICED]);
	dag->submitter = DatumGetObjectId(row->values[TQ_DAG_COL_SUBMITTER]);
	dag->labels = tq_row_varlena(row, TQ_DAG_COL_LABELS);
	dag->retry_policy = tq_row_varlena(row, TQ_DAG_COL_RETRY_POLICY);
	dag->trace_ctx = (Jsonb *) DatumGetPointer(tq_row_varlena(row, TQ_DAG_COL_TRACE_CTX));
}

TqDag *
tq_dag_load(int64 dag_key)
{
	Datum		key[] = {Int64GetDatum(dag_key)};
	TqDag	   *dag = palloc0(sizeof(TqDag));
	TqRow		row;

	if (!tq_row_read(TQ_TABLE_DAG, key, &row))
		return NULL;
	dag->dag_key = dag_key;
	dag->dag_id = tq_row_string(&row, TQ_DAG_COL_ID);
	tq_dag_read_common(&row, dag);
	dag->active_breakpoints = tq_row_varlena(&row, TQ_DAG_COL_ACTIVE_BREAKPOINTS);
	dag->reply_to = tq_row_string(&row, TQ_DAG_COL_REPLY_TO);
	dag->keep_us = row.nulls[TQ_DAG_COL_KEEP_US] ? -1 : DatumGetInt64(row.values[TQ_DAG_COL_KEEP_US]);
	return dag;
}

/* Sets dag_key; false if the id is taken. */
bool
tq_dag_insert(TqDag *dag, TimestampTz created_at, int32 open)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag (open, bad, sliced, state, submitter, created_at, keep_us, dag_id,"
				" labels, active_breakpoints, retry_policy, trace_ctx, reply_to)"
				" VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
				" ON CONFLICT (dag_id) DO NOTHING RETURNING dag_key",
				INT4OID, BOOLOID, CHAROID, OIDOID, TIMESTAMPTZOID, INT8OID, TEXTOID,
				TEXTARRAYOID, TEXTARRAYOID, TQ_RETRY_POLICY_TYPE, JSONBOID, TEXTOID);
	Datum		values[] = {
		Int32GetDatum(open), BoolGetDatum(dag->sliced), CharGetDatum(dag->state),
		ObjectIdGetDatum(dag->submitter), TimestampTzGetDatum(created_at),
		Int64GetDatum(dag->keep_us), CStringGetTextDatum(dag->dag_id),
		dag->labels, dag->active_breakpoints, dag->retry_policy,
		PointerGetDatum(dag->trace_ctx),
		dag->reply_to ? CStringGetTextDatum(dag->reply_to) : (Datum) 0
	};
	bool		nulls[lengthof(values)] = {0};
	TqSpi		spi;
	bool		inserted;

	nulls[5] = dag->keep_us < 0;
	for (int i = 7; i < lengthof(values); i++)
		nulls[i] = values[i] == (Datum) 0;

	tq_spi_begin(&spi);
	inserted = tq_dag_run(&plan, values, nulls) == 1;
	if (inserted)
		dag->dag_key = tq_row_int64(0, 0);
	tq_spi_end(&spi);
	return inserted;
}

/* The state with the times that it has. */
static void
change_state(TqRow *row, char state, TimestampTz now)
{
	bool		is_final = tq_dag_state_is_final(state);
	bool		expires = is_final && !row->nulls[TQ_DAG_COL_KEEP_US];
	TimestampTz expires_at = expires ? tq_clock_add(now, DatumGetInt64(row->values[TQ_DAG_COL_KEEP_US])) : 0;

	tq_row_set(row, TQ_DAG_COL_STATE, CharGetDatum(state));
	tq_row_set_nullable(row, TQ_DAG_COL_PAUSED_AT, TimestampTzGetDatum(now), state != TQ_DAG_PAUSED);
	tq_row_set_nullable(row, TQ_DAG_COL_FINISHED_AT, TimestampTzGetDatum(now), !is_final);
	tq_row_set_nullable(row, TQ_DAG_COL_EXPIRES_AT, TimestampTzGetDatum(expires_at), !expires);
}

typedef struct NewState
{
	char		state;
	TimestampTz now;
	const char *reason;
} NewState;

static bool
set_state(TqRow *row, void *arg)
{
	const NewState *fresh = arg;

	change_state(row, fresh->state, fresh->now);
	tq_row_set_nullable(row, TQ_DAG_COL_CANCEL_REASON,
						fresh->reason ? CStringGetTextDatum(fresh->reason) : (Datum) 0, fresh->reason == NULL);
	return true;
}

void
tq_dag_set_state(TqDag *dag, char state, TimestampTz now, const char *reason)
{
	Datum		key[] = {Int64GetDatum(dag->dag_key)};
	NewState	fresh = {state, now, reason};
	TqRow		row;

	if (!tq_row_change(TQ_TABLE_DAG, key, set_state, &fresh, &row))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("DAG \"%s\" was deleted", dag->dag_id)));
	dag->state = state;
}

void
tq_dag_mark_dynamic(TqDag *dag)
{
	static TqPlan plan =
		TQ_PLAN("UPDATE task_queue.dag SET dynamic = true WHERE dag_key = $1", INT8OID);
	Datum		values[] = {Int64GetDatum(dag->dag_key)};

	if (dag->dynamic)
		return;
	(void) tq_dag_execute(&plan, values, NULL);
	dag->dynamic = true;
}

/* What is taken off a counter. */
typedef struct Ended
{
	int32		open;
	int32		bad;
	TimestampTz now;
} Ended;

static bool
subtract_from_slice(TqRow *row, void *arg)
{
	const Ended *ended = arg;

	tq_row_set(row, TQ_COUNTER_COL_OPEN,
			   Int32GetDatum(DatumGetInt32(row->values[TQ_COUNTER_COL_OPEN]) - ended->open));
	tq_row_set(row, TQ_COUNTER_COL_BAD,
			   Int32GetDatum(DatumGetInt32(row->values[TQ_COUNTER_COL_BAD]) + ended->bad));
	return true;
}

static bool
subtract_from_dag(TqRow *row, void *arg)
{
	const Ended *ended = arg;
	int32		open = DatumGetInt32(row->values[TQ_DAG_COL_OPEN]) - ended->open;
	int32		bad = DatumGetInt32(row->values[TQ_DAG_COL_BAD]) + ended->bad;

	tq_row_set(row, TQ_DAG_COL_OPEN, Int32GetDatum(open));
	tq_row_set(row, TQ_DAG_COL_BAD, Int32GetDatum(bad));
	if (open > 0)
		return true;
	change_state(row, bad > 0 ? TQ_DAG_FAILED : TQ_DAG_DONE, ended->now);
	return true;
}

/*
 * Count ended steps down; true if none is open any more: then the DAG's row
 * has got its final state, and dag->state too.
 */
bool
tq_dag_subtract(TqDag *dag, int16 slice, int32 open, int32 bad, TimestampTz now)
{
	Datum		key[] = {Int64GetDatum(dag->dag_key), Int32GetDatum(0), Int16GetDatum(slice)};
	Ended		ended = {open, bad, now};
	TqRow		row;

	if (dag->sliced)
	{
		if (!tq_row_change(TQ_TABLE_COUNTER, key, subtract_from_slice, &ended, &row) ||
			DatumGetInt32(row.values[TQ_COUNTER_COL_OPEN]) != 0)
			return false;
		ended.open = 1;
		ended.bad = DatumGetInt32(row.values[TQ_COUNTER_COL_BAD]);
	}
	if (!tq_row_change(TQ_TABLE_DAG, key, subtract_from_dag, &ended, &row) ||
		DatumGetInt32(row.values[TQ_DAG_COL_OPEN]) > 0)
		return false;
	dag->state = DatumGetChar(row.values[TQ_DAG_COL_STATE]);
	dag->dag_id = tq_row_string(&row, TQ_DAG_COL_ID);
	dag->reply_to = tq_row_string(&row, TQ_DAG_COL_REPLY_TO);
	return true;
}

void
tq_dag_insert_slices(int64 dag_key, const int32 *open_by_slice)
{
	static TqPlan plan =
		TQ_PLAN("INSERT INTO task_queue.dag_counter (dag_key, step_no, slice, open, bad, carry, carry_bad, home, dead)"
				" SELECT $1, 0, u.i - 1, u.open, 0, 0, 0, 0, false"
				" FROM pg_catalog.unnest($2) WITH ORDINALITY AS u (open, i)", INT8OID, INT4ARRAYOID);
	Datum		values[2];
	TqSpi		spi;

	tq_spi_begin(&spi);
	values[0] = Int64GetDatum(dag_key);
	values[1] = tq_int4_array(TQ_DAG_SLICES, open_by_slice);
	(void) tq_dag_run(&plan, values, NULL);
	tq_spi_end(&spi);
}

/* An unsliced DAG grows: what it counts becomes the first slice. */
void
tq_dag_convert_to_slices(TqDag *dag)
{
	static TqPlan plan =
		TQ_PLAN("WITH counted AS ("
				"  INSERT INTO task_queue.dag_counter (dag_key, step_no, slice, open, bad, carry, carry_bad, home, dead)"
				"  SELECT d.dag_key, 0, i, CASE WHEN i = 0 THEN d.open ELSE 0 END,"
				"   CASE WHEN i = 0 THEN d.bad ELSE 0 END, 0, 0, 0, false"
				"  FROM task_queue.dag AS d, pg_catalog.generate_series(0, $2 - 1) AS i WHERE d.dag_key = $1)"
				" UPDATE task_queue.dag SET sliced = true, open = 1, bad = 0 WHERE dag_key = $1",
				INT8OID, INT4OID);
	Datum		values[] = {Int64GetDatum(dag->dag_key), Int32GetDatum(TQ_DAG_SLICES)};

	(void) tq_dag_execute(&plan, values, NULL);
	dag->sliced = true;
}

/* Count steps up that were added. */
void
tq_dag_add_open(TqDag *dag, const int32 *open_by_slice)
{
	static TqPlan plain =
		TQ_PLAN("UPDATE task_queue.dag SET open = open + $2 WHERE dag_key = $1", INT8OID, INT4OID);
	static TqPlan slices =
		TQ_PLAN("UPDATE task_queue.dag_counter AS c SET open = c.open + u.open"
				" FROM pg_catalog.unnest($2) WITH ORDINALITY AS u (open, i)"
				" WHERE c.dag_key = $1 AND c.step_no = 0 AND c.slice = u.i - 1 AND u.open > 0"
				" RETURNING c.open = u.open", INT8OID, INT4ARRAYOID);
	Datum		values[2] = {Int64GetDatum(dag->dag_key)};
	int32		risen = 0;
	TqSpi		spi;

	tq_spi_begin(&spi);
	if (dag->sliced)
	{
		values[1] = tq_int4_array(TQ_DAG_SLICES, open_by_slice);
		(void) tq_dag_run(&slices, values, NULL);
		for (uint64 i = 0; i < SPI_processed; i++)
			risen += tq_row_bool(i, 0);
	}
	else
	{
		for (int i = 0; i < TQ_DAG_SLICES; i++)
			risen += open_by_slice[i];
	}
	if (risen > 0)
	{
		values[1] = Int32GetDatum(risen);
		(void) tq_dag_run(&plain, values, NULL);
	}
	tq_spi_end(&spi);
}

/*
 * Everything but live tasks.  The DAG's row goes first: of a DAG that is
 * removed because it has ended (only_ended) and is being retried only one
 * succeeds.  False: there is none (any more).
 */
bool
tq_dag_delete_rows(int64 dag_key, bool only_ended)
{
	static TqPlan dag =
		TQ_PLAN("DELETE FROM task_queue.dag WHERE dag_key = $1 AND (NOT $2 OR state IN ('d', 'f', 'c'))",
				INT8OID, BOOLOID);
	static TqPlan plans[] = {
		TQ_PLAN("DELETE FROM task_queue.attempt AS a USING task_queue.dag_step AS s"
				" WHERE s.dag_key = $1 AND a.task_id = s.task_id", INT8OID),
		TQ_PLAN("DELETE FROM task_queue.history WHERE dag_key = $1", INT8OID),
		TQ_PLAN("DELETE FROM task_queue.dag_signal WHERE dag_key = $1", INT8OID),
		TQ_PLAN("DELETE FROM task_queue.dag_edge WHERE dag_key = $1", INT8OID),
		TQ_PLAN("DELETE FROM task_queue.dag_counter WHERE dag_key = $1", INT8OID),
		TQ_PLAN("DELETE FROM task_queue.dag_step WHERE dag_key = $1", INT8OID)
	};
	Datum		values[] = {Int64GetDatum(dag_key), BoolGetDatum(only_ended)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_dag_run(&dag, values, NULL) == 1;
	for (int i = 0; found && i < lengthof(plans); i++)
		(void) tq_dag_run(&plans[i], values, NULL);
	tq_spi_end(&spi);
	return found;
}

/*
 * Ended DAGs that can go: with ended_before = 0 those whose keeping time is
 * over and that nobody has locked, else those that ended before then and have
 * all these labels (0: any).
 */
int
tq_dag_list_removable(TimestampTz now, TimestampTz ended_before, Datum labels, int max,
					  int64 **dag_keys)
{
	static TqPlan expired =
		TQ_PLAN("SELECT d.dag_key FROM task_queue.dag AS d WHERE d.expires_at <= $1"
				" ORDER BY d.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED", TIMESTAMPTZOID, INT4OID);
	static TqPlan ended =
		TQ_PLAN("SELECT d.dag_key FROM task_queue.dag AS d"
				" WHERE d.state IN ('d', 'f', 'c') AND d.finished_at < $1 AND ($3 IS NULL OR d.labels @> $3)"
				" LIMIT $2", TIMESTAMPTZOID, INT4OID, TEXTARRAYOID);
	Datum		values[] = {
		TimestampTzGetDatum(ended_before ? ended_before : now), Int32GetDatum(max), labels
	};
	bool		nulls[] = {false, false, labels == (Datum) 0};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_dag_run(ended_before ? &ended : &expired, values, nulls);
	*dag_keys = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		(*dag_keys)[i] = tq_row_int64(i, 0);
	tq_spi_end(&spi);
	return n;
}
