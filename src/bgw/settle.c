/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Tasks that nobody is responsible for: their worker died, or the server
 *	  was restarted, or their cancel came too late for a running attempt.
 *
 * Each is handled under its row lock.  Somebody who has locked the row without
 * a claim is not the one who runs it: the task waits for another try.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "bgw/pool.h"
#include "run/claim.h"
#include "run/finish.h"
#include "shmem/claims.h"
#include "shmem/databases.h"
#include "shmem/ready.h"
#include "shmem/slots.h"
#include "store/cancel.h"
#include "store/maintain.h"
#include "store/task.h"

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

/* The worker that is being settled. */
typedef struct Settling
{
	TqSlot		dead;
	char		state;			/* of the task after it; '\0': it is gone */
	int64		lane;			/* these two of a task that is ready again */
	TqReadyKey	key;
} Settling;

static Settling settling;

static bool
is_dead(const TqSlot *slot)
{
	return slot->state == TQ_SLOT_DEAD && slot->database == MyDatabaseId;
}

static bool
any_is_dead(void)
{
	for (int i = 0; i < tq_slot_count(); i++)
	{
		if (is_dead(tq_slot(i)))
			return true;
	}
	return false;
}

/* Ids are the indexes of the slots. */
static int
find_dead(int64 after, int64 *ids, int max)
{
	int			n = 0;

	for (int i = 0; i < tq_slot_count() && n < max; i++)
	{
		if (i > after && is_dead(tq_slot(i)))
			ids[n++] = i;
	}
	return n;
}

static void
settle_task(TqTask *task)
{
	const TqSlot *dead = &settling.dead;
	TqError    *error = death_of(dead);
	TqAttempt	attempt = {
		.number = dead->attempt,
		.worker = psprintf("db/%d", dead->number),
		.started_at = dead->started_at,
		.called = true
	};

	if (error)
		settling.state = tq_finish_failed(task, &attempt, error);
	else
	{
		take_back_start(task);
		settling.state = tq_finish_released(task, 0);
	}
	settling.lane = task->lane;
	settling.key.priority = task->priority;
	settling.key.run_at = task->run_at;
	settling.key.task_id = task->task_id;
}

static bool
settle_slot(int64 index)
{
	TqSlot	   *slot = tq_slot((int) index);
	TqTask	   *task;
	TqLockResult result;

	memset(&settling, 0, sizeof(settling));
	SpinLockAcquire(&slot->mutex);
	settling.dead = *slot;
	SpinLockRelease(&slot->mutex);
	if (settling.dead.task_id == 0)
		return true;
	/* The server may be about to restart for it, which must not take the verdict away. */
	if (settling.dead.guilty)
		ForceSyncCommit();
	result = tq_task_lock(settling.dead.task_id, TQ_LOCK_SKIP, &task);
	/* A crash may have taken what was committed last; a higher one is another attempt. */
	if (result == TQ_LOCKED && task->gen <= settling.dead.gen)
		settle_task(task);
	return result != TQ_LOCK_BUSY;
}

/* The claim outlived its process; whoever took the id from the index meanwhile has dropped it. */
static void
free_settled(int64 index)
{
	if (settling.dead.task_id != 0)
		tq_claim_release(settling.dead.task_id);
	if (settling.state == TQ_TASK_READY)
		tq_ready_push(MyDatabaseId, settling.lane, &settling.key);
	tq_slot_free((int) index);
}

TqChore		tq_pool_settle = {
	.doing = "settling the task of a dead worker",
	.is_due = any_is_dead,
	.find = find_dead,
	.handle = settle_slot,
	.handled = free_settled
};

/* Without shared memory only a claim of our own tells that there is no other. */
static bool
is_claimed(const TqTask *task)
{
	if (tq_run_claim_in_batch(task, "") != TQ_CLAIM_OK)
		return true;
	tq_claim_release(task->task_id);
	return false;
}

/* A worker that died with the task is settled first: then it may have to be charged. */
static bool
is_unsettled(int64 task_id)
{
	for (int i = 0; i < tq_slot_count(); i++)
	{
		if (is_dead(tq_slot(i)) && tq_slot(i)->task_id == task_id)
			return true;
	}
	return false;
}

static bool
recover_one(int64 task_id)
{
	TqTask	   *task;
	TqLockResult result;

	if (is_unsettled(task_id))
		return false;
	result = tq_task_lock(task_id, TQ_LOCK_SKIP, &task);

	if (result == TQ_LOCK_BUSY)
		return tq_claim_find(task_id, NULL);
	if (result == TQ_LOCKED && task->state == TQ_TASK_RUNNING && !is_claimed(task))
	{
		take_back_start(task);
		(void) tq_finish_released(task, 0);
	}
	return true;
}

TqChore		tq_pool_recover = {
	.doing = "recovering interrupted procedures",
	.find = tq_maintain_running,
	.handle = recover_one
};

static bool
cancel_one(int64 task_id)
{
	TqTask	   *task;
	TqAttempt	attempt = {0};
	TqLockResult result = tq_task_lock(task_id, TQ_LOCK_SKIP, &task);
	char	   *reason;

	if (tq_claim_find(task_id, NULL))
		return true;
	if (result == TQ_LOCKED && tq_cancel_requested(task_id, &reason))
	{
		attempt.number = task->attempt;
		tq_finish_canceled(task, &attempt, reason);
	}
	return result != TQ_LOCK_BUSY;
}

/* Who takes a task need not look for requests if there are none. */
static int
find_canceled(int64 after, int64 *ids, int max)
{
	TqDatabase	before;
	bool		known = tq_database_get(MyDatabaseId, &before);

	if (!tq_cancel_any())
	{
		if (known)
			tq_database_set_no_cancels(MyDatabaseId, before.cancel_epoch);
		return 0;
	}
	return tq_maintain_canceled(after, ids, max);
}

TqChore		tq_pool_cancel_unclaimed = {
	.doing = "canceling tasks",
	.find = find_canceled,
	.handle = cancel_one
};
