/*-------------------------------------------------------------------------
 *
 * dequeue.c
 *	  Handing tasks out to external workers.
 *
 * One look takes ids from the ready index, locks their rows and claims them.
 * An id that was taken is then either handed out, or held by somebody else who
 * puts it back when he must, or stale, or put back here.  What was locked but
 * not handed out stays locked until the transaction ends; a call that waits
 * therefore returns without a task rather than go on waiting after that.
 *
 * What the transaction itself has made ready is in no index before its commit,
 * and nobody else sees it; it comes last.  Who serves more lanes than the index
 * has room for is given tasks from the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "run/dequeue.h"
#include "run/lease.h"
#include "run/room.h"
#include "shmem/claim_lock.h"
#include "shmem/claims.h"
#include "shmem/databases.h"
#include "shmem/flush.h"
#include "shmem/held.h"
#include "shmem/poll.h"
#include "shmem/ready.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/leased.h"
#include "store/maintain.h"
#include "store/queue.h"

/* Without the library, or while a locked row is waited for. */
#define TABLE_POLL_MS		50
#define BUSY_POLL_MS		100
#define NO_SCHEDULER_MS		1000

/* How long to wait for somebody else who reads a lane. */
#define REFILL_TRIES		200

typedef struct Taken
{
	int64		lane;
	int			max_running;
	TqReadyKey	key;
	bool		busy;			/* its row was locked: put it back */
} Taken;

typedef struct Look
{
	const TqDequeue *request;
	TqServed   *served;
	bool		crowded;		/* memory has no room for so many lanes */
	bool		more;			/* there was more than was taken */
	bool		busy;			/* some rows were locked by others */
	bool		touched;		/* something was written, or locked in vain */
	TqHandout  *handouts;
	int			nhandouts;
} Look;

static void
refill(int64 lane)
{
	int			n = tq_serve_refill(lane);

	/* Others passed over the lane meanwhile. */
	if (n > 1)
		tq_poll_wake(MyDatabaseId, lane, n - 1);
}

/*
 * Take up to max ids.  Those that are claimed are dropped: whoever holds the
 * claim puts the id back if the task becomes ready again.
 */
static int
take_ids(Look *look, Taken *taken, int max)
{
	TqServed   *served = look->served;
	TqRoom	   *rooms = tq_room_find(served);
	int64	   *lanes = palloc(Max(1, served->count) * sizeof(int64));
	int		   *index = palloc(Max(1, served->count) * sizeof(int));
	int			nlanes = tq_room_lanes(served, rooms, lanes, index);
	int			tries = 0;
	int			refills = 0;
	int			n = 0;

	look->more = false;
	while (n < max)
	{
		Taken	   *next = &taken[n];
		int			at;

		CHECK_FOR_INTERRUPTS();
		tq_held_reserve();
		switch (tq_ready_pop(MyDatabaseId, lanes, nlanes, -1, &next->key, &at, &look->more))
		{
			case TQ_POP_REFILL:
				/* Lanes that others are asked for may push ours out. */
				look->crowded = ++refills > 2 * nlanes;
				if (look->crowded)
					return n;
				refill(lanes[at]);
				continue;
			case TQ_POP_EMPTY:
				look->more = false;
				if (n > 0 || ++tries > REFILL_TRIES ||
					!tq_ready_has_work(MyDatabaseId, lanes, nlanes))
					return n;
				tq_clock_sleep(1, tq_shmem_wait_event());
				continue;
			case TQ_POP_GOT:
				break;
		}
		if (tq_claim_find(next->key.task_id, NULL))
			continue;
		tq_held_add(lanes[at], &next->key);
		next->lane = lanes[at];
		next->max_running = served->max_running[index[at]];
		next->busy = false;
		n++;
		if (next->max_running > 0 && --rooms[rooms[index[at]].first].left <= 0)
			nlanes = tq_room_lanes(served, rooms, lanes, index);
	}
	return n;
}

static bool
is_current(const Taken *taken, const TqTask *task)
{
	return task->state == TQ_TASK_READY && task->lane == taken->lane &&
		task->priority == taken->key.priority && task->run_at == taken->key.run_at;
}

static void
hand_out(Look *look, TqTask *task, int max_running)
{
	switch (tq_handout_make(look->request, task, max_running, &look->handouts[look->nhandouts]))
	{
		case TQ_HANDED_OUT:
			/* There was no room in memory, so the lease is in the row. */
			if (task->state == TQ_TASK_RUNNING)
				look->touched = true;
			look->nhandouts++;
			break;
		default:
			look->touched = true;
			break;
	}
}

