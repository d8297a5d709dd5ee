/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The scheduler of a database: everything that happens by time.
 *
 * Promotes what is due, keeps the worker pool and the partitions of history,
 * settles what dead workers left, ends leases that ran out, and sweeps.  Idle, it sleeps until the next
 * scheduled task is due; it runs no query as long as nothing happens.
 *
 * Nothing here waits for a lock that a user may hold: what could is a chore
 * (chore.h) or upkeep, which give up soon and try again.  The rest only reads,
 * or passes over rows that are locked.
 *
 * An error there ends the process; the launcher starts another one after a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "bgw/bgw.h"
#include "bgw/pool.h"
#include "bgw/transaction.h"
#include "bgw/upkeep.h"
#include "shmem/databases.h"
#include "shmem/lease.h"
#include "shmem/poll.h"
#include "shmem/ready.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
#include "store/maintain.h"

#define PROMOTE_BATCH		1000
#define SWEEP_SECONDS		60
#define UPKEEP_SECONDS		3600
#define UPKEEP_RETRY_SECONDS	2

static TqChore *const chores[] = {
	&tq_pool_settle,
	&tq_pool_recover,
	&tq_pool_expire_leases,
	&tq_pool_expire_rows,
	&tq_pool_cancel_unclaimed
};

static MemoryContext loop_context;
static bool found_extension = false;
static bool ended_well = false;
static bool promoting = false;	/* more is due */
static uint32 config_epoch;
static TimestampTz next_sweep;
static TimestampTz next_upkeep;
static bool table_may_hold_rows = true;
static bool unused = true;		/* there was no task yet */
static uint64 seen_activity = 0;
static bool is_copy = false;

static void
detach(int code, Datum database)
{
	tq_database_detach_scheduler(DatumGetObjectId(database), found_extension,
								 !ended_well && !ProcDiePending);
}

static TimestampTz
in_seconds(int seconds)
{
	return tq_clock_add(tq_clock_now(), seconds * USECS_PER_SEC);
}

/*
 * Whether this library can serve the extension's version; if not, the
 * scheduler sits idle until ALTER EXTENSION UPDATE or DROP EXTENSION.
 */
static bool
look_for_extension(void)
{
	char	   *version;
	bool		usable;

	tq_transaction_start();
	version = tq_maintain_extension_version();
	found_extension = version != NULL;
	usable = found_extension && strcmp(version, TQ_VERSION) == 0;
	if (found_extension && !usable)
		ereport(LOG,
				(errmsg("task_queue: the extension's version %s is not that of the library, %s",
						version, TQ_VERSION),
				 errhint("Run ALTER EXTENSION task_queue UPDATE.")));
	tq_transaction_commit();
	return usable;
}

static void
check_adoption(void)
{
	bool		adopted;

	tq_transaction_start();
	adopted = tq_maintain_is_adopted();
	tq_transaction_commit();
	tq_database_set_flag(MyDatabaseId, TQ_DATABASE_IS_COPY, !adopted);
	if (is_copy && adopted)
		next_sweep = 0;			/* its rows came without notes */
	table_may_hold_rows |= is_copy && adopted;
	if (!adopted && !is_copy)
		ereport(LOG,
				(errmsg("task_queue: this database is a copy, its tasks do not run"),
				 errhint("If they are to run here, call task_queue.adopt_database().")));
	is_copy = !adopted;
}

/*
 * Partitions are made only when there was a task: a database without any may
 * be one that is being restored, and partitions come with the dump.
 */
static void
upkeep(void)
{
	bool		complete = true;

	tq_transaction_start();
	unused = tq_maintain_is_unused();
	tq_transaction_commit();
	if (!unused)
		complete = tq_upkeep();
	next_upkeep = in_seconds(complete ? UPKEEP_SECONDS : UPKEEP_RETRY_SECONDS);
}

/*
 * A batch at a time, so that workers are started meanwhile.  After the last
 * one it is looked up when the next task is due.
 */
static void
promote_due(void)
{
	TimestampTz due;

	tq_transaction_start();
	(void) tq_maintain_promote_due(PROMOTE_BATCH, &promoting);
	tq_transaction_commit();
	if (promoting)
		return;

	tq_chore_want(&tq_pool_expire_rows);
	tq_chore_run(&tq_pool_expire_rows);

	tq_database_due_scan_begin(MyDatabaseId);
	tq_transaction_start();
	due = tq_maintain_next_due();
	tq_transaction_commit();
	/* What is due but still there is locked by somebody: look again soon. */
	if (due <= tq_clock_now())
		due = tq_clock_add(tq_clock_now(), 100 * TQ_USECS_PER_MS);
	tq_database_due_scan_end(MyDatabaseId, due);
}

