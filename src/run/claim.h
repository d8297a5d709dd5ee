/*-------------------------------------------------------------------------
 *
 * claim.h
 *	  Claiming a task whose row is locked, for an execution in this server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CLAIM_H
#define TQ_CLAIM_H

#include "postgres.h"

#include "shmem/claims.h"
#include "store/task.h"

/*
 * draining: the claimer is drain() or run_tasks() in some session.  Query
 * cancels are held off from now on, see run/interrupt.h.
 */
extern TqClaimResult tq_run_claim(const TqTask *task, const char *worker, bool draining);

/* A task that joins a batch: it does not count against max_running. */
extern TqClaimResult tq_run_claim_in_batch(const TqTask *task, const char *worker);

#endif