static void
lock_and_hand_out(Look *look, Taken *taken, int n)
{
	int64	   *ids = palloc(n * sizeof(int64));
	TqTask	  **tasks = palloc(n * sizeof(TqTask *));
	TqLockResult *results = palloc(n * sizeof(TqLockResult));

	for (int i = 0; i < n; i++)
		ids[i] = taken[i].key.task_id;
	tq_task_lock_many(ids, n, TQ_LOCK_SKIP, tasks, results);
	for (int i = 0; i < n; i++)
	{
		taken[i].busy = results[i] == TQ_LOCK_BUSY;
		if (results[i] != TQ_LOCKED)
			continue;
		if (is_current(&taken[i], tasks[i]))
			hand_out(look, tasks[i], taken[i].max_running);
		else
			look->touched = true;
	}
}

/* They are not waited for, so others may take them at once when they are free. */
static void
put_busy_back(Look *look, const Taken *taken, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!taken[i].busy)
			continue;
		tq_ready_push(MyDatabaseId, taken[i].lane, &taken[i].key);
		look->busy = true;
	}
}

/*
 * What was paused before the claim was made must not start: so the queues are
 * looked at again once the claims stand.
 */
static void
take_back_paused(Look *look)
{
	int			kept = 0;

	AcceptInvalidationMessages();
	for (int i = 0; i < look->nhandouts; i++)
	{
		const TqQueue *queue = tq_queue_find(look->handouts[i].task->queue, true);

		if (queue == NULL || !queue->paused)
			look->handouts[kept++] = look->handouts[i];
		else
		{
			tq_handout_undo(&look->handouts[i]);
			look->touched = true;
		}
	}
	look->nhandouts = kept;
}

static int
max_running_of(const TqServed *served, int64 lane)
{
	for (int i = 0; i < served->count; i++)
	{
		if (served->lanes[i] == lane)
			return served->max_running[i];
	}
	return 0;
}

/*
 * Of what the transaction has made ready itself, or of everything.  What was
 * looked at is left alone from then on, handed out or not, or it would be found
 * again and again.
 */
static void
look_at_rows(Look *look, bool own)
{
	TqServed   *served = look->served;
	int			max = look->request->max_tasks;
	TqTask	  **tasks = palloc(max * sizeof(TqTask *));
	int64	   *seen = palloc(sizeof(int64));
	TqScheduledList scheduled = {.entries = NULL};
	TqTaskFilter filter = {
		.scheduled = own ? &scheduled : NULL,
		.due_by = tq_clock_now(),
		.this_transaction = own,
		.unclaimed = true
	};
	int64	   *lanes = palloc(Max(1, served->count) * sizeof(int64));
	int		   *index = palloc(Max(1, served->count) * sizeof(int));
	int			wanted;
	int			found;

	do
	{
		int			nlanes = tq_room_lanes(served, tq_room_find(served), lanes, index);

		wanted = max - look->nhandouts;
		filter.excluded = seen;
		found = tq_task_lock_next(lanes, nlanes, &filter, wanted, tasks);
		seen = repalloc(seen, (filter.nexcluded + found + 1) * sizeof(int64));
		for (int i = 0; i < found; i++)
		{
			seen[filter.nexcluded++] = tasks[i]->task_id;
			hand_out(look, tasks[i], max_running_of(served, tasks[i]->lane));
		}
	} while (found == wanted && look->nhandouts < max);
	look->more = found == wanted;
}

static void
look_in_memory(Look *look)
{
	int			max = look->request->max_tasks;
	int			held_before = tq_held_count();
	Taken	   *taken = palloc(max * sizeof(Taken));
	int			ntaken = 0;

	look->crowded = !tq_ready_has_room(look->served->count);
	while (look->nhandouts < max && !look->crowded)
	{
		int			n;

		if (ntaken + max > MaxAllocSize / sizeof(Taken))
			break;
		if (ntaken > 0)
			taken = repalloc(taken, (ntaken + max) * sizeof(Taken));
		n = take_ids(look, taken + ntaken, max - look->nhandouts);
		if (n == 0)
			break;
		lock_and_hand_out(look, taken + ntaken, n);
		ntaken += n;
	}
	put_busy_back(look, taken, ntaken);
	tq_held_drop_since(held_before);
	if (look->nhandouts < max && look->crowded)
		look_at_rows(look, false);
	if (look->nhandouts < max && tq_xact_made_ready())
		look_at_rows(look, true);
	if (look->nhandouts > 0)
		take_back_paused(look);
}

/*
 * Without the library each limited queue is locked until the transaction ends,
 * or until it turns out that nothing can be taken from it, so that others
 * count what is taken here.
 */
