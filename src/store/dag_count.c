/*-------------------------------------------------------------------------
 *
 * dag_count.c
 *	  Counting steps anew, under the exclusive lock of their DAG.
 *
 * A step added by a running handler is written at once, in state TQ_STEP_NEW,
 * and counted when the handler has ended: see dag/add.c.  And when a step was
 * put back, all countdowns of its DAG are made anew: see dag/retry.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

/* A step that others depend on, as it is now. */
typedef struct Parent
{
	int32		step_no;		/* the key */
	char		state;
	char		stop_after;
} Parent;

static HTAB *
make_parents(void)
{
	HASHCTL		control = {
		.keysize = sizeof(int32), .entrysize = sizeof(Parent), .hcxt = CurrentMemoryContext
	};

	return hash_create("task_queue parents of steps", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static const Parent *
find_parent(HTAB *parents, int64 dag_key, int32 step_no)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};
	bool		known;
	Parent	   *parent = hash_search(parents, &step_no, HASH_ENTER, &known);
	TqRow		row;

	if (known)
		return parent;
	if (!tq_row_read(TQ_TABLE_STEP, key, &row))
		elog(ERROR, "step %d of DAG " INT64_FORMAT " not found", step_no, dag_key);
	parent->state = DatumGetChar(row.values[TQ_STEP_COL_STATE]);
	parent->stop_after = DatumGetChar(row.values[TQ_STEP_COL_STOP_AFTER]);
	tq_row_free(&row);
	return parent;
}

/* Not ended, or its after-breakpoint holds. */
static bool
is_unmet(const Parent *parent)
{
	return !tq_step_state_is_final(parent->state) ||
		(parent->state == TQ_STEP_DONE && parent->stop_after == TQ_STOP_ARMED);
}

/* What a step waits for, and whether it is doomed, by what it depends on. */
static void
count_parents(HTAB *parents, int64 dag_key, Datum needs, Datum others, TqUncountedStep *step)
{
	int32	   *step_nos;
	int			nneeds = tq_int4_list(needs, &step_nos);
	int32	   *other_nos;
	int			nothers = tq_int4_list(others, &other_nos);
	int32	   *unmet = palloc((nneeds + nothers + 1) * sizeof(int32));
	int			n = 0;

	step->doomed = false;
	for (int i = 0; i < nneeds + nothers; i++)
	{
		const Parent *parent = find_parent(parents, dag_key, i < nneeds ? step_nos[i] : other_nos[i - nneeds]);

		if (is_unmet(parent))
			unmet[n++] = parent->step_no;
		else if (i < nneeds && parent->state != TQ_STEP_DONE)
			step->doomed = true;
	}
	step->unmet = n > 0 ? tq_int4_array(n, unmet) : (Datum) 0;
	pfree(unmet);
}

/*
 * The steps of a state from a number on, with what their counters have to
 * be.
 */
int
tq_step_list_uncounted(int64 dag_key, char state, int32 first, TqUncountedStep **steps)
{
	static TqPlan plan =
		TQ_PLAN("SELECT s.step_no, s.split, s.slice, s.needs, s.defaults || s.optionals,"
				" (SELECT pg_catalog.count(*)::int4 FROM pg_catalog.unnest(s.wait_for) AS w"
				"  WHERE NOT EXISTS (SELECT FROM task_queue.dag_signal AS g"
				"   WHERE g.dag_key = $1 AND g.name = w AND g.step_no = 0))"
				" FROM task_queue.dag_step AS s"
				" WHERE s.dag_key = $1 AND s.step_no >= $2 AND s.state = $3 ORDER BY s.step_no",
				INT8OID, INT4OID, CHAROID);
	Datum		values[] = {Int64GetDatum(dag_key), Int32GetDatum(first), CharGetDatum(state)};
	Datum	   *needs;
	Datum	   *others;
	HTAB	   *parents;
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_dag_run(&plan, values, NULL);
	*steps = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(TqUncountedStep));
	needs = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(Datum));
	others = MemoryContextAlloc(spi.caller, (n + 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		TqUncountedStep *step = &(*steps)[i];
		bool		isnull;

		step->step_no = tq_row_int32(i, 0);
		step->split = tq_row_bool(i, 1);
		step->slice = DatumGetInt16(tq_row_datum(i, 2, &isnull));
		needs[i] = tq_row_copy(i, 3, spi.caller, &isnull);
		others[i] = tq_row_copy(i, 4, spi.caller, &isnull);
		step->unmet_signals = tq_row_int32(i, 5);
	}
	tq_spi_end(&spi);

	parents = make_parents();
	for (int i = 0; i < n; i++)
		count_parents(parents, dag_key, needs[i], others[i], &(*steps)[i]);
	hash_destroy(parents);
	return n;
}

typedef struct CountArgs
{
	const TqUncountedStep *step;
	int32		unmet;
} CountArgs;

static bool
set_count(TqRow *row, void *arg)
{
	const CountArgs *args = arg;

	tq_row_set(row, TQ_STEP_COL_STATE, CharGetDatum(TQ_STEP_PENDING));
	tq_row_set(row, TQ_STEP_COL_UNMET, Int32GetDatum(args->unmet));
	tq_row_set(row, TQ_STEP_COL_UNMET_SIGNALS, Int32GetDatum(args->step->unmet_signals));
	tq_row_set(row, TQ_STEP_COL_SLICE, Int16GetDatum(args->step->slice));
	return true;
}

/* The step is pending from now on, and this is what it waits for. */
void
tq_step_set_count(int64 dag_key, const TqUncountedStep *step, int32 unmet)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step->step_no)};
	CountArgs	args = {step, unmet};
	TqRow		row;

	if (tq_row_change(TQ_TABLE_STEP, key, set_count, &args, &row))
		tq_row_free(&row);
}

/*
 * Make the DAG's counters anew from its steps; nothing is carried then, and
 * nothing will be by split countdowns of steps that do not wait any more.
 */
void
tq_dag_recount(TqDag *dag)
{
#define OPEN_AND_BAD \
	"pg_catalog.count(*) FILTER (WHERE s.state IN ('p', 'x'))::int4 AS open," \
	" pg_catalog.count(*) FILTER (WHERE s.state IN ('f', 'k') AND NOT s.optional)::int4 AS bad"
	static TqPlan plans[] = {
		TQ_PLAN("UPDATE task_queue.dag_step SET carry = 0, carry_bad = 0"
				" WHERE dag_key = $1 AND (carry > 0 OR carry_bad > 0)", INT8OID),
		TQ_PLAN("UPDATE task_queue.dag_counter AS c SET dead = true FROM task_queue.dag_step AS s"
				" WHERE s.dag_key = $1 AND s.split AND s.state <> 'p' AND c.dag_key = $1 AND c.step_no = s.step_no",
				INT8OID),
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
