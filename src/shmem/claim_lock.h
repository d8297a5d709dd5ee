/*-------------------------------------------------------------------------
 *
 * claim_lock.h
 *	  Claims without shared memory; private to shmem/.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CLAIM_LOCK_H
#define TQ_CLAIM_LOCK_H

#include "postgres.h"

#include "shmem/claims.h"

/* max_running 0: no limit. */
extern TqClaimResult tq_claim_lock_take(int64 task_id, uint64 queue_hash, int max_running);
extern void tq_claim_lock_release(int64 task_id);

#endif