static void
look_in_table_queue(Look *look, const int64 *lanes, int nlanes, const char *queue, int max_running)
{
	TqScheduledList scheduled = {.entries = NULL};
	TqTaskFilter filter = {.scheduled = &scheduled, .due_by = tq_clock_now()};
	int			max = look->request->max_tasks - look->nhandouts;
	int			before = look->nhandouts;
	TqTask	  **tasks;
	int			leased;
	int			n;

	if (max_running > 0)
	{
		tq_claim_lock_queue(queue);
		leased = tq_leased_count(queue);
		max = tq_claim_lock_count_free(queue, max_running, max + leased) - leased;
	}
	if (max > 0)
	{
		tasks = palloc(max * sizeof(TqTask *));
		n = tq_task_lock_next(lanes, nlanes, &filter, max, tasks);
		for (int i = 0; i < n; i++)
			hand_out(look, tasks[i], 0);
	}
	if (max_running > 0 && look->nhandouts == before)
		tq_claim_unlock_queue(queue);
}

static void
look_in_table(Look *look)
{
	TqServed   *served = look->served;
	int64	   *unlimited = palloc(Max(1, served->count) * sizeof(int64));
	int			n = 0;

	look->touched |= tq_lease_expire_rows(served->queues, served->count) > 0;
	for (int i = 0; i < served->count; i++)
	{
		if (served->max_running[i] == 0)
			unlimited[n++] = served->lanes[i];
	}
	if (n > 0)
		look_in_table_queue(look, unlimited, n, NULL, 0);
	for (int i = 0; i < served->count && look->nhandouts < look->request->max_tasks; i++)
	{
		if (served->max_running[i] > 0)
			look_in_table_queue(look, &served->lanes[i], 1, served->queues[i], served->max_running[i]);
	}
}

/* Nobody but this call notices what happens by time. */
static void
stand_in_for_scheduler(Look *look)
{
	bool		left;

	look->touched |= tq_lease_expire_claims(look->served->queues, look->served->count) > 0;
	look->touched |= tq_lease_expire_rows(look->served->queues, look->served->count) > 0;
	look->touched |= tq_maintain_promote_due(1000, &left) > 0;
}

/* False: nothing may be handed out here, it is a copy of another database. */
static bool
know_database(bool *has_scheduler)
{
	TqDatabase	database;

	*has_scheduler = false;
	if (!tq_database_get(MyDatabaseId, &database))
		return true;
	*has_scheduler = database.scheduler_pid != 0;
	return (database.flags & TQ_DATABASE_IS_COPY) == 0;
}

/* One look; returns for how long to wait for another one at most. */
static long
look_once(Look *look, bool polling)
{
	bool		has_scheduler;
	bool		known = know_database(&has_scheduler);

	look->served = tq_offer_lanes(look->request, polling && tq_shmem_available());
	if (!known)
		look->served->count = 0;
	look->handouts = palloc(look->request->max_tasks * sizeof(TqHandout));
	if (!tq_shmem_available())
	{
		look_in_table(look);
		return TABLE_POLL_MS;
	}
	if (!has_scheduler)
		stand_in_for_scheduler(look);
	look_in_memory(look);
	if (look->busy)
		return BUSY_POLL_MS;
	return has_scheduler ? TQ_MAX_SLEEP_MS : NO_SCHEDULER_MS;
}

static void
sleep_for(long ms)
{
	if (tq_shmem_available())
		tq_poll_sleep(ms);
	else
		tq_clock_sleep_for_client(ms, tq_shmem_wait_event());
}

/*
 * The first look is made before the backend says that it waits: mostly there
 * is something.
 */
int
tq_dequeue(const TqDequeue *request, int64 wait_us, TqHandout **handouts)
{
	TimestampTz end = tq_clock_add(tq_clock_now(), wait_us);
	MemoryContext context = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(context, "task_queue dequeue",
												  ALLOCSET_DEFAULT_SIZES);
	bool		polling = false;
	Look		look;

	for (;;)
	{
		long		pause;
		int64		left;

		MemoryContextReset(scratch);
		MemoryContextSwitchTo(scratch);
		memset(&look, 0, sizeof(look));
		look.request = request;
		tq_flush_locks_begin();
		pause = look_once(&look, polling);
		if (!look.touched)
			tq_flush_locks_end();
		left = (end - tq_clock_now() + TQ_USECS_PER_MS - 1) / TQ_USECS_PER_MS;
		if (look.nhandouts > 0 || look.touched || left <= 0)
			break;
		if (polling)
			sleep_for(Min(pause, left));
		polling = true;
	}
	if (tq_shmem_available())
		tq_poll_leave(!look.more);
	MemoryContextSwitchTo(context);
	*handouts = look.handouts;
	return look.nhandouts;
}
