/*-------------------------------------------------------------------------
 *
 * requeue.h
 *	  Changes of waiting and of ended tasks that somebody asks for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_REQUEUE_H
#define TQ_REQUEUE_H

#include "postgres.h"

#include "store/task.h"

/* What alter_task() changes; what is not given stays. */
typedef struct TqAlteration
{
	Jsonb	   *args;			/* NULL: not given */
	const char *queue;
	bool		has_priority;
	int32		priority;
	bool		has_run_at;
	TimestampTz run_at;
	bool		has_deadline;
	TimestampTz deadline;
	bool		has_labels;
	Datum		labels;			/* a text[], or 0: none */
} TqAlteration;

/* The task is ready or scheduled, its row is locked, and the values are checked. */
extern void tq_task_alter(const TqTask *task, const TqAlteration *alteration);

typedef struct TqRequeue
{
	bool		has_run_at;
	TimestampTz run_at;
	bool		clear_deadline;
	Jsonb	   *args;			/* NULL: those it had */
} TqRequeue;

/*
 * Back from history to table task: same id, attempt 0, next generation.
 * False: it is not (or no longer) a failed or canceled task without a DAG.
 */
extern bool tq_requeue(int64 task_id, const TqRequeue *requeue);

/* Which dead letters requeue_failed() takes; NULL, 0: all. */
typedef struct TqDeadLetterFilter
{
	const char *handler;		/* a name or alias: tasks enqueued under any of its names */
	const char *queue;
	const char *error_kind;
	TimestampTz failed_since;
	Oid			caller;			/* tasks of roles it may become; InvalidOid: of everybody */
} TqDeadLetterFilter;

typedef struct TqFailedStep
{
	int64		dag_key;
	int32		step_no;
} TqFailedStep;

/* Tasks without a DAG: moves them and returns how many. */
extern int64 tq_requeue_failed(const TqDeadLetterFilter *filter);

/* Failed steps of DAGs that are not canceled, in the order in which they have to be taken. */
extern int	tq_failed_steps(const TqDeadLetterFilter *filter, TqFailedStep **steps);

/* Failed tasks that ended before that time, with all that is kept of them: how many. */
extern int64 tq_purge_failed(TimestampTz before);

/* adopt_database(): this server and database own the rows from now on. */
extern void tq_adopt(Oid role);

#endif
