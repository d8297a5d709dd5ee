/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The worker pool of a database, kept by its scheduler.
 *
 * A worker is started when there is work and nobody idle, up to
 * task_queue.workers; it leaves by itself.  Out of background worker slots, or
 * a fork that failed, is a state with a time to try again: logged once, shown
 * by health().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/guc.h"
#include "bgw/bgw.h"
#include "bgw/pool.h"
#include "bgw/transaction.h"
#include "policy/lane.h"
#include "run/serve.h"
#include "shmem/ready.h"
#include "shmem/slots.h"
#include "store/lane.h"

#define START_TIMEOUT_S		30
#define RETRY_SECONDS		5
#define UNDECIDED_MS		10

/* No worker has this number, so no lane is meant for it by name. */
#define ANY_WORKER			"db/0"

/* Handles of the workers that this scheduler started, by slot. */
static BackgroundWorkerHandle **handles = NULL;

/* What any worker serves; NULL: not known. */
static TqServed *served = NULL;
static MemoryContext served_context = NULL;

static TimestampTz retry_at = 0;
static bool out_of_slots = false;
static bool undecided = false;	/* a worker was asked for, and it is not clear yet who comes */

static void
ensure_handles(void)
{
	if (handles == NULL)
		handles = MemoryContextAllocZero(TopMemoryContext,
										 tq_slot_count() * sizeof(BackgroundWorkerHandle *));
}

static bool
number_is_taken(int number)
{
	for (int i = 0; i < tq_slot_count(); i++)
	{
		TqSlot	   *slot = tq_slot(i);

		if (slot->state != TQ_SLOT_FREE && slot->state != TQ_SLOT_DEAD &&
			slot->database == MyDatabaseId && slot->number == number)
			return true;
	}
	return false;
}

static void
set_out_of_slots(bool now)
{
	if (now && !out_of_slots)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of background worker slots for task_queue workers"),
				 errhint("Consider increasing max_worker_processes, or lowering task_queue.workers.")));
	if (now != out_of_slots)
		tq_database_set_flag(MyDatabaseId, TQ_DATABASE_OUT_OF_SLOTS, now);
	out_of_slots = now;
	if (now)
		retry_at = tq_clock_add(tq_clock_now(), RETRY_SECONDS * USECS_PER_SEC);
}

/* False: it cannot be started now. */
static bool
start_worker(int number)
{
	TqWorkerArgs args = {.database = MyDatabaseId, .number = number};
	MemoryContext old;

	args.slot = tq_slot_reserve(MyDatabaseId, number);
	if (args.slot < 0)
	{
		set_out_of_slots(true);
		return false;
	}
	ensure_handles();
	if (handles[args.slot])
		pfree(handles[args.slot]);
	old = MemoryContextSwitchTo(TopMemoryContext);
	handles[args.slot] = tq_bgw_start_worker(&args);
	MemoryContextSwitchTo(old);
	if (handles[args.slot] == NULL)
	{
		tq_slot_free(args.slot);
		set_out_of_slots(true);
		return false;
	}
	set_out_of_slots(false);
	return true;
}

