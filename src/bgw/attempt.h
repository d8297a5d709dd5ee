/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  A worker's execution of one task, in transactions of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ATTEMPT_H
#define TQ_ATTEMPT_H

#include "postgres.h"

#include "shmem/ready.h"

/*
 * Run the task that the ready index gave for a lane, whatever comes of it.
 * Never raises.  Memory is left in the current context, which is reset by the
 * caller.
 */
extern void tq_attempt_run(const char *worker, int64 lane, const TqReadyKey *key);

#endif
