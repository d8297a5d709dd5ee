/*-------------------------------------------------------------------------
 *
 * claim_lock.c
 *	  Claims without shared memory: where the library is not preloaded.
 *
 * A claim is a session lock on the task and, if its queue has a limit, one on
 * one of the numbers up to that limit.  Leases are in the rows of their tasks,
 * and each makes one more of the numbers useless.  A session can take its own
 * locks again, so it keeps a list of what it holds: a handler that runs tasks
 * itself must not get the one that it is executing.  That list is all it can
 * see.
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
	TqClaim		claim;
	LOCKTAG		task_lock;
	LOCKTAG		queue_lock;		/* held if the claim is counted */
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
lock_number(HeldClaim *one, uint64 queue_hash, int max_running)
{
	for (int number = 1; number <= max_running; number++)
	{
		set_number(&one->queue_lock, queue_hash, number);
		if (lock(&one->queue_lock))
			return true;
	}
	return false;
}

TqClaimResult
tq_claim_lock_take(const TqClaim *claim, uint64 queue_hash, int max_running)
{
	HeldClaim  *one = reserve();

	one->claim = *claim;
	SET_LOCKTAG_ADVISORY(one->task_lock, MyDatabaseId, (uint32) (claim->task_id >> 32),
						 (uint32) claim->task_id, CLAIM_LOCK_CLASS);
	if (!lock(&one->task_lock))
		return TQ_CLAIM_TAKEN;
	one->claim.counted = max_running > 0;
	if (one->claim.counted && !lock_number(one, queue_hash, max_running))
	{
		LockRelease(&one->task_lock, ExclusiveLock, true);
		return TQ_CLAIM_QUEUE_FULL;
	}
	nheld++;
	return TQ_CLAIM_OK;
}

static HeldClaim *
find(int64 task_id)
{
	for (int i = nheld - 1; i >= 0; i--)
	{
		if (held[i].claim.task_id == task_id)
			return &held[i];
	}
	return NULL;
}

bool
tq_claim_lock_find(int64 task_id, TqClaim *claim)
{
	HeldClaim  *one = find(task_id);

	if (one != NULL && claim != NULL)
		*claim = one->claim;
	return one != NULL;
}

TqClaim *
tq_claim_lock_list(TqClaimFilter filter, void *arg, int *n)
{
	TqClaim    *list = palloc(Max(nheld, 1) * sizeof(TqClaim));

	*n = 0;
	for (int i = 0; i < nheld; i++)
	{
		if (filter == NULL || filter(&held[i].claim, arg))
			list[(*n)++] = held[i].claim;
	}
	return list;
}

void
tq_claim_lock_release(int64 task_id)
{
	HeldClaim  *one = find(task_id);

	if (one == NULL)
		return;
	LockRelease(&one->task_lock, ExclusiveLock, true);
	if (one->claim.counted)
		LockRelease(&one->queue_lock, ExclusiveLock, true);
	*one = held[--nheld];
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
