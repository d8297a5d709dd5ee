/*-------------------------------------------------------------------------
 *
 * task_insert.c
 *	  New tasks from code that has checked them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "shmem/xact.h"
#include "store/task.h"

typedef struct TaskRow
{
	Datum		values[TQ_TASK_NCOLS];
	bool		nulls[TQ_TASK_NCOLS];
} TaskRow;

static void
set(TaskRow *row, TqTaskColumn column, Datum value)
{
	row->values[column - 1] = value;
	row->nulls[column - 1] = false;
}

static void
set_text(TaskRow *row, TqTaskColumn column, const char *text)
{
	if (text != NULL)
		set(row, column, CStringGetTextDatum(text));
}

static void
set_pointer(TaskRow *row, TqTaskColumn column, Datum value)
{
	if (value != (Datum) 0)
		set(row, column, value);
}

static Jsonb *
empty_args(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
}

static void
fill_options(TaskRow *row, const TqNewTask *task)
{
	if (task->has_deadline)
		set(row, TQ_COL_DEADLINE, TimestampTzGetDatum(task->deadline));
	if (task->timeout_us >= 0)
	{
		Interval   *timeout = palloc0(sizeof(Interval));

		timeout->time = task->timeout_us;
		set(row, TQ_COL_TIMEOUT, IntervalPGetDatum(timeout));
	}
	set_pointer(row, TQ_COL_RETRY_POLICY, task->retry_policy);
	set_text(row, TQ_COL_TARGET, task->target);
	set_text(row, TQ_COL_REPLY_TO, task->reply_to);
	set_pointer(row, TQ_COL_TRACE_CTX, PointerGetDatum(task->trace_ctx));
	set_pointer(row, TQ_COL_LABELS, task->labels);
	if (task->has_dag)
	{
		set(row, TQ_COL_DAG_KEY, Int64GetDatum(task->dag_key));
		set(row, TQ_COL_STEP_NO, Int32GetDatum(task->step_no));
	}
	if (task->has_fire_time)
		set(row, TQ_COL_FIRE_TIME, TimestampTzGetDatum(task->fire_time));
}

static void
fill_row(TaskRow *row, const TqNewTask *task, TimestampTz now, TimestampTz run_at, int64 lane)
{
	char		state = run_at > now ? TQ_TASK_SCHEDULED : TQ_TASK_READY;
	Jsonb	   *args = task->args ? task->args : empty_args();

	memset(row->nulls, true, sizeof(row->nulls));
	set(row, TQ_COL_RUN_AT, TimestampTzGetDatum(run_at));
	set(row, TQ_COL_ENQUEUED_AT, TimestampTzGetDatum(now));
	set(row, TQ_COL_LANE, Int64GetDatum(lane));
	set(row, TQ_COL_PRIORITY, Int32GetDatum(task->priority));
	set(row, TQ_COL_ATTEMPT, Int32GetDatum(0));
	set(row, TQ_COL_GEN, Int32GetDatum(task->gen));
	set(row, TQ_COL_ENQUEUER, ObjectIdGetDatum(task->enqueuer));
	set(row, TQ_COL_STATE, CharGetDatum(state));
	set_text(row, TQ_COL_HANDLER, task->handler);
	set_text(row, TQ_COL_QUEUE, task->queue);
	set(row, TQ_COL_ARGS, JsonbPGetDatum(args));
	fill_options(row, task);
}

int64
tq_task_insert(const TqNewTask *task)
{
	TimestampTz now = tq_clock_now();
	TimestampTz run_at = task->delay_us > 0 ? tq_clock_add(now, task->delay_us) : now;
	int64		lane = tq_task_lane(task->external, task->handler, task->queue, task->target);
	TaskRow		row;
	TqTaskWriter *writer;
	int64		task_id;

	fill_row(&row, task, now, run_at, lane);
	writer = tq_task_write_begin();
	if (task->task_id != 0)
		task_id = tq_task_write_as(writer, task->task_id, row.values, row.nulls);
	else
		task_id = tq_task_write(writer, row.values, row.nulls);
	tq_task_write_end(writer);
	if (run_at > now)
		tq_xact_note_due(run_at);
	else
		tq_xact_note_ready(lane, task->priority, run_at, task_id);
	return task_id;
}
