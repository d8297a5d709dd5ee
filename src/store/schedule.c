/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  Schedules: rows of table schedule, each with a job of pg_cron.
 *
 * pg_cron is asked in SQL, as the extension's owner, and only when it is
 * installed: nothing here, nor in the install script, depends on it.  Its
 * tables may vanish and come back at any time; a row whose job is gone is
 * shown as not active, and gets a new job when it is scheduled again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "store/plans.h"
#include "store/schedule.h"

#define JOB_NAME	"'task_queue: ' || "

#define FIELDS \
	"name, cron, handler, args, queue, priority, timeout, retry_policy, target, labels"

/* Parameters $1 to $10 are the fields, in order. */
#define FIELD_TYPES \
	TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, INT4OID, INTERVALOID, \
	TQ_RETRY_POLICY_TYPE, TEXTOID, TEXTARRAYOID

bool
tq_schedule_has_cron(void)
{
	return OidIsValid(get_extension_oid("pg_cron", true));
}

bool
tq_schedule_lock(const char *name, TqSchedule *schedule)
{
	static TqPlan lock = TQ_PLAN("SELECT " FIELDS ", scheduled_by, job_id"
								 " FROM task_queue.schedule WHERE name = $1 FOR NO KEY UPDATE",
								 TEXTOID);
	Datum		values[] = {CStringGetTextDatum(name)};
	TqSpi		spi;
	bool		found;

	tq_spi_begin(&spi);
	found = tq_plan_run(&lock, values, NULL) > 0;
	if (found)
	{
		for (int i = 0; i < TQ_SCHEDULE_NFIELDS; i++)
			schedule->values[i] = tq_row_copy(0, i, spi.caller, &schedule->nulls[i]);
		schedule->scheduled_by = tq_row_oid(0, TQ_SCHEDULE_NFIELDS);
		schedule->job_id = tq_row_int64(0, TQ_SCHEDULE_NFIELDS + 1);
	}
	tq_spi_end(&spi);
	return found;
}

static bool
write_schedule(TqPlan *plan, const TqSchedule *schedule)
{
	Datum		values[TQ_SCHEDULE_NFIELDS + 2];
	bool		nulls[TQ_SCHEDULE_NFIELDS + 2] = {false};

	memcpy(values, schedule->values, sizeof(schedule->values));
	memcpy(nulls, schedule->nulls, sizeof(schedule->nulls));
	values[TQ_SCHEDULE_NFIELDS] = ObjectIdGetDatum(schedule->scheduled_by);
	values[TQ_SCHEDULE_NFIELDS + 1] = Int64GetDatum(schedule->job_id);
	return tq_plan_execute(plan, values, nulls) > 0;
}

bool
tq_schedule_insert(const TqSchedule *schedule)
{
	static TqPlan insert = TQ_PLAN("INSERT INTO task_queue.schedule (" FIELDS ", scheduled_by, job_id)"
								   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::oid::regrole, $12)"
								   " ON CONFLICT (name) DO NOTHING",
								   FIELD_TYPES, OIDOID, INT8OID);

	return write_schedule(&insert, schedule);
}

void
tq_schedule_replace(const TqSchedule *schedule)
{
	static TqPlan replace = TQ_PLAN("UPDATE task_queue.schedule SET (" FIELDS ", scheduled_by, job_id)"
									" = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::oid::regrole, $12)"
									" WHERE name = $1",
									FIELD_TYPES, OIDOID, INT8OID);

	(void) write_schedule(&replace, schedule);
}

void
tq_schedule_delete(const char *name)
{
	static TqPlan delete = TQ_PLAN("DELETE FROM task_queue.schedule WHERE name = $1", TEXTOID);
	Datum		values[] = {CStringGetTextDatum(name)};

	(void) tq_plan_execute(&delete, values, NULL);
}

int64
tq_schedule_set_job(const TqSchedule *schedule)
{
	static TqPlan set_job = TQ_PLAN("SELECT cron.schedule(" JOB_NAME "$1, $2, $3)",
									TEXTOID, TEXTOID, TEXTOID);
	char	   *name = TextDatumGetCString(schedule->values[TQ_SCHEDULE_NAME]);
	char	   *command = psprintf("SELECT task_queue._fire_schedule(%s)", quote_literal_cstr(name));
	Datum		values[] = {schedule->values[TQ_SCHEDULE_NAME],
		schedule->values[TQ_SCHEDULE_CRON],
	CStringGetTextDatum(command)};
	TqSpi		spi;
	int64		job_id;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&set_job, values, NULL);
	job_id = tq_row_int64(0, 0);
	tq_spi_end(&spi);
	return job_id;
}

/* Only a job that is ours, should the numbers have begun anew. */
void
tq_schedule_drop_job(int64 job_id)
{
	static TqPlan drop = TQ_PLAN("SELECT cron.unschedule(jobid) FROM cron.job"
								 " WHERE jobid = $1 AND jobname LIKE " JOB_NAME "'%'",
								 INT8OID);
	Datum		values[] = {Int64GetDatum(job_id)};

	if (!tq_schedule_has_cron())
		return;
	(void) tq_plan_execute(&drop, values, NULL);
}

bool
tq_schedule_is_active(int64 job_id)
{
	static TqPlan find = TQ_PLAN("SELECT active FROM cron.job"
								 " WHERE jobid = $1 AND jobname LIKE " JOB_NAME "'%'",
								 INT8OID);
	Datum		values[] = {Int64GetDatum(job_id)};
	TqSpi		spi;
	bool		active;

	if (!tq_schedule_has_cron())
		return false;
	tq_spi_begin(&spi);
	active = tq_plan_query(&find, values, NULL, GetActiveSnapshot()) > 0 && tq_row_bool(0, 0);
	tq_spi_end(&spi);
	return active;
}

void
tq_schedule_note_run(const char *name, TimestampTz at, int64 task_id)
{
	static TqPlan note = TQ_PLAN("UPDATE task_queue.schedule SET last_run_at = $2, last_task_id = $3"
								 " WHERE name = $1",
								 TEXTOID, TIMESTAMPTZOID, INT8OID);
	Datum		values[] = {CStringGetTextDatum(name), TimestampTzGetDatum(at), Int64GetDatum(task_id)};

	(void) tq_plan_execute(&note, values, NULL);
}
