/*-------------------------------------------------------------------------
 *
 * requeue.c
 *	  Changes of waiting and of ended tasks that somebody asks for.
 *
 * A requeued task keeps its id and everything it was enqueued with; it leaves
 * history and enters table task in one statement, so nobody ever sees it in
 * both or in neither, and of two that requeue it at once only one does.  Its
 * generation goes on from where it ended: a token of its former life is stale.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/guc.h"
#include "shmem/xact.h"
#include "store/lane.h"
#include "store/plans.h"
#include "store/queue.h"
#include "store/requeue.h"

static TqPlan alter_row = TQ_PLAN(
	"UPDATE task_queue.task SET args = $2, queue = $3, lane = $4, priority = $5, run_at = $6, state = $7,"
	" deadline = $8, labels = $9 WHERE task_id = $1",
	INT8OID, JSONBOID, TEXTOID, INT8OID, INT4OID, TIMESTAMPTZOID, CHAROID, TIMESTAMPTZOID, TEXTARRAYOID);

static TqPlan find_kind = TQ_PLAN(
	"SELECT h.kind FROM task_queue.handler_name AS n JOIN task_queue.handler AS h USING (handler_id) WHERE n.name = $1",
	TEXTOID);

/* What every kind of requeue does with the rows that are called gone; $1 to $5 are of struct Move. */
#define MOVE_GONE_ROWS \
	", requests AS (DELETE FROM task_queue.cancel_request AS r USING gone WHERE r.task_id = gone.task_id)" \
	" INSERT INTO task_queue.task (task_id, run_at, enqueued_at, lane, priority, attempt, gen, enqueuer, state, handler, queue," \
	"  args, deadline, timeout, retry_policy, target, reply_to, trace_ctx, labels, unique_key, on_conflict, order_key, limit_key," \
	"  fire_time)" \
	" SELECT task_id, $1, clock_timestamp(), $2, priority, 0, gen + 1, enqueuer, $3, handler, queue, coalesce($5, args)," \
	"  CASE WHEN NOT $4 THEN deadline END, timeout, retry_policy, target, reply_to, trace_ctx, labels, unique_key, on_conflict," \
	"  order_key, limit_key, fire_time" \
	" FROM gone RETURNING task_id, priority"
#define MOVE_TYPES	TIMESTAMPTZOID, INT8OID, CHAROID, BOOLOID, JSONBOID

static TqPlan find_placement = TQ_PLAN(
	"SELECT handler, queue, target FROM task_queue.history WHERE task_id = $1 LIMIT 1", INT8OID);
static TqPlan move_one = TQ_PLAN(
	"WITH gone AS (DELETE FROM task_queue.history WHERE task_id = $6 AND state IN ('f', 'c') AND dag_key IS NULL RETURNING *)"
	MOVE_GONE_ROWS,
	MOVE_TYPES, INT8OID);

/* The filter of requeue_failed(), whose parameters start at $6. */
#define DEAD_LETTERS \
	" FROM task_queue.history AS h WHERE h.state = 'f'" \
	" AND ($6 IS NULL OR h.handler IN (SELECT b.name FROM task_queue.handler_name AS a" \
	"  JOIN task_queue.handler_name AS b USING (handler_id) WHERE a.name = $6))" \
	" AND ($7 IS NULL OR h.queue = $7) AND ($8 IS NULL OR (h.error).kind = $8)" \
	" AND ($9 IS NULL OR h.finished_at >= $9) AND ($10 IS NULL OR pg_has_role($10, h.enqueuer, 'MEMBER'))"
#define DEAD_LETTERS_TYPES	TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, OIDOID
#define DEAD_LETTERS_FIRST	5

static TqPlan find_placements = TQ_PLAN(
	"SELECT DISTINCT h.handler, h.queue, h.target" DEAD_LETTERS " AND h.dag_key IS NULL",
	MOVE_TYPES, DEAD_LETTERS_TYPES);
static TqPlan move_failed = TQ_PLAN(
	"WITH gone AS (DELETE" DEAD_LETTERS " AND h.dag_key IS NULL"
	" AND h.handler = $11 AND h.queue = $12 AND h.target IS NOT DISTINCT FROM $13 RETURNING h.*)" MOVE_GONE_ROWS,
	MOVE_TYPES, DEAD_LETTERS_TYPES, TEXTOID, TEXTOID, TEXTOID);
static TqPlan find_failed_steps = TQ_PLAN(
	"SELECT DISTINCT s.dag_key, s.step_no"
	" FROM task_queue.dag_step AS s JOIN task_queue.dag AS d USING (dag_key)"
	" WHERE s.state = 'f' AND d.state <> 'c' AND (s.dag_key, s.step_no) IN (SELECT h.dag_key, h.step_no" DEAD_LETTERS ")"
	" ORDER BY s.dag_key, s.step_no",
	MOVE_TYPES, DEAD_LETTERS_TYPES);

