/*-------------------------------------------------------------------------
 *
 * claim_lock.h
 *	  Claims without shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CLAIM_LOCK_H
#define TQ_CLAIM_LOCK_H

#include "postgres.h"

#include "shmem/claims.h"

/* max_running 0: no limit. */
extern TqClaimResult tq_claim_lock_take(const TqClaim *claim, uint64 queue_hash, int max_running);
extern void tq_claim_lock_release(int64 task_id);

/* Among the claims of this session; as those of claims.h. */
extern bool tq_claim_lock_find(int64 task_id, TqClaim *claim);
extern TqClaim *tq_claim_lock_list(TqClaimFilter filter, void *arg, int *n);

/*
 * Held by whoever starts a task of a queue with a limit: by a session until it
 * has its number, by whoever writes leases into rows until its transaction
 * ends, or it gives the lock back, so that others count them.
 */
extern void tq_claim_lock_queue(const char *queue);
extern void tq_claim_unlock_queue(const char *queue);

/* How many numbers no session has, up to enough; the queue is locked. */
extern int	tq_claim_lock_count_free(const char *queue, int max_running, int enough);

#endif
