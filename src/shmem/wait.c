/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Sleeping until a task or a DAG ends.
 *
 * A channel exists while somebody waits for its key: a condition variable and
 * a counter that rises with each wake-up.  A waiter sleeps only while the
 * counter is what it was when it last looked, so it does not matter if some
 * other use of condition variables in between took it off the list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "base/clock.h"
#include "shmem/shmem.h"
#include "shmem/wait.h"

#define POLL_MS			50L
#define BACKSTOP_MS		10000L

typedef struct ChannelKey
{
	int64		key;
	Oid			database;
	int32		kind;
} ChannelKey;

typedef struct Channel
{
	ChannelKey	key;
	int			waiters;
	ConditionVariable cv;
	pg_atomic_uint32 wakeups;
} Channel;

static HTAB *channels = NULL;
static pg_atomic_uint32 *nwaiting = NULL;	/* lets those who wake skip the lock */

/* The channel of this backend. */
static Channel *channel = NULL;
static uint32 seen_wakeups;

Size
tq_wait_shmem_size(void)
{
	return sizeof(pg_atomic_uint32);
}

Size
tq_wait_hash_size(void)
{
	return hash_estimate_size(MaxBackends, sizeof(Channel));
}

void
tq_wait_shmem_attach(void *memory, bool found)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(ChannelKey);
	ctl.entrysize = sizeof(Channel);
	channels = ShmemInitHash("task_queue channel table", MaxBackends, MaxBackends, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	nwaiting = memory;
	if (!found)
		pg_atomic_init_u32(nwaiting, 0);
}

static ChannelKey
channel_key(TqWaitKind kind, int64 key)
{
	ChannelKey	result = {.key = key, .database = MyDatabaseId, .kind = kind};

	return result;
}

static void
end_at_exit(int code, Datum arg)
{
	tq_wait_end();
}

void
tq_wait_begin(TqWaitKind kind, int64 key)
{
	static bool registered = false;
	ChannelKey	id = channel_key(kind, key);
	Channel    *found_channel;
	bool		found;

	if (channels == NULL)
		return;
	tq_wait_end();
	if (!registered)
		before_shmem_exit(end_at_exit, (Datum) 0);
	registered = true;

	LWLockAcquire(tq_shmem_lock(TQ_LOCK_CHANNELS), LW_EXCLUSIVE);
	found_channel = hash_search(channels, &id, HASH_ENTER_NULL, &found);
	if (found_channel != NULL)
	{
		if (!found)
		{
			found_channel->waiters = 0;
			ConditionVariableInit(&found_channel->cv);
			pg_atomic_init_u32(&found_channel->wakeups, 0);
		}
		found_channel->waiters++;
		pg_atomic_fetch_add_u32(nwaiting, 1);
		channel = found_channel;
		seen_wakeups = pg_atomic_read_u32(&channel->wakeups);
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_CHANNELS));
}

void
tq_wait_sleep(long timeout_ms)
{
	TimestampTz end;

	if (channel == NULL)
	{
		tq_clock_sleep(timeout_ms < 0 ? POLL_MS : Min(timeout_ms, POLL_MS), tq_shmem_wait_event());
		return;
	}
	if (timeout_ms < 0 || timeout_ms > BACKSTOP_MS)
		timeout_ms = BACKSTOP_MS;
	end = tq_clock_add(tq_clock_now(), timeout_ms * TQ_USECS_PER_MS);
	ConditionVariablePrepareToSleep(&channel->cv);
	while (pg_atomic_read_u32(&channel->wakeups) == seen_wakeups)
	{
		int64		left = (end - tq_clock_now() + 999) / 1000;

		if (left <= 0 ||
			tq_clock_wait_for(&channel->cv, left, tq_shmem_wait_event()))
			break;
	}
	ConditionVariableCancelSleep();
	seen_wakeups = pg_atomic_read_u32(&channel->wakeups);
}

void
tq_wait_end(void)
{
	Channel    *mine = channel;

	if (mine == NULL)
		return;
	channel = NULL;
	ConditionVariableCancelSleep();
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_CHANNELS), LW_EXCLUSIVE);
	pg_atomic_fetch_sub_u32(nwaiting, 1);
	if (--mine->waiters == 0)
		(void) hash_search(channels, &mine->key, HASH_REMOVE, NULL);
	LWLockRelease(tq_shmem_lock(TQ_LOCK_CHANNELS));
}

/*
 * The caller's commit is visible already.  A waiter that has not entered its
 * channel yet will look at the rows after it has: the barrier orders the two.
 */
void
tq_wait_wake(TqWaitKind kind, int64 key)
{
	ChannelKey	id = channel_key(kind, key);
	Channel    *waited_for;

	if (channels == NULL)
		return;
	pg_memory_barrier();
	if (pg_atomic_read_u32(nwaiting) == 0)
		return;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_CHANNELS), LW_SHARED);
	waited_for = hash_search(channels, &id, HASH_FIND, NULL);
	if (waited_for != NULL)
	{
		pg_atomic_fetch_add_u32(&waited_for->wakeups, 1);
		ConditionVariableBroadcast(&waited_for->cv);
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_CHANNELS));
}