static TqPlan purge_failed = TQ_PLAN(
	"WITH gone AS (DELETE FROM task_queue.history WHERE state = 'f' AND finished_at < $1 RETURNING task_id),"
	" attempts AS (DELETE FROM task_queue.attempt AS a USING gone WHERE a.task_id = gone.task_id)"
	" SELECT count(*) FROM gone",
	TIMESTAMPTZOID);

static TqPlan forget_owner = TQ_PLAN0("DELETE FROM task_queue.meta");
static TqPlan record_owner = TQ_PLAN(
	"INSERT INTO task_queue.meta (system_identifier, database_oid, home, adopted_by) VALUES ($1, $2, $3, $4)",
	TEXTOID, OIDOID, TEXTOID, REGROLEOID);
static TqPlan find_laneless = TQ_PLAN0(
	"SELECT DISTINCT handler, queue, target FROM task_queue.task WHERE lane = 0");
static TqPlan give_lane = TQ_PLAN(
	"UPDATE task_queue.task SET lane = $1 WHERE lane = 0 AND handler = $2 AND queue = $3 AND target IS NOT DISTINCT FROM $4",
	INT8OID, TEXTOID, TEXTOID, TEXTOID);

static void
note_waiting(char state, int64 lane, int32 priority, TimestampTz run_at, int64 task_id)
{
	if (state == TQ_TASK_READY)
		tq_xact_note_ready(lane, priority, run_at, task_id);
	else
		tq_xact_note_due(run_at);
}

/*
 * Now, or run_at if that is in the future; sets the state that goes with it.
 */
static TimestampTz
effective_run_at(bool has_run_at, TimestampTz run_at, char *state)
{
	TimestampTz now = tq_clock_now();

	*state = (has_run_at && run_at > now) ? TQ_TASK_SCHEDULED : TQ_TASK_READY;
	return *state == TQ_TASK_SCHEDULED ? run_at : now;
}

/* The lane of a task that is moved to another queue; a task without a lane stays without. */
static int64
lane_in_queue(int64 lane_id, const char *queue)
{
	const TqLane *lane = tq_lane_find(lane_id);
	char	   *handler;
	char	   *target;

	if (lane == NULL)
		return lane_id;
	handler = lane->handler ? pstrdup(lane->handler) : NULL;
	target = lane->target ? pstrdup(lane->target) : NULL;
	return tq_lane_of(lane->kind, queue, handler, target);
}

void
tq_task_alter(const TqTask *task, const TqAlteration *alteration)
{
	TimestampTz run_at = task->run_at;
	int32		priority = alteration->has_priority ? alteration->priority : task->priority;
	int64		lane = task->lane;
	char		state = task->state;
	Datum		values[9] = {Int64GetDatum(task->task_id)};
	bool		nulls[9] = {false};

	if (alteration->queue != NULL)
		lane = lane_in_queue(task->lane, alteration->queue);
	if (alteration->has_run_at)
		run_at = effective_run_at(true, alteration->run_at, &state);
	values[1] = alteration->args ? PointerGetDatum(alteration->args) : task->values[TQ_COL_ARGS - 1];
	values[2] = CStringGetTextDatum(alteration->queue ? alteration->queue : task->queue);
	values[3] = Int64GetDatum(lane);
	values[4] = Int32GetDatum(priority);
	values[5] = TimestampTzGetDatum(run_at);
	values[6] = CharGetDatum(state);
	values[7] = TimestampTzGetDatum(alteration->has_deadline ? alteration->deadline : task->deadline);
	nulls[7] = !alteration->has_deadline && !task->has_deadline;
	values[8] = alteration->has_labels ? alteration->labels : task->labels;
	nulls[8] = (values[8] == (Datum) 0);
	(void) tq_plan_execute(&alter_row, values, nulls);
	note_waiting(state, lane, priority, run_at, task->task_id);
}

/*
 * The lane for a handler, a queue and a target.  A name that is registered no
 * more is left to the in-database workers, who will say so.
 */
static int64
lane_for(const char *handler, const char *queue, const char *target)
{
	Datum		name = CStringGetTextDatum(handler);
	bool		external;

	(void) tq_queue_find(queue, false);
	external = tq_plan_run(&find_kind, &name, NULL) > 0 && tq_row_char(0, 0) == 'x';
	return tq_task_lane(external, handler, queue, target);
}

static void
fill_move(Datum *values, bool *nulls, const TqRequeue *requeue, int64 lane, char *state)
{
	TimestampTz run_at = effective_run_at(requeue->has_run_at, requeue->run_at, state);

	values[0] = TimestampTzGetDatum(run_at);
	values[1] = Int64GetDatum(lane);
	values[2] = CharGetDatum(*state);
	values[3] = BoolGetDatum(requeue->clear_deadline);
	nulls[4] = (requeue->args == NULL);
	values[4] = PointerGetDatum(requeue->args);
}

/* Tell shared memory about the rows that a move returned. */
static uint64
note_moved(const Datum *values)
{
	for (uint64 i = 0; i < SPI_processed; i++)
		note_waiting(DatumGetChar(values[2]), DatumGetInt64(values[1]), tq_row_int32(i, 1),
					 DatumGetTimestampTz(values[0]), tq_row_int64(i, 0));
	return SPI_processed;
}

