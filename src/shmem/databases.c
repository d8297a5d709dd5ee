/*-------------------------------------------------------------------------
 *
 * databases.c
 *	  The databases that have the extension, and their schedulers.
 *
 * A small array under one lock: there are few databases, and what happens
 * often (a commit that enqueues) looks at it only when no idle worker is at
 * hand or a task is scheduled for later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "shmem/databases.h"
#include "shmem/shmem.h"

#define GOOD_RUN_SECONDS	600

typedef struct Directory
{
	Latch	   *launcher;
	int			used;			/* entries beyond are free */
	TqDatabase	databases[TQ_MAX_DATABASES];
} Directory;

static Directory *directory = NULL;

Size
tq_databases_shmem_size(void)
{
	return sizeof(Directory);
}

void
tq_databases_shmem_attach(void *memory, bool found)
{
	directory = memory;
	if (!found)
		memset(directory, 0, sizeof(Directory));
}

static void
lock(LWLockMode mode)
{
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_DATABASES), mode);
}

static void
unlock(void)
{
	LWLockRelease(tq_shmem_lock(TQ_LOCK_DATABASES));
}

static TqDatabase *
find(Oid oid)
{
	for (int i = 0; i < directory->used; i++)
	{
		if (directory->databases[i].oid == oid)
			return &directory->databases[i];
	}
	return NULL;
}

/* For a change; locked in any case. */
static TqDatabase *
lock_entry(Oid oid)
{
	lock(LW_EXCLUSIVE);
	return find(oid);
}

/* NULL: the directory is full; tasks of that database wait for run_tasks(). */
static TqDatabase *
find_or_make(Oid oid)
{
	TqDatabase *database = find(oid);

	if (database != NULL)
		return database;
	database = find(InvalidOid);
	if (database == NULL && directory->used < TQ_MAX_DATABASES)
		database = &directory->databases[directory->used++];
	if (database != NULL)
	{
		memset(database, 0, sizeof(TqDatabase));
		database->oid = oid;
		database->next_due = TQ_NEVER;
		database->due_lowered = TQ_NEVER;
	}
	return database;
}

static void
set_latch(Latch *latch)
{
	if (latch != NULL)
		SetLatch(latch);
}

void
tq_database_set_launcher(Latch *latch)
{
	lock(LW_EXCLUSIVE);
	directory->launcher = latch;
	unlock();
}

void
tq_database_wake_launcher(void)
{
	if (directory == NULL)
		return;
	lock(LW_SHARED);
	set_latch(directory->launcher);
	unlock();
}

void
tq_database_request_probe(Oid oid)
{
	TqDatabase *database;

	if (directory == NULL)
		return;
	lock(LW_EXCLUSIVE);
	database = find_or_make(oid);
	if (database != NULL && database->state != TQ_DATABASE_RUNNING &&
		database->state != TQ_DATABASE_STARTING)
	{
		database->state = TQ_DATABASE_PROBE;
		database->failures = 0;
	}
	set_latch(directory->launcher);
	unlock();
}

int
tq_database_snapshot(TqDatabase *copies, int max)
{
	int			n = 0;

	lock(LW_SHARED);
	for (int i = 0; i < directory->used && n < max; i++)
	{
		if (OidIsValid(directory->databases[i].oid))
			copies[n++] = directory->databases[i];
	}
	unlock();
	return n;
}

bool
tq_database_set_state(Oid oid, TqDatabaseState state, TimestampTz retry_at)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
	{
		database->state = state;
		database->retry_at = retry_at;
		if (state == TQ_DATABASE_BACKOFF)
			database->failures++;
	}
	unlock();
	return database != NULL;
}

static void
remove_entry(TqDatabase *database)
{
	if (database->blocked > 0)
		database->state = TQ_DATABASE_PROBE;	/* whoever blocked it still needs it */
	else
		database->oid = InvalidOid;
}

void
tq_database_remove(Oid oid)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
		remove_entry(database);
	unlock();
}

bool
tq_database_attach_scheduler(Oid oid)
{
	TqDatabase *database;
	bool		ok = false;

	lock(LW_EXCLUSIVE);
	database = find(oid);
	if (database != NULL && database->blocked == 0 && database->scheduler_pid == 0)
	{
		database->scheduler_pid = MyProcPid;
		database->scheduler_latch = MyLatch;
		database->state = TQ_DATABASE_RUNNING;
		ok = true;
	}
	unlock();
	return ok;
}

/* Two seconds after the first failure, up to a minute; one that has run well for a while has not failed. */
static void
back_off(TqDatabase *database)
{
	TimestampTz now = tq_clock_now();

	if (now > tq_clock_add(database->retry_at, GOOD_RUN_SECONDS * USECS_PER_SEC))
		database->failures = 0;
	database->failures++;
	database->state = TQ_DATABASE_BACKOFF;
	database->retry_at = tq_clock_add(now, Min(1 << Min(database->failures, 6), 60) * USECS_PER_SEC);
}

