/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Statistics per handler.
 *
 * A hash table by database and handler name.  It is looked up under a shared
 * lock, and an entry's numbers are changed under its spinlock.  A clean stop
 * writes the table to a file that the next start reads and removes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/hsearch.h"

#include "shmem/counters.h"
#include "shmem/shmem.h"

#define MAX_HANDLERS	1024
#define STATS_FILE		"pg_stat/task_queue.stat"
#define STATS_MAGIC		0x54515331

typedef struct StatsKey
{
	Oid			database;
	char		handler[TQ_COUNTER_NAME_LEN];	/* padded with zeros */
} StatsKey;

typedef struct StatsEntry
{
	StatsKey	key;
	slock_t		mutex;
	TqHandlerStats stats;
} StatsEntry;

static HTAB *table = NULL;

Size
tq_counters_shmem_size(void)
{
	return sizeof(int);
}

Size
tq_counters_hash_size(void)
{
	return hash_estimate_size(MAX_HANDLERS, sizeof(StatsEntry));
}

static StatsKey
stats_key(Oid database, const char *handler)
{
	StatsKey	key;

	memset(&key, 0, sizeof(key));
	key.database = database;
	strlcpy(key.handler, handler, sizeof(key.handler));
	return key;
}

static StatsEntry *
enter(const StatsKey *key)
{
	bool		found;
	StatsEntry *entry = hash_search(table, key, HASH_ENTER_NULL, &found);

	if (entry != NULL && !found)
	{
		SpinLockInit(&entry->mutex);
		memset(&entry->stats, 0, sizeof(entry->stats));
		memcpy(entry->stats.handler, key->handler, sizeof(key->handler));
	}
	return entry;
}

/* The postmaster, after all others have gone; an error only costs statistics. */
static void
write_file(int code, Datum arg)
{
	HASH_SEQ_STATUS seq;
	StatsEntry *entry;
	FILE	   *file;
	uint32		magic = STATS_MAGIC;

	if (code != 0 || table == NULL)
		return;
	file = AllocateFile(STATS_FILE, PG_BINARY_W);
	if (file == NULL)
		return;
	(void) fwrite(&magic, sizeof(magic), 1, file);
	hash_seq_init(&seq, table);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (fwrite(&entry->key, sizeof(entry->key), 1, file) != 1 ||
			fwrite(&entry->stats, sizeof(entry->stats), 1, file) != 1)
		{
			hash_seq_term(&seq);
			break;
		}
	}
	FreeFile(file);
}

static void
read_file(void)
{
	FILE	   *file = AllocateFile(STATS_FILE, PG_BINARY_R);
	uint32		magic;
	StatsKey	key;
	TqHandlerStats stats;

	if (file == NULL)
		return;
	if (fread(&magic, sizeof(magic), 1, file) == 1 && magic == STATS_MAGIC)
	{
		while (fread(&key, sizeof(key), 1, file) == 1 &&
			   fread(&stats, sizeof(stats), 1, file) == 1)
		{
			StatsEntry *entry = enter(&key);

			if (entry != NULL)
				entry->stats = stats;
		}
	}
	FreeFile(file);
	unlink(STATS_FILE);
}

void
tq_counters_shmem_attach(void *memory, bool found)
{
	HASHCTL		ctl = {.keysize = sizeof(StatsKey), .entrysize = sizeof(StatsEntry)};

	table = ShmemInitHash("task_queue statistics table", MAX_HANDLERS, MAX_HANDLERS, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	if (found || IsUnderPostmaster)
		return;
	on_shmem_exit(write_file, (Datum) 0);
	read_file();
}

static void
add_duration(TqDurations *durations, int64 us)
{
	if (us < 0)
		return;
	durations->count++;
	durations->sum_us += us;
	durations->buckets[tq_histogram_bucket(us)]++;
}

static void
add(StatsEntry *entry, const TqMeasure *measure)
{
	SpinLockAcquire(&entry->mutex);
	entry->stats.counts[measure->counter]++;
	add_duration(&entry->stats.wait, measure->wait_us);
	add_duration(&entry->stats.run, measure->run_us);
	SpinLockRelease(&entry->mutex);
}

void
tq_counters_add(const char *handler, const TqMeasure *measure)
{
	StatsKey	key = stats_key(MyDatabaseId, handler);
	LWLock	   *lock = tq_shmem_lock(TQ_LOCK_COUNTERS);
	StatsEntry *entry;

	LWLockAcquire(lock, LW_SHARED);
	entry = hash_search(table, &key, HASH_FIND, NULL);
	if (entry != NULL)
		add(entry, measure);
	LWLockRelease(lock);
	if (entry != NULL)
		return;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = enter(&key);
	if (entry != NULL)
		add(entry, measure);
	LWLockRelease(lock);
}

TqHandlerStats *
tq_counters_list(int *n)
{
	TqHandlerStats *list = palloc(MAX_HANDLERS * sizeof(TqHandlerStats));
	HASH_SEQ_STATUS seq;
	StatsEntry *entry;

	*n = 0;
	if (table == NULL)
		return list;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_COUNTERS), LW_SHARED);
	hash_seq_init(&seq, table);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->key.database != MyDatabaseId || *n == MAX_HANDLERS)
			continue;
		SpinLockAcquire(&entry->mutex);
		list[*n] = entry->stats;
		SpinLockRelease(&entry->mutex);
		(*n)++;
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_COUNTERS));
	return list;
}

void
tq_counters_forget_database(Oid database)
{
	HASH_SEQ_STATUS seq;
	StatsEntry *entry;

	if (table == NULL)
		return;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_COUNTERS), LW_EXCLUSIVE);
	hash_seq_init(&seq, table);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->key.database == database)
			hash_search(table, &entry->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_COUNTERS));
}
