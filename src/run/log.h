/*-------------------------------------------------------------------------
 *
 * log.h
 *	  Attempts in the server log and in the statistics.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LOG_H
#define TQ_LOG_H

#include "run/finish.h"
#include "shmem/counters.h"

/*
 * An attempt ended, or a waiting task was canceled: log it if
 * task_queue.log_min_duration says so, and count it when the transaction
 * commits.  state is the task's new one, error what made it fail (or NULL).
 */
extern void tq_log_end(const TqTask *task, const TqAttempt *attempt, char state,
					   TimestampTz finished_at, const TqError *error);

#endif
