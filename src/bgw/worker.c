/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The main loop of a worker: take a task, run it, sleep.
 *
 * A worker takes ids from the ready index, locks the row, claims the task and
 * executes it (attempt.c).  It finds out which lanes it serves again whenever
 * the configuration epoch of its database has changed.  Without work it marks
 * its slot idle, looks once more, and sleeps on its latch: whoever feeds the
 * index afterwards sees the idle slot and wakes it.  A worker that leaves more
 * work behind wakes the next one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "bgw/attempt.h"
#include "bgw/bgw.h"
#include "bgw/session.h"
#include "bgw/transaction.h"
#include "run/interrupt.h"
#include "run/serve.h"
#include "shmem/claims.h"
#include "shmem/databases.h"
#include "shmem/held.h"
#include "shmem/ready.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"

typedef struct Worker
{
	TqWorkerArgs args;
	char		name[TQ_CLAIM_NAME_LEN];
	MemoryContext task_context; /* reset after each task */
	MemoryContext serve_context;
	TqServed   *served;
	uint32		config_epoch;
	bool		config_known;
	int64	   *open_lanes;		/* of served, those whose queue has room */
	int			turn;			/* which lane is next among those of the same priority */
	TimestampTz idle_since;
} Worker;

static Worker worker;
static uint32 seen_cancel_epoch = 0;

/*
 * A cancel of the worker's task comes through its slot; one that comes late,
 * for a task that has ended, is dropped.  Any other SIGINT is for a task that
 * its handler drains, or a pg_cancel_backend(): that fails the attempt, and
 * means nothing to an idle worker.
 */
static void
handle_sigint(SIGNAL_ARGS)
{
	int			save_errno = errno;
	uint32		epoch = tq_my_slot ? tq_my_slot->cancel_epoch : 0;

	if (epoch != seen_cancel_epoch)
	{
		seen_cancel_epoch = epoch;
		if (tq_slot_cancel_requested())
			tq_interrupt_cancel_task();
	}
	else
		tq_interrupt_by_signal();
	errno = save_errno;
}

/* Somebody else crashed: this task is not to blame. */
static void
handle_sigquit(SIGNAL_ARGS)
{
	if (tq_my_slot != NULL)
		tq_my_slot->stopped = true;
	SignalHandlerForCrashExit(postgres_signal_arg);
}

static void
serve_again(void *arg)
{
	MemoryContext old;

	/*
	 * We may have been told of a change before its invalidation messages have
	 * come: a commit sends them after it has run its callbacks.
	 */
	InvalidateSystemCaches();
	MemoryContextReset(worker.serve_context);
	old = MemoryContextSwitchTo(worker.serve_context);
	worker.served = tq_serve_lanes(worker.name, NULL, false);
	worker.open_lanes = palloc(Max(1, worker.served->count) * sizeof(int64));
	MemoryContextSwitchTo(old);
	for (int i = 0; i < worker.served->npaused; i++)
		tq_ready_close(MyDatabaseId, worker.served->paused[i], worker.config_epoch);
}

/* False: the lanes are not known; the database may be on its way out. */
static bool
know_lanes(void)
{
	TqDatabase	database;
	ErrorData  *error;

	if (!tq_database_get(MyDatabaseId, &database) || database.blocked > 0)
		return false;
	if ((database.flags & (TQ_DATABASE_IS_COPY | TQ_DATABASE_NOT_LISTED)) || !tq_enabled)
		return false;
	if (worker.config_known && worker.config_epoch == database.config_epoch)
		return true;
	worker.config_epoch = database.config_epoch;
	error = tq_transaction_run(serve_again, NULL);
	if (error != NULL)
		tq_transaction_log(error, "looking up what to serve");
	worker.config_known = error == NULL;
	return worker.config_known;
}

/* The lanes whose queue has room for one more running task. */
static int
find_open_lanes(void)
{
	TqServed   *served = worker.served;
	int			n = 0;

	for (int i = 0; i < served->count; i++)
	{
		if (tq_claim_queue_is_full(served->queues[i], served->max_running[i]))
			continue;
		worker.open_lanes[n++] = served->lanes[i];
	}
	return n;
}

static void
refill(void *lane)
{
	/* Others passed over the lane meanwhile. */
	if (tq_serve_refill(*(int64 *) lane) > 1)
		tq_wake_worker(MyDatabaseId, 0);
}

