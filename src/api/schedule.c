/*-------------------------------------------------------------------------
 *
 * schedule.c
 *	  SQL functions for schedules, which pg_cron fires.
 *
 * A schedule enqueues for the role that made it: what enqueue() checks is
 * checked for that role when the schedule is made, and again each time it
 * fires, since rights, handlers and roles come and go.  An error at that time
 * is the error of the job, to be seen in cron.job_run_details.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

#include "api/access.h"
#include "api/arg.h"
#include "api/task_row.h"
#include "base/clock.h"
#include "base/owner.h"
#include "handler/args.h"
#include "handler/registry.h"
#include "store/option.h"
#include "store/schedule.h"

PG_FUNCTION_INFO_V1(tq_schedule);
PG_FUNCTION_INFO_V1(tq_unschedule);
PG_FUNCTION_INFO_V1(tq_fire_schedule);
PG_FUNCTION_INFO_V1(tq_schedule_active);

/* Arguments of schedule() that follow the fields. */
#define ARG_TIMEZONE	(TQ_SCHEDULE_NFIELDS)
#define ARG_OVERLAP		(TQ_SCHEDULE_NFIELDS + 1)
#define ARG_CATCH_UP	(TQ_SCHEDULE_NFIELDS + 2)

/* The name becomes part of an index and of the name of a job. */
#define MAX_NAME_BYTES	255

static const struct
{
	TqScheduleField field;
	TqTaskColumn column;
}			task_columns[] = {
	{TQ_SCHEDULE_HANDLER, TQ_COL_HANDLER},
	{TQ_SCHEDULE_ARGS, TQ_COL_ARGS},
	{TQ_SCHEDULE_QUEUE, TQ_COL_QUEUE},
	{TQ_SCHEDULE_PRIORITY, TQ_COL_PRIORITY},
	{TQ_SCHEDULE_TIMEOUT, TQ_COL_TIMEOUT},
	{TQ_SCHEDULE_RETRY_POLICY, TQ_COL_RETRY_POLICY},
	{TQ_SCHEDULE_TARGET, TQ_COL_TARGET},
	{TQ_SCHEDULE_LABELS, TQ_COL_LABELS}
};

/* The task that the schedule enqueues, as enqueue() would get it. */
static void
fill_row(const TqSchedule *schedule, TqTaskRow *row)
{
	memset(row->nulls, true, sizeof(row->nulls));
	for (int i = 0; i < lengthof(task_columns); i++)
	{
		if (!schedule->nulls[task_columns[i].field])
			tq_task_row_set(row, task_columns[i].column, schedule->values[task_columns[i].field]);
	}
}

static void
check_available(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(ARG_TIMEZONE))
		tq_error_reserved_argument("timezone");
	if (!PG_ARGISNULL(ARG_OVERLAP))
		tq_error_reserved_argument("overlap");
	if (!PG_ARGISNULL(ARG_CATCH_UP))
		tq_error_reserved_argument("catch_up");
	if (!tq_schedule_has_cron())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("schedules need the extension \"pg_cron\" in this database"),
				 errdetail("It is not installed here."),
				 errhint("Install pg_cron, add it to shared_preload_libraries, set cron.database_name = '%s', restart the server and run CREATE EXTENSION pg_cron.",
						 get_database_name(MyDatabaseId))));
}

/* Everything that enqueue() would refuse, without making a task. */
static void
check_task(const TqSchedule *schedule, Oid role)
{
	TqTaskRow	row;
	TqHandler  *handler;

	fill_row(schedule, &row);
	tq_task_row_check(&row, role);
	if (tq_task_row_has(&row, TQ_COL_TARGET))
		tq_option_check_target(TextDatumGetCString(tq_task_row_get(&row, TQ_COL_TARGET)));
	handler = tq_handler_find(TextDatumGetCString(tq_task_row_get(&row, TQ_COL_HANDLER)), false);
	tq_args_check(&handler->signature,
				  DatumGetJsonbP(tq_task_row_get(&row, TQ_COL_ARGS)), NULL);
	tq_handler_unpin(handler);
}

static void
set_default(TqSchedule *schedule, TqScheduleField field, Datum value)
{
	if (!schedule->nulls[field])
		return;
	schedule->values[field] = value;
	schedule->nulls[field] = false;
}

