/*-------------------------------------------------------------------------
 *
 * foreground.h
 *	  A worker's work in a client's session: run_tasks().
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_FOREGROUND_H
#define TQ_FOREGROUND_H

#include "postgres.h"

/*
 * Run ready tasks of a queue (NULL: all) until nothing is left or max_tasks
 * executions are reached (negative: no limit), each in transactions of its
 * own.  Must be called by a CALL that is not part of anything else; commits
 * its transaction and leaves another one behind.
 */
extern void tq_foreground_run(const char *queue, int64 max_tasks);

#endif
