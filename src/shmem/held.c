/*-------------------------------------------------------------------------
 *
 * held.c
 *	  Keys that this process has taken out of the ready index.
 *
 * See held.h.  The list is in the process's own memory and short: a worker
 * holds what it executes, and what it was refused lately.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "shmem/held.h"
#include "shmem/slots.h"

/* How long a refused key stays out, by the number of refusals in a row. */
static const int refusal_ms[] = {100, 1000, 10000};

#define REMEMBERED_REFUSALS	256

typedef struct Held
{
	int64		lane;
	TqReadyKey	key;
	TimestampTz due;			/* 0: it is in our hands */
} Held;

typedef struct Refusal
{
	int64		task_id;
	int			count;
} Refusal;

static Held *held = NULL;
static int	nheld = 0;
static int	held_size = 0;

static Refusal refusals[REMEMBERED_REFUSALS];
static int	next_refusal = 0;

static void
give_back(const Held *one)
{
	tq_ready_push(MyDatabaseId, one->lane, &one->key);
	tq_wake_worker(MyDatabaseId, 0);
}

/* The task that a worker dies with is settled by the scheduler. */
static void
return_at_exit(int code, Datum arg)
{
	if (tq_my_slot != NULL && tq_my_slot->state == TQ_SLOT_BUSY)
		tq_held_drop(tq_my_slot->task_id);
	tq_held_return_all();
}

void
tq_held_reserve(void)
{
	if (held == NULL)
	{
		held = MemoryContextAlloc(TopMemoryContext, 16 * sizeof(Held));
		held_size = 16;
		before_shmem_exit(return_at_exit, (Datum) 0);
	}
	else if (nheld == held_size)
	{
		held = repalloc(held, 2 * held_size * sizeof(Held));
		held_size *= 2;
	}
}

void
tq_held_add(int64 lane, const TqReadyKey *key)
{
	Held	   *one = &held[nheld++];

	Assert(nheld <= held_size);
	one->lane = lane;
	one->key = *key;
	one->due = 0;
}

static Held *
find(int64 task_id)
{
	for (int i = nheld - 1; i >= 0; i--)
	{
		if (held[i].key.task_id == task_id && held[i].due == 0)
			return &held[i];
	}
	return NULL;
}

void
tq_held_drop(int64 task_id)
{
	Held	   *one = find(task_id);

	if (one != NULL)
		*one = held[--nheld];
}

int
tq_held_count(void)
{
	return nheld;
}

void
tq_held_drop_since(int count)
{
	nheld = Min(nheld, count);
}

/* How often in a row, this time included; forgotten when many others were refused since. */
static int
count_refusal(int64 task_id)
{
	Refusal    *refusal;

	for (int i = 0; i < REMEMBERED_REFUSALS; i++)
	{
		if (refusals[i].task_id == task_id)
			return ++refusals[i].count;
	}
	refusal = &refusals[next_refusal];
	next_refusal = (next_refusal + 1) % REMEMBERED_REFUSALS;
	refusal->task_id = task_id;
	refusal->count = 1;
	return 1;
}

void
tq_held_refuse(int64 task_id)
{
	Held	   *one = find(task_id);
	int			count = count_refusal(task_id);

	if (one == NULL)
		return;
	if (count > lengthof(refusal_ms))
		tq_held_drop(task_id);
	else
		one->due = tq_clock_add(tq_clock_now(), refusal_ms[count - 1] * TQ_USECS_PER_MS);
}

long
tq_held_return_due(void)
{
	TimestampTz now;
	TimestampTz next = 0;

	if (nheld == 0)
		return -1;
	now = tq_clock_now();
	for (int i = nheld - 1; i >= 0; i--)
	{
		if (held[i].due == 0)
			continue;
		if (held[i].due <= now)
		{
			tq_ready_push(MyDatabaseId, held[i].lane, &held[i].key);
			held[i] = held[--nheld];
		}
		else if (next == 0 || held[i].due < next)
			next = held[i].due;
	}
	return next == 0 ? -1 : (next - now) / TQ_USECS_PER_MS + 1;
}

void
tq_held_return_all(void)
{
	while (nheld > 0)
		give_back(&held[--nheld]);
}
