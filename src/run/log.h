/*-------------------------------------------------------------------------
 *
 * log.h
 *	  Attempts in the server log and in the statistics.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LOG_H
#define TQ_LOG_H

#include "run/execute.h"

/*
 * Log the attempt if task_queue.log_min_duration says so; state is the task's
 * new one, error what made it fail (may be NULL).
 */
extern void tq_log_attempt(const TqRun *run, char state, const TqError *error);

#endif