bool
tq_requeue(int64 task_id, const TqRequeue *requeue)
{
	Datum		values[6];
	bool		nulls[6] = {false};
	bool		moved = false;
	char		state;
	TqSpi		spi;

	values[5] = Int64GetDatum(task_id);
	tq_spi_begin(&spi);
	if (tq_plan_run(&find_placement, &values[5], NULL) > 0)
	{
		char	   *handler = tq_row_text(0, 0, CurrentMemoryContext);
		char	   *queue = tq_row_text(0, 1, CurrentMemoryContext);
		char	   *target = tq_row_text(0, 2, CurrentMemoryContext);

		fill_move(values, nulls, requeue, lane_for(handler, queue, target), &state);
		(void) tq_plan_run(&move_one, values, nulls);
		moved = note_moved(values) > 0;
	}
	tq_spi_end(&spi);
	return moved;
}

static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = (text == NULL);
	*value = text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* The handler, queue and target in the first columns of a row, as parameters; returns their lane. */
static int64
read_placement(SPITupleTable *rows, uint64 row, Datum *values, bool *nulls)
{
	char	   *names[3];

	for (int i = 0; i < 3; i++)
	{
		names[i] = SPI_getvalue(rows->vals[row], rows->tupdesc, i + 1);
		set_text(&values[i], &nulls[i], names[i]);
	}
	return lane_for(names[0], names[1], names[2]);
}

static void
fill_filter(Datum *values, bool *nulls, const TqDeadLetterFilter *filter)
{
	values += DEAD_LETTERS_FIRST;
	nulls += DEAD_LETTERS_FIRST;
	set_text(&values[0], &nulls[0], filter->handler);
	set_text(&values[1], &nulls[1], filter->queue);
	set_text(&values[2], &nulls[2], filter->error_kind);
	values[3] = TimestampTzGetDatum(filter->failed_since);
	nulls[3] = (filter->failed_since == 0);
	values[4] = ObjectIdGetDatum(filter->caller);
	nulls[4] = !OidIsValid(filter->caller);
}

int64
tq_requeue_failed(const TqDeadLetterFilter *filter)
{
	TqRequeue	requeue = {.clear_deadline = true};
	Datum		values[13] = {0};
	bool		nulls[13] = {false};
	SPITupleTable *placements;
	uint64		nplacements;
	int64		count = 0;
	char		state;
	TqSpi		spi;

	tq_spi_begin(&spi);
	fill_move(values, nulls, &requeue, 0, &state);
	fill_filter(values, nulls, filter);
	nplacements = tq_plan_run(&find_placements, values, nulls);
	placements = SPI_tuptable;
	for (uint64 i = 0; i < nplacements; i++)
	{
		values[1] = Int64GetDatum(read_placement(placements, i, &values[10], &nulls[10]));
		(void) tq_plan_run(&move_failed, values, nulls);
		count += note_moved(values);
	}
	tq_spi_end(&spi);
	return count;
}

int
tq_failed_steps(const TqDeadLetterFilter *filter, TqFailedStep **steps)
{
	TqRequeue	requeue = {0};
	Datum		values[10] = {0};
	bool		nulls[10] = {false};
	char		state;
	int			nsteps;
	TqSpi		spi;

	tq_spi_begin(&spi);
	fill_move(values, nulls, &requeue, 0, &state);
	fill_filter(values, nulls, filter);
	nsteps = (int) tq_plan_run(&find_failed_steps, values, nulls);
	*steps = MemoryContextAlloc(spi.caller, (nsteps + 1) * sizeof(TqFailedStep));
	for (int i = 0; i < nsteps; i++)
	{
		(*steps)[i].dag_key = tq_row_int64(i, 0);
		(*steps)[i].step_no = tq_row_int32(i, 1);
	}
	tq_spi_end(&spi);
	return nsteps;
}

int64
tq_purge_failed(TimestampTz before)
{
	Datum		value = TimestampTzGetDatum(before);
	int64		count;
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&purge_failed, &value, NULL);
	count = tq_row_int64(0, 0);
	tq_spi_end(&spi);
	return count;
}

/* Rows that logical replication wrote wait in no lane until now. */
static void
give_lanes(void)
{
	uint64		nrows = tq_plan_run(&find_laneless, NULL, NULL);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < nrows; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};
		values[0] = Int64GetDatum(read_placement(rows, i, &values[1], &nulls[1]));
		(void) tq_plan_run(&give_lane, values, nulls);
	}
}

void
tq_adopt(Oid role)
{
	Datum		values[4];
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&forget_owner, NULL, NULL);
	values[0] = CStringGetTextDatum(psprintf(UINT64_FORMAT, GetSystemIdentifier()));
	values[1] = ObjectIdGetDatum(MyDatabaseId);
	values[2] = CStringGetTextDatum(tq_home ? tq_home : "");
	values[3] = ObjectIdGetDatum(role);
	(void) tq_plan_run(&record_owner, values, NULL);
	give_lanes();
	tq_spi_end(&spi);
	tq_xact_note_config();
}
