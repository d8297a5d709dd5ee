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

/* The columns of table history, in order, counted from 0. */
typedef enum TqHistoryColumn
{
	TQ_HISTORY_TASK_ID,
	TQ_HISTORY_EXPIRES_AT,
	TQ_HISTORY_FINISHED_AT,
	TQ_HISTORY_STARTED_AT,
	TQ_HISTORY_ENQUEUED_AT,
	TQ_HISTORY_RUN_AT,
	TQ_HISTORY_PRIORITY,
	TQ_HISTORY_ATTEMPT,
	TQ_HISTORY_GEN,
	TQ_HISTORY_ENQUEUER,
	TQ_HISTORY_STATE,
	TQ_HISTORY_HANDLER,
	TQ_HISTORY_QUEUE,
	TQ_HISTORY_ARGS,
	TQ_HISTORY_RESULT,
	TQ_HISTORY_ERROR,
	TQ_HISTORY_CANCEL_REASON,
	TQ_HISTORY_WORKER,
	TQ_HISTORY_DEADLINE,
	TQ_HISTORY_TIMEOUT,
	TQ_HISTORY_RETRY_POLICY,
	TQ_HISTORY_TARGET,
	TQ_HISTORY_REPLY_TO,
	TQ_HISTORY_TRACE_CTX,
	TQ_HISTORY_LABELS,
	TQ_HISTORY_UNIQUE_KEY,
	TQ_HISTORY_ON_CONFLICT,
	TQ_HISTORY_ORDER_KEY,
	TQ_HISTORY_LIMIT_KEY,
	TQ_HISTORY_DAG_KEY,
	TQ_HISTORY_STEP_NO,
	TQ_HISTORY_FIRE_TIME,
	TQ_HISTORY_NCOLS
} TqHistoryColumn;

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