/*
 * The net below all others: rows that no note told memory of are found by
 * reading each lane again from its start.
 */
static void
sweep(void)
{
	tq_transaction_start();
	table_may_hold_rows = !tq_maintain_table_is_empty();
	tq_transaction_commit();
	next_sweep = in_seconds(SWEEP_SECONDS);
	if (!table_may_hold_rows)
		return;
	tq_ready_reset(MyDatabaseId, false);
	promote_due();
	tq_chore_want(&tq_pool_recover);
	tq_chore_want(&tq_pool_cancel_unclaimed);
	tq_wake_worker(MyDatabaseId, 0);
}

static void
start_up(void)
{
	check_adoption();
	config_epoch = tq_database_config_epoch(MyDatabaseId);
	upkeep();
	tq_chore_want(&tq_pool_expire_leases);
	tq_chore_want(&tq_pool_cancel_unclaimed);
	sweep();
	tq_pool_start_targeted();
}

static void
react(const TqMessages *messages)
{
	uint32		epoch = tq_database_config_epoch(MyDatabaseId);
	TimestampTz now = tq_clock_now();

	if (epoch != config_epoch)
	{
		config_epoch = epoch;
		check_adoption();
		tq_pool_forget_served();
	}
	if (messages->check_cancels)
		tq_chore_want(&tq_pool_cancel_unclaimed);
	for (int i = 0; i < lengthof(chores); i++)
		tq_chore_run(chores[i]);
	if (messages->sweep)
	{
		sweep();
		tq_poll_wake_all(MyDatabaseId);
	}
	if (promoting || messages->next_due <= now)
		promote_due();
	if (next_upkeep <= now || (unused && tq_ready_activity() != seen_activity))
		upkeep();
	if (tq_ready_activity() != seen_activity)
	{
		seen_activity = tq_ready_activity();
		table_may_hold_rows = true;
	}
	if (next_sweep <= now && table_may_hold_rows)
		sweep();
	tq_pool_tend(messages);
}

static void
sleep_until_next(void)
{
	TqDatabase	database;
	TimestampTz next = next_upkeep;
	int64		lease_end;
	int64		ms;

	if (promoting)
		return;
	if (tq_database_get(MyDatabaseId, &database))
	{
		if (database.want_worker || database.check_cancels || database.sweep)
			return;
		next = Min(next, database.next_due);
	}
	next = Min(next, tq_pool_next());
	if (table_may_hold_rows)
		next = Min(next, next_sweep);
	for (int i = 0; i < lengthof(chores); i++)
		next = Min(next, tq_chore_next(chores[i]));
	ms = (next - tq_clock_now()) / TQ_USECS_PER_MS + 1;
	lease_end = tq_lease_next(MyDatabaseId);
	if (lease_end != TQ_NEVER && !tq_pool_expire_leases.wanted)
		ms = Min(ms, (lease_end - tq_clock_monotonic()) / TQ_USECS_PER_MS + 1);
	tq_bgw_report(NULL);
	pgstat_report_stat(true);
	if (ms > 0)
		tq_clock_sleep(Min(ms, TQ_MAX_SLEEP_MS), tq_shmem_wait_event());
}

static bool
is_to_leave(void)
{
	TqDatabase	database;

	return tq_database_get(MyDatabaseId, &database) && (database.flags & TQ_DATABASE_NOT_LISTED);
}

/* Until the database is not to be served any more. */
static void
serve(void)
{
	start_up();
	while (!is_to_leave())
	{
		TqMessages	messages;

		MemoryContextReset(loop_context);
		MemoryContextSwitchTo(loop_context);
		(void) tq_bgw_check_interrupts();
		tq_database_take_messages(MyDatabaseId, &messages);
		tq_bgw_report("task_queue: scheduling");
		react(&messages);
		sleep_until_next();
	}
}

void
tq_scheduler_main(Datum arg)
{
	TqWorkerArgs args;

	tq_bgw_args(&args);
	if (!tq_database_attach_scheduler(args.database))
		proc_exit(0);
	before_shmem_exit(detach, ObjectIdGetDatum(args.database));
	tq_bgw_connect(args.database);
	loop_context = AllocSetContextCreate(TopMemoryContext, "task_queue scheduler",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	if (look_for_extension())
		serve();
	while (found_extension && !is_to_leave())
	{
		/* Not a version for us: ALTER or DROP EXTENSION send us away. */
		(void) tq_bgw_check_interrupts();
		tq_clock_sleep(-1, tq_shmem_wait_event());
	}
	if (!found_extension)
		tq_shmem_forget_database(MyDatabaseId);
	ended_well = true;
	proc_exit(0);
}
