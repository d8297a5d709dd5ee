/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The worker pool of a database, kept by its scheduler.
 *
 * A worker is started when there is work and nobody idle, up to
 * task_queue.workers; it leaves by itself.  Out of background worker slots, or
 * a fork that failed, is a state with a time to try again: logged once, until
 * a worker comes up, and shown by health() as long as one is wanted.
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

#define FAILURES			(TQ_DATABASE_OUT_OF_SLOTS | TQ_DATABASE_START_FAILED)
#define NUMBER_BIT(number)	(UINT64CONST(1) << ((number) - 1))
#define MAX_NUMBER			64

/* No worker has this number, so no lane is meant for it by name. */
#define ANY_WORKER			"db/0"

/* Handles of the workers that this scheduler started, by slot. */
static BackgroundWorkerHandle **handles = NULL;

/* What any worker serves; NULL: not known. */
static TqServed *served = NULL;
static MemoryContext served_context = NULL;

static TimestampTz retry_at = 0;	/* none is started before; 0: no reason to wait */
static int	said = 0;			/* of FAILURES, those that were logged */
static bool starting = false;	/* some have not come up yet */
static bool undecided = false;	/* a worker was asked for, and it is not clear yet who comes */
static uint64 wanted_numbers = 0;	/* as in TqMessages; until started, or there already */

static void
ensure_handles(void)
{
	if (handles == NULL)
		handles = MemoryContextAllocZero(TopMemoryContext,
										 tq_slot_count() * sizeof(BackgroundWorkerHandle *));
}

/* What the worker of this number does; TQ_SLOT_FREE: there is none. */
static TqSlotState
state_of_number(int number)
{
	for (int i = 0; i < tq_slot_count(); i++)
	{
		TqSlot	   *slot = tq_slot(i);
		TqSlotState state = slot->state;

		if (state != TQ_SLOT_FREE && state != TQ_SLOT_DEAD &&
			slot->database == MyDatabaseId && slot->number == number)
			return state;
	}
	return TQ_SLOT_FREE;
}

static void
say_out_of_slots(void)
{
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("out of background worker slots for task_queue workers"),
			 errhint("Consider increasing max_worker_processes, or lowering task_queue.workers.")));
}

static void
say_start_failed(void)
{
	ereport(WARNING,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("a task_queue worker did not come up"),
			 errdetail("It is tried again every %d seconds.", RETRY_SECONDS)));
}

static void
note_failure(TqDatabaseFlag failure)
{
	if (!(said & failure) && failure == TQ_DATABASE_OUT_OF_SLOTS)
		say_out_of_slots();
	else if (!(said & failure))
		say_start_failed();
	said |= failure;
	tq_database_set_flag(MyDatabaseId, failure, true);
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
		note_failure(TQ_DATABASE_OUT_OF_SLOTS);
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
		note_failure(TQ_DATABASE_OUT_OF_SLOTS);
		return false;
	}
	starting = true;
	return true;
}

/* Will nobody attach to a slot any more? Without a handle an earlier scheduler has started the worker. */
static bool
has_no_process(int i)
{
	pid_t		pid;

	if (handles != NULL && handles[i] != NULL)
		return GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED;
	return tq_clock_now() > tq_clock_add(tq_slot(i)->since, START_TIMEOUT_S * USECS_PER_SEC);
}

static bool
is_starting(const TqSlot *slot)
{
	return slot->state == TQ_SLOT_STARTING && slot->database == MyDatabaseId;
}

/* A worker that was registered but never attached: its fork failed. */
static void
check_started(void)
{
	bool		was_starting = starting;
	bool		failed = false;

	starting = false;
	for (int i = 0; i < tq_slot_count(); i++)
	{
		TqSlot	   *slot = tq_slot(i);
		bool		lost = is_starting(slot) && has_no_process(i);

		/* Look again: it may have attached, and left, in between. */
		if (!is_starting(slot))
			continue;
		if (!lost)
		{
			starting = true;
			continue;
		}
		if (slot->number <= MAX_NUMBER)
			wanted_numbers |= NUMBER_BIT(slot->number);
		tq_slot_free(i);
		failed = true;
	}
	if (failed)
		note_failure(TQ_DATABASE_START_FAILED);
	else if (was_starting && !starting)
		said = 0;
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

/*
 * Those that tasks name.  One that is there looks for more when it is done, and
 * an idle one has looked; but one that is awake may be about to leave.
 */
static void
start_numbered(void)
{
	for (int number = 1; number <= Min(tq_workers, MAX_NUMBER); number++)
	{
		TqSlotState state;

		if (!(wanted_numbers & NUMBER_BIT(number)))
			continue;
		state = state_of_number(number);
		if (state == TQ_SLOT_AWAKE)
			undecided = true;
		else if (state != TQ_SLOT_FREE || start_worker(number))
			wanted_numbers &= ~NUMBER_BIT(number);
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
		undecided |= has_work();
		return;
	}
	for (int number = 1; number <= tq_workers; number++)
	{
		if (state_of_number(number) == TQ_SLOT_FREE)
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

		if (number >= 1 && number <= MAX_NUMBER)
			*numbers |= NUMBER_BIT(number);
	}
}

void
tq_pool_start_targeted(void)
{
	ErrorData  *error = tq_transaction_run(find_targeted, &wanted_numbers);

	if (error != NULL)
		tq_transaction_log(error, "looking up targets");
}

static bool
may_start(void)
{
	TqDatabase	database;

	return tq_enabled && tq_database_get(MyDatabaseId, &database) &&
		database.blocked == 0 && !(database.flags & TQ_DATABASE_IS_COPY);
}

void
tq_pool_tend(const TqMessages *messages)
{
	wanted_numbers |= messages->want_numbers;
	check_started();
	if (retry_at <= tq_clock_now())
	{
		bool		asked = messages->want_worker || undecided;

		retry_at = 0;
		undecided = false;
		if (may_start())
		{
			start_numbered();
			if (asked || has_work())
				start_one();
		}
	}
	tq_database_set_flag(MyDatabaseId, TQ_DATABASE_POOL_FULL, retry_at != 0 ||
						 tq_slot_count_workers(MyDatabaseId, &(int) {0}) >= tq_workers);
	if (retry_at == 0 && !starting)
		tq_database_set_flag(MyDatabaseId, FAILURES, false);
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
