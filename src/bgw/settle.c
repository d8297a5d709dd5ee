/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Tasks that nobody is responsible for: their worker died, or the server
 *	  was restarted, or their cancel came too late for a running attempt.
 *
 * Each is handled in a transaction of its own, under its row lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "bgw/pool.h"
#include "bgw/transaction.h"
#include "run/claim.h"
#include "run/finish.h"
#include "shmem/claims.h"
#include "shmem/ready.h"
#include "shmem/slots.h"
#include "store/cancel.h"
#include "store/maintain.h"
#include "store/task.h"

#define BATCH	100

/* A function's attempt left no trace; a procedure's start was counted. */
static void
take_back_start(TqTask *task)
{
	if (task->state == TQ_TASK_RUNNING && task->attempt > 0)
		task->attempt--;
}

static TqError *
death_of(const TqSlot *dead)
{
	if (dead->guilty)
		return tq_error_make(TQ_KIND_PANIC,
							 psprintf("the worker process %s", dead->death[0] ? dead->death : "was killed or exited"),
							 false);
	if (dead->stopped && !dead->terminated)
		return NULL;
	return tq_error_make(TQ_KIND_TERMINATED, "the worker process was terminated", true);
}

typedef struct Settling
{
	TqSlot		dead;
	bool		busy;			/* somebody holds the row: later */
	char		state;			/* of the task after it; '\0': it is gone */
	int64		lane;			/* these two of a task that is ready again */
	TqReadyKey	key;
} Settling;

static void
settle_slot(void *arg)
{
	Settling   *settling = arg;
	const TqSlot *dead = &settling->dead;
	TqLockResult result;
	TqTask	   *task;
	TqError    *error = death_of(dead);
	TqAttempt	attempt = {
		.number = dead->attempt,
		.worker = psprintf("db/%d", dead->number),
		.started_at = dead->started_at,
		.called = true
	};

	result = tq_task_lock(dead->task_id, TQ_LOCK_SKIP, &task);
	settling->busy = result == TQ_LOCK_BUSY;
	/* A crash may have taken what was committed last; a higher one is another attempt. */
	if (result != TQ_LOCKED || task->gen > dead->gen)
		return;
	if (error)
		settling->state = tq_finish_failed(task, &attempt, error);
	else
	{
		take_back_start(task);
		settling->state = tq_finish_released(task, 0);
	}
	settling->lane = task->lane;
	settling->key.priority = task->priority;
	settling->key.run_at = task->run_at;
	settling->key.task_id = task->task_id;
}

/* False: not yet. */
static bool
settle(int index)
{
	TqSlot	   *slot = tq_slot(index);
	Settling	settling = {.busy = false};
	ErrorData  *error;

	SpinLockAcquire(&slot->mutex);
	settling.dead = *slot;
	SpinLockRelease(&slot->mutex);
	if (settling.dead.state != TQ_SLOT_DEAD || settling.dead.database != MyDatabaseId)
		return true;
	if (settling.dead.task_id != 0)
	{
		error = tq_transaction_run(settle_slot, &settling);
		if (error != NULL)
			tq_transaction_log(error, "settling the task of a dead worker");
		if (error != NULL || settling.busy)
			return false;
		/* The claim outlived its process; whoever took the id from the index meanwhile has dropped it. */
		tq_claim_release(settling.dead.task_id);
		if (settling.state == TQ_TASK_READY)
			tq_ready_push(MyDatabaseId, settling.lane, &settling.key);
	}
	tq_slot_free(index);
	return true;
}

bool
tq_pool_settle(void)
{
	bool		all = true;

	for (int i = 0; i < tq_slot_count(); i++)
		all &= settle(i);
	return all;
}

/* Without shared memory only a claim of our own tells that there is no other. */
static bool
is_claimed(const TqTask *task)
{
	if (tq_run_claim_in_batch(task, "") != TQ_CLAIM_OK)
		return true;
	tq_claim_release(task->task_id);
	return false;
}

static void
recover_one(int64 task_id)
{
	TqTask	   *task;

	if (tq_task_lock(task_id, TQ_LOCK_SKIP, &task) != TQ_LOCKED ||
		task->state != TQ_TASK_RUNNING || is_claimed(task))
		return;
	take_back_start(task);
	(void) tq_finish_released(task, 0);
}

static void
cancel_one(int64 task_id)
{
	TqTask	   *task;
	TqAttempt	attempt = {0};
	char	   *reason;

	if (tq_task_lock(task_id, TQ_LOCK_SKIP, &task) != TQ_LOCKED || tq_claim_find(task_id, NULL))
		return;
	attempt.number = task->attempt;
	if (tq_cancel_requested(task_id, &reason))
		tq_finish_canceled(task, &attempt, reason);
}

typedef struct Batch
{
	int			(*read) (int64 after, int64 *ids, int max);
	void		(*handle) (int64 task_id);
	int64		after;
	int			count;
} Batch;

static void
handle_batch(void *arg)
{
	Batch	   *batch = arg;
	int64		ids[BATCH];

	batch->count = batch->read(batch->after, ids, BATCH);
	for (int i = 0; i < batch->count; i++)
		batch->handle(ids[i]);
	if (batch->count > 0)
		batch->after = ids[batch->count - 1];
}

static void
handle_all(int (*read) (int64, int64 *, int), void (*handle) (int64), const char *doing)
{
	Batch		batch = {.read = read, .handle = handle, .after = PG_INT64_MIN};

	do
	{
		ErrorData  *error = tq_transaction_run(handle_batch, &batch);

		if (error != NULL)
		{
			tq_transaction_log(error, doing);
			return;
		}
	} while (batch.count == BATCH);
}

void
tq_pool_recover(void)
{
	handle_all(tq_maintain_running, recover_one, "recovering interrupted procedures");
}

void
tq_pool_cancel_unclaimed(void)
{
	handle_all(tq_maintain_canceled, cancel_one, "canceling tasks");
}
