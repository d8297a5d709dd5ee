/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Ended tasks and failed attempts.
 *
 * A row is placed by the time after which it may go, so that retention drops
 * whole partitions.  Long keeping times are rounded up, or every day of the
 * future would need a partition of its own: above 40 days to the next first
 * of a month, above 1000 days to the next first of January (UTC).
 *
 * Callers hold the lock of the task's row, or have deleted it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "shmem/claims.h"
#include "shmem/xact.h"
#include "store/cancel.h"
#include "store/history.h"
#include "store/leaf.h"
#include "store/plans.h"
#include "store/queue.h"

#define DAYS(n)			((n) * USECS_PER_DAY)
#define DAYS_AHEAD		3

/* The columns of table history, in order. */
typedef enum HistoryColumn
{
	H_TASK_ID,
	H_EXPIRES_AT,
	H_FINISHED_AT,
	H_STARTED_AT,
	H_ENQUEUED_AT,
	H_RUN_AT,
	H_PRIORITY,
	H_ATTEMPT,
	H_GEN,
	H_ENQUEUER,
	H_STATE,
	H_HANDLER,
	H_QUEUE,
	H_ARGS,
	H_RESULT,
	H_ERROR,
	H_CANCEL_REASON,
	H_WORKER,
	H_DEADLINE,
	H_TIMEOUT,
	H_RETRY_POLICY,
	H_TARGET,
	H_REPLY_TO,
	H_TRACE_CTX,
	H_LABELS,
	H_UNIQUE_KEY,
	H_ON_CONFLICT,
	H_ORDER_KEY,
	H_LIMIT_KEY,
	H_DAG_KEY,
	H_STEP_NO,
	H_FIRE_TIME,
	H_NCOLS
} HistoryColumn;

/* The columns of table attempt, in order. */
typedef enum AttemptColumn
{
	A_TASK_ID,
	A_EXPIRES_AT,
	A_ATTEMPT,
	A_STARTED_AT,
	A_FINISHED_AT,
	A_ENQUEUER,
	A_HANDLER,
	A_QUEUE,
	A_WORKER,
	A_ERROR,
	A_NCOLS
} AttemptColumn;

/* What is copied from the task's row as it is. */
static const struct
{
	HistoryColumn to;
	TqTaskColumn from;
}			copied_columns[] =
{
	{H_TIMEOUT, TQ_COL_TIMEOUT},
	{H_RETRY_POLICY, TQ_COL_RETRY_POLICY},
	{H_LABELS, TQ_COL_LABELS},
	{H_UNIQUE_KEY, TQ_COL_UNIQUE_KEY},
	{H_ON_CONFLICT, TQ_COL_ON_CONFLICT},
	{H_ORDER_KEY, TQ_COL_ORDER_KEY},
	{H_LIMIT_KEY, TQ_COL_LIMIT_KEY},
	{H_HANDLER, TQ_COL_HANDLER},
	{H_QUEUE, TQ_COL_QUEUE},
	{H_ARGS, TQ_COL_ARGS},
	{H_DEADLINE, TQ_COL_DEADLINE},
	{H_TARGET, TQ_COL_TARGET},
	{H_REPLY_TO, TQ_COL_REPLY_TO},
	{H_TRACE_CTX, TQ_COL_TRACE_CTX},
	{H_DAG_KEY, TQ_COL_DAG_KEY},
	{H_STEP_NO, TQ_COL_STEP_NO},
	{H_FIRE_TIME, TQ_COL_FIRE_TIME}
};

static TqPlan insert_history = TQ_PLAN(
	"INSERT INTO task_queue.history VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
	" $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)",
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	INT4OID, INT4OID, INT4OID, REGROLEOID, CHAROID, TEXTOID, TEXTOID, JSONBOID, JSONBOID,
	TQ_TASK_ERROR_TYPE, TEXTOID, TEXTOID, TIMESTAMPTZOID, INTERVALOID, TQ_RETRY_POLICY_TYPE,
	TEXTOID, TEXTOID, JSONBOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID,
	INT4OID, TIMESTAMPTZOID);

static TqPlan insert_attempt = TQ_PLAN(
	"INSERT INTO task_queue.attempt VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
	INT8OID, TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, REGROLEOID, TEXTOID,
	TEXTOID, TEXTOID, TQ_TASK_ERROR_TYPE);

static int64
day_of(TimestampTz t)
{
	int64		day = t / USECS_PER_DAY;

	return t % USECS_PER_DAY < 0 ? day - 1 : day;
}

