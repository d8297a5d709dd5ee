/*-------------------------------------------------------------------------
 *
 * finish.h
 *	  The one place where the end of an attempt is written.
 *
 * Everything here runs in the transaction that records the outcome, with the
 * task's row lock held: the live row goes or is put back to waiting, history
 * and attempt get their rows, the DAG reacts, reply_to is notified, and
 * shared memory is told what to do at commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_FINISH_H
#define TQ_FINISH_H

#include "postgres.h"

#include "base/errors.h"
#include "store/history.h"
#include "store/task.h"

/* Who executed the attempt. */
typedef struct TqAttempt
{
	int32		number;			/* 1 is the first */
	char	   *worker;			/* NULL: never started */
	TimestampTz started_at;		/* 0: never started */
	bool		called;			/* whether the handler was called */
} TqAttempt;

/*
 * The attempt succeeded.  False: the DAG of this step was deleted meanwhile;
 * the task is gone, and what the attempt did must be undone.
 */
extern bool tq_finish_done(TqTask *task, const TqAttempt *attempt, Jsonb *result);

/*
 * The attempt failed: retry, dead letter, or canceled if that was asked for.
 * Returns the new state of the task (TQ_TASK_...).
 */
extern char tq_finish_failed(TqTask *task, const TqAttempt *attempt, TqError *error);

/* Give back without cost: ready at once, or scheduled after delay_us.  Canceled if that was asked for. */
extern char tq_finish_released(TqTask *task, int64 delay_us);

/* How many executions the policies in force allow; 0: no limit. */
extern int32 tq_finish_maximum_attempts(const TqTask *task);

/* Remove the task of a step whose DAG is gone; nothing is kept. */
extern char tq_finish_orphan(TqTask *task);

/* Cancel a task that is not running. */
extern void tq_finish_canceled(TqTask *task, const TqAttempt *attempt, const char *reason);

#endif