/* A worker that was registered but never attached: its fork failed. */
static void
check_started(void)
{
	TimestampTz now = tq_clock_now();

	for (int i = 0; i < tq_slot_count(); i++)
	{
		TqSlot	   *slot = tq_slot(i);
		pid_t		pid;

		if (slot->state != TQ_SLOT_STARTING || slot->database != MyDatabaseId)
			continue;
		if (handles && handles[i] &&
			GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
			continue;
		if ((handles && handles[i]) ||
			now > tq_clock_add(slot->since, START_TIMEOUT_S * USECS_PER_SEC))
		{
			tq_slot_free(i);
			retry_at = tq_clock_add(now, RETRY_SECONDS * USECS_PER_SEC);
		}
	}
}

static bool
any_in_state(TqSlotState state)
{
	for (int i = 0; i < tq_slot_count(); i++)
	{
		if (tq_slot(i)->state == state && tq_slot(i)->database == MyDatabaseId)
			return true;
	}
	return false;
}

static void
start_numbered(uint64 numbers)
{
	for (int number = 1; number <= Min(tq_workers, 64); number++)
	{
		if ((numbers & (UINT64CONST(1) << (number - 1))) && !number_is_taken(number))
			(void) start_worker(number);
	}
}

void
tq_pool_forget_served(void)
{
	served = NULL;
}

static void
look_up_served(void *arg)
{
	MemoryContext old;

	if (served_context == NULL)
		served_context = AllocSetContextCreate(TopMemoryContext, "task_queue lanes served",
											   ALLOCSET_DEFAULT_SIZES);
	/* The change may be known to us before its invalidation messages are here. */
	InvalidateSystemCaches();
	MemoryContextReset(served_context);
	old = MemoryContextSwitchTo(served_context);
	served = tq_serve_lanes(ANY_WORKER, NULL, false);
	MemoryContextSwitchTo(old);
}

static bool
has_work(void)
{
	ErrorData  *error = served ? NULL : tq_transaction_run(look_up_served, NULL);

	if (error != NULL)
		tq_transaction_log(error, "looking up what to serve");
	return served != NULL && tq_ready_has_work(MyDatabaseId, served->lanes, served->count);
}

/*
 * One worker at a time: it wakes the scheduler, by asking for another, as soon
 * as it finds more work than it takes.  One that is idle has looked after
 * whoever asked had fed the index.  One that is awake may look yet, or may have
 * taken its task already: then look again in a moment.
 */
static void
start_one(void)
{
	if (any_in_state(TQ_SLOT_IDLE))
		return;
	if (any_in_state(TQ_SLOT_AWAKE) || any_in_state(TQ_SLOT_STARTING))
	{
		undecided = has_work();
		return;
	}
	for (int number = 1; number <= tq_workers; number++)
	{
		if (!number_is_taken(number))
		{
			(void) start_worker(number);
			return;
		}
	}
}

/* Who is meant by tasks with a target of the form worker:db/<n> is started once, to have a look. */
static void
find_targeted(void *arg)
{
	uint64	   *numbers = arg;
	int			n;
	const TqLane *lanes = tq_lane_list(&n);

	for (int i = 0; i < n; i++)
	{
		int			number = TQ_LANE_CLASS(lanes[i].id) - TQ_LANE_CLASS_WORKER;

		if (number >= 1 && number <= 64)
			*numbers |= UINT64CONST(1) << (number - 1);
	}
}

void
tq_pool_start_targeted(void)
{
	uint64		numbers = 0;
	ErrorData  *error = tq_transaction_run(find_targeted, &numbers);

	if (error != NULL)
		tq_transaction_log(error, "looking up targets");
	for (int number = 1; number <= 64; number++)
	{
		if (numbers & (UINT64CONST(1) << (number - 1)))
			tq_database_want_worker(MyDatabaseId, number);
	}
}

void
tq_pool_tend(const TqMessages *messages)
{
	TqDatabase	database;
	bool		work;

	check_started();
	if (!tq_database_get(MyDatabaseId, &database) || database.blocked > 0 ||
		(database.flags & TQ_DATABASE_IS_COPY) || !tq_enabled)
		return;
	if (retry_at > tq_clock_now())
		return;
	work = messages->want_worker || undecided || retry_at != 0 || has_work();
	retry_at = 0;
	undecided = false;
	start_numbered(messages->want_numbers);
	if (work)
		start_one();
	tq_database_set_flag(MyDatabaseId, TQ_DATABASE_POOL_FULL, retry_at != 0 ||
							  tq_slot_count_workers(MyDatabaseId, &(int) {0}) >= tq_workers);
}

TimestampTz
tq_pool_next(void)
{
	if (retry_at != 0)
		return retry_at;
	if (undecided)
		return tq_clock_add(tq_clock_now(), UNDECIDED_MS * TQ_USECS_PER_MS);
	if (any_in_state(TQ_SLOT_STARTING))
		return tq_clock_add(tq_clock_now(), USECS_PER_SEC);
	return TQ_NEVER;
}
