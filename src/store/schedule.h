/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  Schedules: rows of table schedule, each with a job of pg_cron.
 *
 * The row says what to enqueue and for whom; the job, which belongs to the
 * extension's owner, says when and calls _fire_schedule() with the name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SCHEDULE_H
#define TQ_SCHEDULE_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* What a schedule consists of, in the order of the arguments of schedule(). */
typedef enum TqScheduleField
{
	TQ_SCHEDULE_NAME,
	TQ_SCHEDULE_CRON,
	TQ_SCHEDULE_HANDLER,
	TQ_SCHEDULE_ARGS,
	TQ_SCHEDULE_QUEUE,
	TQ_SCHEDULE_PRIORITY,
	TQ_SCHEDULE_TIMEOUT,
	TQ_SCHEDULE_RETRY_POLICY,
	TQ_SCHEDULE_TARGET,
	TQ_SCHEDULE_LABELS
} TqScheduleField;

#define TQ_SCHEDULE_NFIELDS	(TQ_SCHEDULE_LABELS + 1)

typedef struct TqSchedule
{
	Datum		values[TQ_SCHEDULE_NFIELDS];
	bool		nulls[TQ_SCHEDULE_NFIELDS];
	Oid			scheduled_by;
	int64		job_id;			/* of pg_cron */
} TqSchedule;

/* Is pg_cron installed in this database? */
extern bool tq_schedule_has_cron(void);

/* Lock the schedule of that name and read it; false: there is none. */
extern bool tq_schedule_lock(const char *name, TqSchedule *schedule);

/*
 * Insert a schedule that has no job yet; false: the name is taken.  Replace
 * one that is locked; what it did last is kept.
 */
extern bool tq_schedule_insert(const TqSchedule *schedule);
extern void tq_schedule_replace(const TqSchedule *schedule);
extern void tq_schedule_delete(const char *name);

/* Make or change the job of pg_cron; returns its id.  Errors of pg_cron pass, 22023 for a bad cron expression among them. */
extern int64 tq_schedule_set_job(const TqSchedule *schedule);
extern void tq_schedule_drop_job(int64 job_id);

/* Will pg_cron fire it?  False without pg_cron, or if its job is gone or switched off. */
extern bool tq_schedule_is_active(int64 job_id);

extern void tq_schedule_note_run(const char *name, TimestampTz at, int64 task_id);

#endif
