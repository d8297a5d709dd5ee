/*-------------------------------------------------------------------------
 *
 * claim.c
 *	  Claiming a task whose row is locked, for an execution in this server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/inval.h"

#include "base/clock.h"
#include "run/claim.h"
#include "run/interrupt.h"
#include "shmem/claim_lock.h"
#include "shmem/shmem.h"
#include "store/leased.h"
#include "store/queue.h"

/*
 * What was paused before the claim was made must not start: so the queue is
 * looked at again once the claim stands, with all invalidations that have been
 * sent by then.
 */
static bool
queue_is_paused(const char *name)
{
	const TqQueue *queue;

	AcceptInvalidationMessages();
	queue = tq_queue_find(name, true);
	return queue != NULL && queue->paused;
}

static TqClaimResult
take(const TqTask *task, const char *worker, bool draining, bool in_batch, int max_running)
{
	TqClaim		claim;

	memset(&claim, 0, sizeof(claim));
	claim.task_id = task->task_id;
	claim.draining = draining;
	claim.in_batch = in_batch;
	claim.pid = MyProcPid;
	claim.started_at = tq_clock_now();
	claim.attempt = task->attempt + 1;
	claim.enqueuer = task->enqueuer;
	claim.lane = task->lane;
	claim.priority = task->priority;
	claim.run_at = task->run_at;
	tq_shmem_copy_text(claim.worker, worker, sizeof(claim.worker));
	tq_shmem_copy_text(claim.handler, task->handler, sizeof(claim.handler));
	tq_shmem_copy_text(claim.queue, task->queue, sizeof(claim.queue));
	return tq_claim_take(&claim, max_running);
}

/* Without the library the tasks of external workers are counted in the table, and nobody else starts one meanwhile. */
static bool
has_room_beside_leases(const char *queue, int max_running)
{
	int			leased = tq_leased_count(queue);

	return leased < max_running &&
		tq_claim_lock_count_free(queue, max_running, leased + 1) > leased;
}

/* The queue's lock may have to be waited for, and a cancel must reach who waits. */
TqClaimResult
tq_run_claim(const TqTask *task, const char *worker, bool draining)
{
	const TqQueue *queue = tq_queue_find(task->queue, true);
	int			max_running = queue ? queue->max_running : 0;
	bool		beside_leases = max_running > 0 && !tq_shmem_available();
	TqClaimResult result = TQ_CLAIM_QUEUE_FULL;

	if (beside_leases)
		tq_claim_lock_queue(task->queue);
	tq_interrupt_hold();
	if (!beside_leases || has_room_beside_leases(task->queue, max_running))
		result = take(task, worker, draining, false, max_running);
	if (beside_leases)
		tq_claim_unlock_queue(task->queue);
	if (result == TQ_CLAIM_OK && queue_is_paused(task->queue))
	{
		tq_claim_release(task->task_id);
		result = TQ_CLAIM_QUEUE_FULL;
	}
	if (result != TQ_CLAIM_OK)
		tq_interrupt_release();
	return result;
}

TqClaimResult
tq_run_claim_in_batch(const TqTask *task, const char *worker)
{
	return take(task, worker, false, true, 0);
}
