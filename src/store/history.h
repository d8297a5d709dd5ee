/*-------------------------------------------------------------------------
 *
 * history.h
 *	  Ended tasks and failed attempts, and the partitions that hold them.
 *
 * history and attempt are partitioned by the day after which a row may go;
 * retention drops whole partitions.  Keeping times above 40 days are rounded
 * up to months, so that the number of partitions stays small.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_HISTORY_H
#define TQ_HISTORY_H

#include "postgres.h"

#include "base/errors.h"
#include "store/task.h"

/* How a task ended. */
typedef struct TqEnd
{
	char		state;			/* TQ_TASK_DONE, _FAILED, _CANCELED */
	int32		attempt;		/* number of the last execution; 0: none */
	Jsonb	   *result;			/* NULL: none */
	TqError    *error;			/* failed only */
	char	   *cancel_reason;
	char	   *worker;
	TimestampTz started_at;		/* 0: never started */
	TimestampTz finished_at;
} TqEnd;

/*
 * keep_us: how long the row must be readable; 0 writes no row.  Nor is one
 * written if delete_task(force) asked for the outcome to be dropped.
 */
extern void tq_history_insert(const TqTask *task, const TqEnd *end, int64 keep_us);
extern void tq_attempt_insert(const TqTask *task, int32 attempt, const TqError *error,
							  const char *worker, TimestampTz started_at,
							  TimestampTz finished_at, int64 keep_us);

/* Remove all that is kept of an ended task; false: there is nothing. */
extern bool tq_history_forget(int64 task_id);

/*
 * Partition upkeep, run by the scheduler: make partitions ahead of time, move
 * rows out of the default partitions, drop what has expired.  Never waits for
 * a lock longer than 100 ms; false: something is left to do, try again soon.
 */
extern bool tq_history_maintain(void);

#endif