/* When a row may go. */
static TimestampTz
expiry_of(TimestampTz finished_at, int64 keep_us)
{
	TimestampTz at = tq_clock_add(finished_at, keep_us);
	int			year;
	int			month;
	int			day;

	if (keep_us <= DAYS(40) || !IS_VALID_TIMESTAMP(tq_clock_add(at, DAYS(366))))
		return at;
	j2date((int) day_of(at) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	if (keep_us > DAYS(1000))
		month = 12;
	if (month == 12)
	{
		year++;
		month = 0;
	}
	return (date2j(year, month + 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

static void
insert_row(const char *table, TqPlan *plan, TimestampTz expires_at, Datum *values, bool *nulls)
{

	if (tq_leaf_insert(table, expires_at, plan->nargs, values, nulls))
		return;
	(void) tq_plan_execute(plan, values, nulls);
}

static void
set_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = (text == NULL);
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
set_time(Datum *values, bool *nulls, int column, TimestampTz time)
{
	nulls[column] = (time == 0);
	values[column] = TimestampTzGetDatum(time);
}

static void
fill_history(const TqTask *task, const TqEnd *end, Datum *values, bool *nulls)
{
	memset(nulls, 0, H_NCOLS * sizeof(bool));
	values[H_TASK_ID] = Int64GetDatum(task->task_id);
	values[H_FINISHED_AT] = TimestampTzGetDatum(end->finished_at);
	set_time(values, nulls, H_STARTED_AT, end->started_at);
	values[H_ENQUEUED_AT] = TimestampTzGetDatum(task->enqueued_at);
	values[H_RUN_AT] = TimestampTzGetDatum(task->run_at);
	values[H_PRIORITY] = Int32GetDatum(task->priority);
	values[H_ATTEMPT] = Int32GetDatum(end->attempt);
	values[H_GEN] = Int32GetDatum(task->gen);
	values[H_ENQUEUER] = ObjectIdGetDatum(task->enqueuer);
	values[H_STATE] = CharGetDatum(end->state);
	nulls[H_RESULT] = (end->result == NULL);
	values[H_RESULT] = PointerGetDatum(end->result);
	nulls[H_ERROR] = (end->error == NULL);
	values[H_ERROR] = end->error == NULL ? (Datum) 0 : tq_error_to_datum(end->error);
	set_text(values, nulls, H_CANCEL_REASON, end->cancel_reason);
	set_text(values, nulls, H_WORKER, end->worker);
	for (int i = 0; i < lengthof(copied_columns); i++)
	{
		values[copied_columns[i].to] = task->values[copied_columns[i].from - 1];
		nulls[copied_columns[i].to] = task->nulls[copied_columns[i].from - 1];
	}
}

/*
 * delete_task(force) of a running task asks for its outcome to be dropped.
 * That is looked up only if something hints at it: a task that was not
 * interrupted by anybody pays nothing.
 */
static bool
outcome_is_unwanted(const TqTask *task, const TqEnd *end)
{
	TqClaim		claim;

	if (end->state == TQ_TASK_DONE && task->state != TQ_TASK_RUNNING &&
		!(tq_claim_find(task->task_id, &claim) && claim.cancel_requested) &&
		!tq_xact_has_canceled(task->task_id))
		return false;
	return tq_cancel_discards(task->task_id);
}

void
tq_history_insert(const TqTask *task, const TqEnd *end, int64 keep_us)
{
	Datum		values[H_NCOLS];
	bool		nulls[H_NCOLS];
	TimestampTz expires_at = expiry_of(end->finished_at, keep_us);

	if (keep_us <= 0)
		return;
	if (outcome_is_unwanted(task, end))
	{
		tq_history_forget(task->task_id);
		return;
	}
	fill_history(task, end, values, nulls);
	values[H_EXPIRES_AT] = TimestampTzGetDatum(expires_at);
	insert_row("history", &insert_history, expires_at, values, nulls);
}

void
tq_attempt_insert(const TqTask *task, int32 attempt, const TqError *error,
				  const char *worker, TimestampTz started_at,
				  TimestampTz finished_at, int64 keep_us)
{
	Datum		values[A_NCOLS];
	bool		nulls[A_NCOLS] = {false};
	TimestampTz expires_at = expiry_of(finished_at, keep_us);

	if (keep_us <= 0)
		return;
	values[A_TASK_ID] = Int64GetDatum(task->task_id);
	values[A_EXPIRES_AT] = TimestampTzGetDatum(expires_at);
	values[A_ATTEMPT] = Int32GetDatum(attempt);
	set_time(values, nulls, A_STARTED_AT, started_at);
	values[A_FINISHED_AT] = TimestampTzGetDatum(finished_at);
	values[A_ENQUEUER] = ObjectIdGetDatum(task->enqueuer);
	values[A_HANDLER] = task->values[TQ_COL_HANDLER - 1];
	values[A_QUEUE] = task->values[TQ_COL_QUEUE - 1];
	set_text(values, nulls, A_WORKER, worker);
	values[A_ERROR] = tq_error_to_datum(error);
	insert_row("attempt", &insert_attempt, expires_at, values, nulls);
}

static TqPlan delete_history = TQ_PLAN(
	"DELETE FROM task_queue.history WHERE task_id = $1", INT8OID);
static TqPlan delete_attempts = TQ_PLAN(
	"DELETE FROM task_queue.attempt WHERE task_id = $1", INT8OID);

/* Remove everything that is kept of an ended task; false if there is nothing. */
bool
tq_history_forget(int64 task_id)
{
	Datum		id = Int64GetDatum(task_id);
	uint64		rows;
	TqSpi		spi;

	tq_spi_begin(&spi);
	rows = tq_plan_run(&delete_history, &id, NULL);
	(void) tq_plan_run(&delete_attempts, &id, NULL);
	tq_spi_end(&spi);
	tq_cancel_forget(task_id);
	return rows > 0;
}

/*
 * Partition upkeep.
 */
static TqPlan handler_keeps = TQ_PLAN0(
	"SELECT DISTINCT keep_done FROM task_queue.handler WHERE keep_done IS NOT NULL");
static TqPlan default_days = TQ_PLAN(
	"SELECT day FROM task_queue._default_days($1) AS day", TEXTOID);
static TqPlan add_partition = TQ_PLAN(
	"SELECT task_queue._add_partition($1, $2)", TEXTOID, DATEOID);
static TqPlan drop_expired = TQ_PLAN(
	"SELECT task_queue._drop_expired($1)", TEXTOID);

/* The days on which rows that end now, or in the next days, will expire. */
static List *
add_days(List *days, int64 keep_us)
{
	TimestampTz now = tq_clock_now();

	if (keep_us <= 0)
		return days;
	for (int i = 0; i <= DAYS_AHEAD; i++)
		days = list_append_unique_int(days,
									  (int) day_of(expiry_of(now + DAYS(i), keep_us)));
	return days;
}

static List *
days_needed(bool failures_only)
{
	int			nqueues;
	const TqQueue *const *queues = tq_queue_list(&nqueues);
	List	   *days = NIL;

	for (int i = 0; i < nqueues; i++)
	{
		days = add_days(days, queues[i]->keep_failed_us);
		if (!failures_only)
			days = add_days(days, queues[i]->keep_done_us);
	}
	if (failures_only)
		return days;
	(void) tq_plan_run(&handler_keeps, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		keep = tq_row_datum(i, 0, &isnull);

		days = add_days(days, tq_clock_interval_us(DatumGetIntervalP(keep)));
	}
	return days;
}

/* Days for which the default partition had to take rows. */
static List *
days_in_default(List *days, const char *table)
{
	Datum		name = CStringGetTextDatum(table);

	(void) tq_plan_run(&default_days, &name, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		days = list_append_unique_int(days, tq_row_int32(i, 0));
	return days;
}

/* Stops at the first lock that is not to be had: the others would be waited for in vain too. */
static bool
maintain_table(const char *table, List *days)
{
	Datum		args[2] = {CStringGetTextDatum(table)};
	ListCell   *lc;

	foreach(lc, days_in_default(days, table))
	{
		args[1] = DateADTGetDatum(lfirst_int(lc));
		(void) tq_plan_run(&add_partition, args, NULL);
		if (!tq_row_bool(0, 0))
			return false;
	}
	(void) tq_plan_run(&drop_expired, args, NULL);
	return tq_row_bool(0, 0);
}

bool
tq_history_maintain(void)
{
	bool		complete;
	TqSpi		spi;

	tq_spi_begin(&spi);
	complete = maintain_table("history", days_needed(false));
	complete = maintain_table("attempt", days_needed(true)) && complete;
	tq_spi_end(&spi);
	return complete;
}