void
tq_database_detach_scheduler(Oid oid, bool found_extension, bool failed)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL && database->scheduler_pid == MyProcPid)
	{
		database->scheduler_pid = 0;
		database->scheduler_latch = NULL;
		if (failed)
			back_off(database);
		else if (!found_extension)
			remove_entry(database);
		else
			database->state = TQ_DATABASE_PROBE;
	}
	set_latch(directory->launcher);
	unlock();
}

void
tq_database_take_messages(Oid oid, TqMessages *messages)
{
	TqDatabase *database;

	memset(messages, 0, sizeof(TqMessages));
	messages->next_due = TQ_NEVER;
	lock(LW_EXCLUSIVE);
	database = find(oid);
	if (database != NULL)
	{
		messages->want_worker = database->want_worker;
		messages->want_numbers = database->want_numbers;
		messages->check_cancels = database->check_cancels;
		messages->sweep = database->sweep;
		messages->next_due = database->next_due;
		database->want_worker = false;
		database->want_numbers = 0;
		database->check_cancels = false;
		database->sweep = false;
	}
	unlock();
}

void
tq_database_due_scan_begin(Oid oid)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
	{
		database->due_scanning = true;
		database->due_lowered = TQ_NEVER;
	}
	unlock();
}

/* What was noted while the scan was under way may be missing in its snapshot. */
void
tq_database_due_scan_end(Oid oid, TimestampTz next_due)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
	{
		database->next_due = Min(next_due, database->due_lowered);
		database->due_scanning = false;
	}
	unlock();
}

void
tq_database_set_flag(Oid oid, int flags, bool value)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL && value)
		database->flags |= flags;
	else if (database != NULL)
		database->flags &= ~flags;
	unlock();
}

bool
tq_database_get(Oid oid, TqDatabase *copy)
{
	TqDatabase *database;

	if (directory == NULL)
		return false;
	lock(LW_SHARED);
	database = find(oid);
	if (database != NULL)
		*copy = *database;
	unlock();
	return database != NULL;
}

void
tq_database_wake_scheduler(Oid oid)
{
	TqDatabase *database;

	lock(LW_SHARED);
	database = find(oid);
	if (database != NULL)
		set_latch(database->scheduler_latch);
	unlock();
}

static bool
asking_is_in_vain(Oid oid)
{
	TqDatabase *database;
	bool		in_vain;

	lock(LW_SHARED);
	database = find(oid);
	in_vain = database == NULL || (database->flags & TQ_DATABASE_POOL_FULL) || database->want_worker;
	unlock();
	return in_vain;
}

/*
 * The scheduler is woken only by the first one who wants a worker, and not
 * while the pool is full: then every worker looks for more when it is done.
 */
void
tq_database_want_worker(Oid oid, int number)
{
	TqDatabase *database;
	uint64		bit = (number > 0 && number <= 64) ? UINT64CONST(1) << (number - 1) : 0;

	if (bit == 0 && asking_is_in_vain(oid))
		return;
	lock(LW_EXCLUSIVE);
	database = find(oid);
	if (database != NULL && (!database->want_worker || (database->want_numbers & bit) != bit))
	{
		database->want_worker = true;
		database->want_numbers |= bit;
		set_latch(database->scheduler_latch);
	}
	unlock();
}

void
tq_database_note_due(Oid oid, TimestampTz run_at)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
	{
		if (database->due_scanning)
			database->due_lowered = Min(database->due_lowered, run_at);
		if (run_at < database->next_due)
		{
			database->next_due = run_at;
			set_latch(database->scheduler_latch);
		}
	}
	unlock();
}

void
tq_database_tell(Oid oid, TqDatabaseNews news)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
	{
		database->config_epoch += news == TQ_NEWS_CONFIG;
		database->check_cancels |= news == TQ_NEWS_CANCEL;
		database->sweep |= news == TQ_NEWS_ROWS;
		set_latch(database->scheduler_latch);
	}
	unlock();
}

void
tq_database_note_cancel(Oid oid)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL)
	{
		database->no_cancels = false;
		database->cancel_epoch++;
	}
	unlock();
}

void
tq_database_set_no_cancels(Oid oid, uint32 epoch)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL && database->cancel_epoch == epoch)
		database->no_cancels = true;
	unlock();
}

uint32
tq_database_config_epoch(Oid oid)
{
	TqDatabase	copy;

	return tq_database_get(oid, &copy) ? copy.config_epoch : 0;
}

void
tq_database_block(Oid oid)
{
	TqDatabase *database;

	lock(LW_EXCLUSIVE);
	database = find_or_make(oid);
	if (database != NULL)
		database->blocked++;
	unlock();
}

void
tq_database_unblock(Oid oid)
{
	TqDatabase *database = lock_entry(oid);

	if (database != NULL && database->blocked > 0)
	{
		database->blocked--;
		if (database->blocked == 0 && database->scheduler_pid == 0)
		{
			database->state = TQ_DATABASE_PROBE;
			database->failures = 0;
		}
		set_latch(directory->launcher);
	}
	unlock();
}
