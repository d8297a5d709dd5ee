/*-------------------------------------------------------------------------
 *
 * dag_back.c
 *	  Putting a failed step back, under the exclusive lock of its DAG.
 *
 * The step, and the steps that were skipped because of it, transitively, are
 * pending again, as if they had never run; what they wait for is counted anew
 * afterwards (dag_count.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

/* A step that may have to go back: because of its dependency cause, or 0: it is the one that failed. */
typedef struct Suspect
{
	int32		step_no;
	int32		cause;
} Suspect;

typedef struct Suspects
{
	int			n;
	int			room;
	Suspect    *list;
} Suspects;

static void
suspect(Suspects *suspects, int32 step_no, int32 cause)
{
	if (suspects->n == suspects->room)
	{
		suspects->room *= 2;
		suspects->list = repalloc_huge(suspects->list, suspects->room * sizeof(Suspect));
	}
	suspects->list[suspects->n++] = (Suspect) {step_no, cause};
}

static void
suspect_children(Suspects *suspects, int64 dag_key, int32 step_no, int32 only_child)
{
	TqChild    *children;
	int			n = tq_step_children(dag_key, step_no, &children);

	if (only_child > 0)
		suspect(suspects, only_child, step_no);
	for (int i = 0; i < n; i++)
		suspect(suspects, children[i].step_no, step_no);
	pfree(children);
}

static bool
was_skipped_by(const TqRow *row, int32 cause)
{
	int32	   *needs;
	int			n;

	if (DatumGetChar(row->values[TQ_STEP_COL_STATE]) != TQ_STEP_SKIPPED)
		return false;
	n = tq_int4_list(tq_row_varlena(row, TQ_STEP_COL_NEEDS), &needs);
	for (int i = 0; i < n; i++)
	{
		if (needs[i] == cause)
			return true;
	}
	return false;
}

static bool
put_back(TqRow *row, void *arg)
{
	static const TqStepColumn empty[] = {
		TQ_STEP_COL_WORKER, TQ_STEP_COL_QUEUED_AT, TQ_STEP_COL_STARTED_AT, TQ_STEP_COL_FINISHED_AT,
		TQ_STEP_COL_REACHED_AT, TQ_STEP_COL_RESULT, TQ_STEP_COL_ERROR_KIND, TQ_STEP_COL_ERROR_MESSAGE
	};
	const Suspect *suspect = arg;

	if (suspect->cause != 0 && !was_skipped_by(row, suspect->cause))
		return false;
	tq_row_set(row, TQ_STEP_COL_STATE, CharGetDatum(TQ_STEP_PENDING));
	tq_row_set(row, TQ_STEP_COL_ATTEMPT, Int32GetDatum(0));
	for (int i = 0; i < lengthof(empty); i++)
		tq_row_set_nullable(row, empty[i], (Datum) 0, true);
	return true;
}

/* The task leaves history: it will live again under its id, with the next generation. */
static void
forget_end(Datum task_id)
{
	static TqPlan plan =
		TQ_PLAN("DELETE FROM task_queue.history WHERE task_id = $1", INT8OID);

	(void) tq_dag_execute(&plan, &task_id, NULL);
}

void
tq_step_put_back(int64 dag_key, int32 step_no)
{
	Suspects	suspects = {.room = 64, .list = palloc(64 * sizeof(Suspect))};

	suspect(&suspects, step_no, 0);
	for (int i = 0; i < suspects.n; i++)
	{
		Suspect		next = suspects.list[i];
		Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(next.step_no)};
		TqRow		row;

		if (!tq_row_change(TQ_TABLE_STEP, key, put_back, &next, &row))
			continue;
		if (next.cause == 0)
			forget_end(row.values[TQ_STEP_COL_TASK_ID]);
		suspect_children(&suspects, dag_key, next.step_no, DatumGetInt32(row.values[TQ_STEP_COL_CHILD]));
		tq_row_free(&row);
	}
}
