/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: a scheduler in each database that has the extension.
 *
 * A database is probed once, by a scheduler that leaves when it finds no
 * extension; CREATE EXTENSION asks for another look.  Everything that can go
 * wrong with one database (no background worker slot, a failed fork, a
 * scheduler that ends in an error) is a state of its entry with a time to try
 * again, never an error of the launcher.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "bgw/bgw.h"
#include "shmem/databases.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"

#define RETRY_SECONDS		5
#define START_TIMEOUT_S		60

/* What the launcher knows of a database; the entry in shared memory exists only while there is, or may be, the extension. */
typedef struct Known
{
	Oid			oid;			/* hash key */
	char		name[NAMEDATALEN];
	bool		eligible;		/* connectable, and listed in the settings */
	bool		seen;			/* in the last scan */
	bool		probed;			/* no need to look unless asked */
	bool		out_of_slots;	/* was said */
	BackgroundWorkerHandle *handle;
	TimestampTz started_at;
} Known;

static HTAB *known = NULL;
static MemoryContext launcher_context;

static void
detach(int code, Datum arg)
{
	tq_database_set_launcher(NULL);
}

static void
remember(Form_pg_database row)
{
	bool		found;
	Known	   *entry = hash_search(known, &row->oid, HASH_ENTER, &found);

	if (!found)
	{
		entry->probed = false;
		entry->out_of_slots = false;
		entry->handle = NULL;
	}
	strlcpy(entry->name, NameStr(row->datname), NAMEDATALEN);
	entry->eligible = row->datallowconn && !row->datistemplate &&
		tq_database_is_listed(NameStr(row->datname));
	entry->seen = true;
}

static void
scan_databases(void)
{
	HASH_SEQ_STATUS seq;
	Known	   *entry;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	hash_seq_init(&seq, known);
	while ((entry = hash_seq_search(&seq)) != NULL)
		entry->seen = false;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		remember((Form_pg_database) GETSTRUCT(tuple));
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(launcher_context);

	hash_seq_init(&seq, known);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->seen)
			continue;
		tq_database_remove(entry->oid);
		tq_shmem_forget_database(entry->oid);
		hash_search(known, &entry->oid, HASH_REMOVE, NULL);
	}
}

static TimestampTz
in_seconds(int seconds)
{
	return tq_clock_add(tq_clock_now(), seconds * USECS_PER_SEC);
}

static void
start_scheduler(Known *entry)
{
	if (entry->handle)
		pfree(entry->handle);
	entry->handle = tq_bgw_start_scheduler(entry->oid, entry->name);
	if (entry->handle == NULL)
	{
		if (!entry->out_of_slots)
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("out of background worker slots for the task_queue scheduler of database \"%s\"", entry->name),
					 errhint("Consider increasing max_worker_processes.")));
		entry->out_of_slots = true;
		tq_database_set_state(entry->oid, TQ_DATABASE_NO_SLOTS, in_seconds(RETRY_SECONDS));
		return;
	}
	entry->out_of_slots = false;
	entry->started_at = tq_clock_now();
	entry->probed = true;
	tq_database_set_state(entry->oid, TQ_DATABASE_STARTING, entry->started_at);
}

/* A scheduler that never came up: the fork failed, or it died before it could attach. */
static void
check_started(Known *entry)
{
	pid_t		pid;

	if (entry->handle != NULL &&
		GetBackgroundWorkerPid(entry->handle, &pid) == BGWH_STARTED &&
		tq_clock_now() < tq_clock_add(entry->started_at, START_TIMEOUT_S * USECS_PER_SEC))
		return;
	if (entry->handle != NULL &&
		GetBackgroundWorkerPid(entry->handle, &pid) == BGWH_NOT_YET_STARTED)
		return;
	tq_database_set_state(entry->oid, TQ_DATABASE_BACKOFF, in_seconds(RETRY_SECONDS));
}

/* Returns when it wants to be called again. */
static TimestampTz
look_after(const TqDatabase *database)
{
	Known	   *entry = hash_search(known, &database->oid, HASH_FIND, NULL);

	if (entry == NULL || !entry->eligible || database->blocked > 0)
		return TQ_NEVER;
	switch (database->state)
	{
		case TQ_DATABASE_PROBE:
			start_scheduler(entry);
			return in_seconds(1);
		case TQ_DATABASE_STARTING:
			check_started(entry);
			return in_seconds(1);
		case TQ_DATABASE_RUNNING:
			return TQ_NEVER;
		case TQ_DATABASE_BACKOFF:
		case TQ_DATABASE_NO_SLOTS:
			if (database->retry_at > tq_clock_now())
				return database->retry_at;
			start_scheduler(entry);
			return in_seconds(1);
	}
	return TQ_NEVER;
}

/* Settings or the database have changed; what runs there ends first. */
static void
note_eligible(Known *entry)
{
	TqDatabase	database;

	if (!tq_database_get(entry->oid, &database) ||
		entry->eligible == !(database.flags & TQ_DATABASE_NOT_LISTED))
		return;
	tq_database_set_flag(entry->oid, TQ_DATABASE_NOT_LISTED, !entry->eligible);
	tq_database_wake_scheduler(entry->oid);
	tq_wake_all_workers(entry->oid);
}

static void
request_probes(void)
{
	HASH_SEQ_STATUS seq;
	Known	   *entry;

	hash_seq_init(&seq, known);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		note_eligible(entry);
		if (entry->eligible && !entry->probed)
		{
			tq_database_request_probe(entry->oid);
			entry->probed = true;
		}
	}
}

static TimestampTz
look_after_all(void)
{
	TqDatabase *databases = palloc(TQ_MAX_DATABASES * sizeof(TqDatabase));
	int			n = tq_database_snapshot(databases, TQ_MAX_DATABASES);
	TimestampTz next = TQ_NEVER;

	for (int i = 0; i < n; i++)
	{
		TimestampTz again = look_after(&databases[i]);

		next = Min(next, again);
	}
	pfree(databases);
	return next;
}

static void
sleep_until(TimestampTz next)
{
	long		ms = -1;

	if (next != TQ_NEVER)
		ms = Max(0, (next - tq_clock_now()) / TQ_USECS_PER_MS + 1);
	tq_clock_sleep(ms, tq_shmem_wait_event());
}

void
tq_launcher_main(Datum arg)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(Known)};

	before_shmem_exit(detach, (Datum) 0);
	tq_database_set_launcher(MyLatch);
	tq_bgw_connect(InvalidOid);
	launcher_context = AllocSetContextCreate(TopMemoryContext, "task_queue launcher",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(launcher_context);
	known = hash_create("task_queue databases", 64, &ctl, HASH_ELEM | HASH_BLOBS);

	for (;;)
	{
		(void) tq_bgw_check_interrupts();
		scan_databases();
		request_probes();
		tq_bgw_report(NULL);
		sleep_until(look_after_all());
	}
}