static void
read_arguments(FunctionCallInfo fcinfo, TqSchedule *schedule)
{
	for (int i = 0; i < TQ_SCHEDULE_NFIELDS; i++)
	{
		schedule->nulls[i] = PG_ARGISNULL(i);
		schedule->values[i] = schedule->nulls[i] ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	set_default(schedule, TQ_SCHEDULE_PRIORITY, Int32GetDatum(0));
	if (schedule->nulls[TQ_SCHEDULE_ARGS])
		set_default(schedule, TQ_SCHEDULE_ARGS,
					DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
}

static void
require_right(Oid caller, const char *name, const TqSchedule *existing)
{
	if (tq_access_may_act(caller, existing->scheduled_by))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for schedule \"%s\"", name),
			 errdetail("It was made by role \"%s\".", tq_role_name(existing->scheduled_by)),
			 errhint("Members of that role and administrators of the task queue may do this.")));
}

/* Insert or replace the row; the job of what was replaced is kept in it. */
static void
store_row(TqSchedule *schedule, const char *name)
{
	TqSchedule	existing;

	while (!tq_schedule_insert(schedule))
	{
		if (!tq_schedule_lock(name, &existing))
			continue;			/* it was just dropped */
		require_right(schedule->scheduled_by, name, &existing);
		schedule->job_id = existing.job_id;
		return;
	}
}

Datum
tq_schedule(PG_FUNCTION_ARGS)
{
	TqSchedule	schedule = {.scheduled_by = GetUserId()};
	char	   *name = tq_arg_required_name(fcinfo, TQ_SCHEDULE_NAME, "schedule", MAX_NAME_BYTES);
	int64		old_job;

	(void) tq_arg_required_text(fcinfo, TQ_SCHEDULE_CRON, "cron");
	(void) tq_arg_required_text(fcinfo, TQ_SCHEDULE_HANDLER, "handler");
	check_available(fcinfo);
	PreventCommandIfReadOnly("schedule()");
	read_arguments(fcinfo, &schedule);
	check_task(&schedule, schedule.scheduled_by);

	store_row(&schedule, name);
	old_job = schedule.job_id;
	schedule.job_id = tq_schedule_set_job(&schedule);
	if (old_job != 0 && old_job != schedule.job_id)
		tq_schedule_drop_job(old_job);
	tq_schedule_replace(&schedule);
	PG_RETURN_INT64(schedule.job_id);
}

Datum
tq_unschedule(PG_FUNCTION_ARGS)
{
	char	   *name = tq_arg_required_text(fcinfo, 0, "name");
	TqSchedule	existing;

	PreventCommandIfReadOnly("unschedule()");
	if (!tq_schedule_lock(name, &existing))
		PG_RETURN_BOOL(false);
	require_right(GetUserId(), name, &existing);
	tq_schedule_drop_job(existing.job_id);
	tq_schedule_delete(name);
	PG_RETURN_BOOL(true);
}

static int64
insert_task(TqTaskRow *row)
{
	TqTaskWriter *writer = tq_task_write_begin();
	int64		task_id = tq_task_write(writer, row->values, row->nulls);

	tq_task_write_end(writer);
	tq_task_row_note(row, task_id);
	return task_id;
}

/* What the job runs, as the extension's owner. */
Datum
tq_fire_schedule(PG_FUNCTION_ARGS)
{
	char	   *name = tq_arg_required_text(fcinfo, 0, "name");
	TimestampTz now = tq_clock_now();
	TqSchedule	schedule;
	TqTaskRow	row;
	int64		task_id;

	if (!tq_role_may_become(GetUserId(), tq_owner_oid()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to fire a schedule"),
				 errdetail("Only pg_cron does this, as the extension's owner.")));
	if (!tq_schedule_lock(name, &schedule))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("schedule \"%s\" does not exist", name)));
	fill_row(&schedule, &row);
	tq_task_row_prepare(&row, schedule.scheduled_by);
	tq_task_row_set(&row, TQ_COL_FIRE_TIME, TimestampTzGetDatum(now));
	task_id = insert_task(&row);
	tq_schedule_note_run(name, now, task_id);
	PG_RETURN_INT64(task_id);
}

/* For the view: the caller sees the schedule. */
Datum
tq_schedule_active(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!PG_ARGISNULL(0) && tq_schedule_is_active(PG_GETARG_INT64(0)));
}
