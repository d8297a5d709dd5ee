/*-------------------------------------------------------------------------
 *
 * dag_info.c
 *	  What others want to know of single steps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"

#include "store/dag.h"
#include "store/dag_rel.h"
#include "store/plans.h"

static bool
read_step(int64 dag_key, int32 step_no, TqRow *row)
{
	Datum		key[] = {Int64GetDatum(dag_key), Int32GetDatum(step_no)};

	return tq_row_read(TQ_TABLE_STEP, key, row);
}

static bool
read_step_by_id(int64 dag_key, const char *step_id, TqRow *row)
{
	Datum		key[] = {Int64GetDatum(dag_key), CStringGetTextDatum(step_id)};

	return tq_row_read(TQ_TABLE_STEP_BY_ID, key, row);
}

/* Copied, because the row may be freed. */
static Jsonb *
copy_result(const TqRow *row)
{
	if (row->nulls[TQ_STEP_COL_RESULT])
		return NULL;
	return DatumGetJsonbPCopy(row->values[TQ_STEP_COL_RESULT]);
}

static void
fill_info(const TqRow *row, TqStepInfo *info)
{
	info->step_no = DatumGetInt32(row->values[TQ_STEP_COL_STEP_NO]);
	info->step_id = tq_row_string(row, TQ_STEP_COL_STEP_ID);
	info->state = DatumGetChar(row->values[TQ_STEP_COL_STATE]);
	info->handler = tq_row_string(row, TQ_STEP_COL_HANDLER);
	info->placement = DatumGetChar(row->values[TQ_STEP_COL_PLACEMENT]);
	info->slice = DatumGetInt16(row->values[TQ_STEP_COL_SLICE]);
	info->worker = tq_row_string(row, TQ_STEP_COL_WORKER);
	info->target = tq_row_string(row, TQ_STEP_COL_TARGET);
	info->result = NULL;
}

static int
compare_numbers(const void *a, const void *b)
{
	int32		left = *(const int32 *) a;
	int32		right = *(const int32 *) b;

	return left < right ? -1 : left > right;
}

/* Steps with their results, in the order of their numbers; a number may be given twice. */
int
tq_step_infos(int64 dag_key, int n, const int32 *step_nos, TqStepInfo **infos)
{
	int32	   *sorted = palloc((n + 1) * sizeof(int32));
	int			found = 0;

	memcpy(sorted, step_nos, n * sizeof(int32));
	qsort(sorted, n, sizeof(int32), compare_numbers);
	*infos = palloc_extended((n + 1) * sizeof(TqStepInfo), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
	{
		TqRow		row;

		if ((i > 0 && sorted[i] == sorted[i - 1]) || !read_step(dag_key, sorted[i], &row))
			continue;
		fill_info(&row, &(*infos)[found]);
		(*infos)[found++].result = copy_result(&row);
		tq_row_free(&row);
	}
	return found;
}

/* Without the result; false: the DAG has no such step. */
bool
tq_step_info_by_id(int64 dag_key, const char *step_id, TqStepInfo *info)
{
	TqRow		row;

	if (!read_step_by_id(dag_key, step_id, &row))
		return false;
	fill_info(&row, info);
	tq_row_free(&row);
	return true;
}

/* The digest of a step's definition; false: there is no such step. */
bool
tq_step_definition(int64 dag_key, const char *step_id, Datum *definition)
{
	TqRow		row;

	if (!read_step_by_id(dag_key, step_id, &row))
		return false;
	*definition = tq_row_varlena(&row, TQ_STEP_COL_DEFINITION);
	return true;
}

bool
tq_step_exists(int64 dag_key, int32 step_no)
{
	TqRow		row;

	return read_step(dag_key, step_no, &row);
}

/* dag_step.child */
int32
tq_step_child(int64 dag_key, int32 step_no, char *kind)
{
	TqRow		row;

	if (!read_step(dag_key, step_no, &row))
	{
		*kind = TQ_EDGE_REQUIRED;
		return TQ_CHILD_NONE;
	}
	*kind = DatumGetChar(row.values[TQ_STEP_COL_CHILD_KIND]);
	return DatumGetInt32(row.values[TQ_STEP_COL_CHILD]);
}

bool
tq_dag_names_of(int64 dag_key, int32 step_no, char **dag_id, char **step_id)
{
	Datum		key[] = {Int64GetDatum(dag_key)};
	TqRow		dag;
	TqRow		step;

	if (!tq_row_read(TQ_TABLE_DAG, key, &dag) || !read_step(dag_key, step_no, &step))
		return false;
	*dag_id = tq_row_string(&dag, TQ_DAG_COL_ID);
	*step_id = tq_row_string(&step, TQ_STEP_COL_STEP_ID);
	tq_row_free(&dag);
	tq_row_free(&step);
	return true;
}

bool
tq_step_look(int64 dag_key, const char *step_id, TqStepLook *step)
{
	TqRow		row;

	if (!read_step_by_id(dag_key, step_id, &row))
		return false;
	step->state = DatumGetChar(row.values[TQ_STEP_COL_STATE]);
	step->xmin = HeapTupleHeaderGetRawXmin(row.tuple->t_data);
	step->finished_at = row.nulls[TQ_STEP_COL_FINISHED_AT] ? 0 :
		DatumGetTimestampTz(row.values[TQ_STEP_COL_FINISHED_AT]);
	step->step_no = DatumGetInt32(row.values[TQ_STEP_COL_STEP_NO]);
	step->result = copy_result(&row);
	step->error_kind = tq_row_string(&row, TQ_STEP_COL_ERROR_KIND);
	step->error_message = tq_row_string(&row, TQ_STEP_COL_ERROR_MESSAGE);
	tq_row_free(&row);
	return true;
}

/*
 * Complete the end of a step from the attempts that failed since it was
 * handed over: it began with the first of them, and if it ended while nobody
 * executed it, its worker is that of the last one.
 */
void
tq_step_add_past(int64 dag_key, int32 step_no, TqStepEnd *end)
{
	static TqPlan plan =
		TQ_PLAN("SELECT a.started_at, a.worker FROM task_queue.attempt AS a"
				" WHERE a.task_id = $1 AND a.started_at >= $2 ORDER BY a.started_at", INT8OID, TIMESTAMPTZOID);
	Datum		values[] = {Int64GetDatum(end->task_id), (Datum) 0};
	uint64		n;
	TqRow		row;
	TqSpi		spi;

	if (!read_step(dag_key, step_no, &row) || row.nulls[TQ_STEP_COL_QUEUED_AT])
		return;
	values[1] = row.values[TQ_STEP_COL_QUEUED_AT];
	tq_spi_begin(&spi);
	n = tq_dag_run(&plan, values, NULL);
	if (n > 0)
	{
		end->started_at = tq_row_int64(0, 0);
		if (end->worker == NULL)
			end->worker = tq_row_text(n - 1, 1, spi.caller);
	}
	tq_spi_end(&spi);
}