/* False: there is nothing to do. */
static bool
take_key(TqReadyKey *key, int64 *lane)
{
	/* With more lanes than memory has room for, each refill may push another lane out. */
	for (int refills = 0;; refills++)
	{
		int			n = find_open_lanes();
		int			index;
		bool		more;
		ErrorData  *error;

		(void) tq_bgw_check_interrupts();
		tq_held_reserve();
		switch (tq_ready_pop(MyDatabaseId, worker.open_lanes, n, worker.turn, key, &index, &more))
		{
			case TQ_POP_EMPTY:
				return false;
			case TQ_POP_REFILL:
				if (refills > 2 * n)
					return false;
				error = tq_transaction_run(refill, &worker.open_lanes[index]);
				if (error != NULL)
				{
					tq_transaction_log(error, "reading ready tasks");
					return false;
				}
				break;
			case TQ_POP_GOT:
				*lane = worker.open_lanes[index];
				tq_held_add(*lane, key);
				worker.turn = index + 1;
				if (more)
					tq_wake_worker(MyDatabaseId, 0);
				return true;
		}
	}
}

static bool
take_and_run(void)
{
	TqReadyKey	key;
	int64		lane;

	if (!know_lanes() || !take_key(&key, &lane))
		return false;
	MemoryContextSwitchTo(worker.task_context);
	tq_attempt_run(worker.name, lane, &key);
	MemoryContextReset(worker.task_context);
	return true;
}

/* Resident memory of this process in kilobytes, shared memory left out; 0 if unknown. */
static long
private_memory_kb(void)
{
	FILE	   *file = fopen("/proc/self/statm", "r");
	long		total,
				resident,
				shared;
	int			n;

	if (file == NULL)
		return 0;
	n = fscanf(file, "%ld %ld %ld", &total, &resident, &shared);
	fclose(file);
	return n == 3 ? (resident - shared) * (sysconf(_SC_PAGESIZE) / 1024) : 0;
}

static bool
has_grown_too_large(void)
{
	return tq_worker_memory_limit > 0 && private_memory_kb() > tq_worker_memory_limit;
}

/* Sleep until woken.  False: it is time to leave. */
static bool
sleep_idle(void)
{
	TimestampTz now = tq_clock_now();
	int64		left;
	long		refused = tq_held_return_due();
	TqDatabase	database;

	if (worker.args.number > tq_workers ||
		(tq_database_get(MyDatabaseId, &database) && (database.flags & TQ_DATABASE_NOT_LISTED)))
		return false;
	if (worker.idle_since == 0)
	{
		worker.idle_since = now;
		tq_bgw_report(NULL);
		pgstat_report_stat(true);
	}
	left = (int64) tq_idle_worker_timeout - (now - worker.idle_since) / TQ_USECS_PER_MS;
	if (left <= 0)
		return false;
	if (refused >= 0)
		left = Min(left, refused);
	tq_clock_sleep(left, tq_shmem_wait_event());
	(void) tq_held_return_due();
	return true;
}

static void
main_loop(void)
{
	int			executions = 0;

	for (;;)
	{
		/* Temporary tables come first in every search path; another process does the rest. */
		if (tq_session_is_spoiled())
			break;
		if (tq_bgw_check_interrupts())
			worker.config_known = false;	/* claims may have changed */
		(void) tq_held_return_due();
		if (take_and_run())
		{
			worker.idle_since = 0;
			if (++executions % 1000 == 0 && has_grown_too_large())
				break;
			continue;
		}
		tq_slot_set_state(TQ_SLOT_IDLE);
		if (take_and_run())
		{
			worker.idle_since = 0;
			continue;
		}
		if (!sleep_idle())
		{
			/* From here on nobody wakes us: look once more. */
			tq_slot_set_state(TQ_SLOT_AWAKE);
			if (!take_and_run())
				break;
		}
		tq_slot_set_state(TQ_SLOT_AWAKE);
	}
}

void
tq_worker_main(Datum arg)
{
	tq_bgw_args(&worker.args);
	snprintf(worker.name, sizeof(worker.name), "db/%d", worker.args.number);
	if (!tq_slot_attach(worker.args.slot, worker.args.database, worker.args.number))
		proc_exit(0);
	seen_cancel_epoch = tq_my_slot->cancel_epoch;
	pqsignal(SIGINT, handle_sigint);
	pqsignal(SIGQUIT, handle_sigquit);
	tq_bgw_connect(worker.args.database);

	worker.task_context = AllocSetContextCreate(TopMemoryContext, "task_queue task",
												ALLOCSET_DEFAULT_SIZES);
	worker.serve_context = AllocSetContextCreate(TopMemoryContext, "task_queue lanes served",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(worker.task_context);
	main_loop();
	proc_exit(0);
}
