/*-------------------------------------------------------------------------
 *
 * claim_lock.c
 *	  Claims without shared memory: where the library is not preloaded.
 *
 * A claim is a session lock on the task and, if its queue has a limit, one on
 * one of the numbers up to that limit.  Leases are in the rows of their tasks,
 * and each makes one more of the numbers useless.  A session can take its own
 * locks again, so it keeps a list of what it holds: a handler that runs tasks
 * itself must not get the one that it is executing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/memutils.h"

#include "shmem/claim_lock.h"
#include "shmem/running.h"

/* The fourth field of an advisory lock tag; 1 and 2 are those of pg_advisory_lock(). */
#define CLAIM_LOCK_CLASS	0x5451
#define QUEUE_LOCK_CLASS	0x5452

typedef struct HeldClaim
{
	int64		task_id;
	LOCKTAG		task_lock;
	LOCKTAG		queue_lock;
	bool		counted;		/* queue_lock is held */
} HeldClaim;

static HeldClaim *held = NULL;
static int	nheld = 0;
static int	held_size = 0;

static HeldClaim *
reserve(void)
{
	if (held == NULL)
	{
		held_size = 16;
		held = MemoryContextAlloc(TopMemoryContext, held_size * sizeof(HeldClaim));
	}
	else if (nheld == held_size)
	{
		held = repalloc(held, 2 * held_size * sizeof(HeldClaim));
		held_size *= 2;
	}
	return &held[nheld];
}

/* False: somebody has it, maybe this session. */
static bool
lock(const LOCKTAG *tag)
{
	switch (LockAcquire(tag, ExclusiveLock, true, true))
	{
		case LOCKACQUIRE_OK:
			return true;
		case LOCKACQUIRE_ALREADY_HELD:
		case LOCKACQUIRE_ALREADY_CLEAR:
			LockRelease(tag, ExclusiveLock, true);
			return false;
		default:
			return false;
	}
}

static void
set_number(LOCKTAG *tag, uint64 queue_hash, int number)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) queue_hash, (uint32) number, QUEUE_LOCK_CLASS);
}

static bool
lock_number(HeldClaim *claim, uint64 queue_hash, int max_running)
{
	for (int number = 1; number <= max_running; number++)
	{
		set_number(&claim->queue_lock, queue_hash, number);
		if (lock(&claim->queue_lock))
			return true;
	}
	return false;
}

TqClaimResult
tq_claim_lock_take(int64 task_id, uint64 queue_hash, int max_running)
{
	HeldClaim  *claim = reserve();

	claim->task_id = task_id;
	SET_LOCKTAG_ADVISORY(claim->task_lock, MyDatabaseId, (uint32) (task_id >> 32),
						 (uint32) task_id, CLAIM_LOCK_CLASS);
	if (!lock(&claim->task_lock))
		return TQ_CLAIM_TAKEN;
	claim->counted = max_running > 0;
	if (claim->counted && !lock_number(claim, queue_hash, max_running))
	{
		LockRelease(&claim->task_lock, ExclusiveLock, true);
		return TQ_CLAIM_QUEUE_FULL;
	}
	nheld++;
	return TQ_CLAIM_OK;
}

void
tq_claim_lock_release(int64 task_id)
{
	for (int i = nheld - 1; i >= 0; i--)
	{
		if (held[i].task_id != task_id)
			continue;
		LockRelease(&held[i].task_lock, ExclusiveLock, true);
		if (held[i].counted)
			LockRelease(&held[i].queue_lock, ExclusiveLock, true);
		held[i] = held[--nheld];
		return;
	}
}

int
tq_claim_lock_count_free(const char *queue, int max_running, int enough)
{
	uint64		queue_hash = tq_running_hash(queue);
	int			n = 0;

	for (int number = 1; number <= max_running && n < enough; number++)
	{
		LOCKTAG		tag;

		set_number(&tag, queue_hash, number);
		if (!lock(&tag))
			continue;
		LockRelease(&tag, ExclusiveLock, true);
		n++;
	}
	return n;
}

/* The whole queue is number 0. */
void
tq_claim_lock_queue(const char *queue)
{
	LOCKTAG		tag;

	set_number(&tag, tq_running_hash(queue), 0);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
tq_claim_unlock_queue(const char *queue)
{
	LOCKTAG		tag;

	set_number(&tag, tq_running_hash(queue), 0);
	LockRelease(&tag, ExclusiveLock, false);
}
