/*-------------------------------------------------------------------------
 *
 * poll.c
 *	  Sleeping until a task comes that an external worker can take.
 *
 * Each backend has an entry; those that wait are in a list, oldest first,
 * under one lock.  Who wakes looks through the list for somebody who serves
 * the lane, so the cost is that of the waiters before him.  A backend with
 * more lanes than fit says that it serves any; if it is then woken for one
 * that it does not serve, it passes the wake-up on, to those only who had
 * entered before the task came: whoever enters later looks by himself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "base/clock.h"
#include "base/compat.h"
#include "shmem/poll.h"
#include "shmem/shmem.h"

#define MAX_LANES	64

typedef struct Waiter
{
	dlist_node	node;
	bool		listed;
	Oid			database;
	Latch	   *latch;
	uint64		entered;		/* number of the entry */
	bool		limited;
	int			nlanes;			/* -1: any */
	int64		lanes[MAX_LANES];

	/* Set by whoever takes it off the list. */
	volatile bool woken;
	int64		woken_lane;		/* 0: no lane in particular */
	uint64		woken_before;	/* the wake-up is for those who entered before that */
} Waiter;

typedef struct Polls
{
	pg_atomic_uint32 count;		/* of the list; lets those who wake skip the lock */
	uint64		entries;
	dlist_head	list;
	Waiter		waiters[FLEXIBLE_ARRAY_MEMBER];
} Polls;

static Polls *polls = NULL;

/* Of this backend: its entry while it polls, and what it was woken for and has not found yet. */
static Waiter *mine = NULL;
static int64 owed_lane = 0;
static uint64 owed_before;

static int
max_waiters(void)
{
	return MaxBackends + NUM_AUXILIARY_PROCS;
}

Size
tq_poll_shmem_size(void)
{
	return add_size(offsetof(Polls, waiters), mul_size(max_waiters(), sizeof(Waiter)));
}

void
tq_poll_shmem_attach(void *memory, bool found)
{
	polls = memory;
	if (found)
		return;
	memset(polls, 0, tq_poll_shmem_size());
	pg_atomic_init_u32(&polls->count, 0);
	dlist_init(&polls->list);
}

static void
lock(void)
{
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_POLLS), LW_EXCLUSIVE);
}

static void
unlock(void)
{
	LWLockRelease(tq_shmem_lock(TQ_LOCK_POLLS));
}

static bool
contains(const int64 *lanes, int nlanes, int64 lane)
{
	for (int i = 0; i < nlanes; i++)
	{
		if (lanes[i] == lane)
			return true;
	}
	return false;
}

static bool
serves(const Waiter *waiter, int64 lane)
{
	return waiter->nlanes < 0 || contains(waiter->lanes, waiter->nlanes, lane);
}

static void
enlist(Waiter *waiter)
{
	waiter->entered = ++polls->entries;
	waiter->woken = false;
	dlist_push_tail(&polls->list, &waiter->node);
	waiter->listed = true;
	pg_atomic_fetch_add_u32(&polls->count, 1);
}

static void
delist(Waiter *waiter)
{
	dlist_delete(&waiter->node);
	waiter->listed = false;
	pg_atomic_fetch_sub_u32(&polls->count, 1);
}

static void
wake(Waiter *waiter, int64 lane, uint64 before)
{
	delist(waiter);
	waiter->woken_lane = lane;
	waiter->woken_before = before;
	waiter->woken = true;
	SetLatch(waiter->latch);
}

/* Wake up to n who serve the lane and entered before that; the lock is held. */
static void
wake_some(Oid database, int64 lane, int n, uint64 before)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &polls->list)
	{
		Waiter	   *waiter = dlist_container(Waiter, node, iter.cur);

		if (n <= 0 || waiter->entered >= before)
			break;
		if (waiter->database != database || !serves(waiter, lane))
			continue;
		wake(waiter, lane, before);
		n--;
	}
}

/* What this backend was woken for; the lock is held. */
static void
take_wakeup(void)
{
	if (!mine->woken)
		return;
	mine->woken = false;
	if (mine->woken_lane != 0)
	{
		owed_lane = mine->woken_lane;
		owed_before = mine->woken_before;
	}
}

static void
pass_on(void)
{
	if (owed_lane != 0)
		wake_some(MyDatabaseId, owed_lane, 1, owed_before);
	owed_lane = 0;
}

static void
leave_at_exit(int code, Datum arg)
{
	tq_poll_abort();
}

static void
find_mine(void)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;
	Assert(MyProcNumber < max_waiters());
	mine = &polls->waiters[MyProcNumber];
	mine->listed = false;
	mine->woken = false;
}

void
tq_poll_enter(const int64 *lanes, int nlanes, bool limited)
{
	if (mine == NULL)
		find_mine();
	lock();
	take_wakeup();
	if (mine->listed)
		delist(mine);
	mine->database = MyDatabaseId;
	mine->latch = MyLatch;
	mine->limited = limited;
	mine->nlanes = nlanes <= MAX_LANES ? nlanes : -1;
	if (nlanes <= MAX_LANES)
		memcpy(mine->lanes, lanes, nlanes * sizeof(int64));
	if (!contains(lanes, nlanes, owed_lane))
		pass_on();
	enlist(mine);
	unlock();
}

/* Having looked in vain, this backend owes nothing. */
void
tq_poll_sleep(long ms)
{
	TimestampTz end = tq_clock_add(tq_clock_now(), ms * TQ_USECS_PER_MS);

	owed_lane = 0;
	while (!mine->woken)
	{
		int64		left = (end - tq_clock_now() + TQ_USECS_PER_MS - 1) / TQ_USECS_PER_MS;

		if (left <= 0)
			break;
		tq_clock_sleep_for_client(left, tq_shmem_wait_event());
	}
}

/*
 * What came for this backend after its last look is passed on, unless that
 * look left nothing behind.
 */
void
tq_poll_leave(bool took_all)
{
	if (mine == NULL)
		return;
	lock();
	if (mine->listed)
		delist(mine);
	if (took_all)
		owed_lane = 0;
	pass_on();
	take_wakeup();
	pass_on();
	unlock();
	mine = NULL;
}

void
tq_poll_abort(void)
{
	tq_poll_leave(false);
}

/*
 * The caller has put the tasks into the ready index already.  A waiter that is
 * not in the list yet will look there after it has entered: the barrier orders
 * the two.
 */
static bool
nobody_waits(void)
{
	if (polls == NULL)
		return true;
	pg_memory_barrier();
	return pg_atomic_read_u32(&polls->count) == 0;
}

void
tq_poll_wake(Oid database, int64 lane, int ntasks)
{
	if (nobody_waits())
		return;
	lock();
	wake_some(database, lane, ntasks, polls->entries + 1);
	unlock();
}

static void
wake_where(Oid database, bool limited_only)
{
	dlist_mutable_iter iter;

	if (nobody_waits())
		return;
	lock();
	dlist_foreach_modify(iter, &polls->list)
	{
		Waiter	   *waiter = dlist_container(Waiter, node, iter.cur);

		if (waiter->database == database && (waiter->limited || !limited_only))
			wake(waiter, 0, 0);
	}
	unlock();
}

void
tq_poll_wake_all(Oid database)
{
	wake_where(database, false);
}

void
tq_poll_wake_limited(Oid database)
{
	wake_where(database, true);
}
