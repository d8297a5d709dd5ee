/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Statistics per handler.
 *
 * A hash table by database and handler name, in anonymous memory of the
 * postmaster: a task that kills its process is to be counted like others, and
 * the restart after it must not take away what was counted before.  Nobody
 * vouches for that memory after a crash, so the table has no pointers: at
 * worst some numbers are wrong.
 *
 * The table is looked up under a shared lock, changed under an exclusive one;
 * an entry's numbers are changed under its spinlock.  A clean stop writes the
 * table to a file that the next start reads and removes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/spin.h"

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

typedef enum EntryState
{
	ENTRY_FREE,
	ENTRY_USED,
	ENTRY_REMOVED				/* a search goes on behind it */
} EntryState;

typedef struct StatsEntry
{
	EntryState	state;
	StatsKey	key;
	slock_t		mutex;
	TqHandlerStats stats;
} StatsEntry;

/* NULL without the preloaded library. */
static StatsEntry *table = NULL;

/* Mapped once; forked children inherit the mapping at the same address. */
void
tq_counters_map(void)
{
	Size		size = MAX_HANDLERS * sizeof(StatsEntry);

	table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (table == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map shared memory for statistics of task_queue: %m")));
}

static StatsKey
stats_key(Oid database, const char *handler)
{
	StatsKey	key;

	memset(&key, 0, sizeof(key));
	key.database = database;
	tq_shmem_copy_text(key.handler, handler, sizeof(key.handler));
	return key;
}

/* NULL if it is not there; *room is then where it can be put, or NULL. */
static StatsEntry *
find(const StatsKey *key, StatsEntry **room)
{
	uint32		first = hash_bytes((const unsigned char *) key, sizeof(StatsKey));

	*room = NULL;
	for (int i = 0; i < MAX_HANDLERS; i++)
	{
		StatsEntry *entry = &table[(first + i) % MAX_HANDLERS];

		if (entry->state == ENTRY_USED)
		{
			if (memcmp(&entry->key, key, sizeof(StatsKey)) == 0)
				return entry;
			continue;
		}
		if (*room == NULL)
			*room = entry;
		if (entry->state == ENTRY_FREE)
			break;
	}
	return NULL;
}

/* NULL if the table is full. */
static StatsEntry *
enter(const StatsKey *key)
{
	StatsEntry *room;
	StatsEntry *entry = find(key, &room);

	if (entry != NULL || room == NULL)
		return entry;
	room->key = *key;
	SpinLockInit(&room->mutex);
	memset(&room->stats, 0, sizeof(room->stats));
	memcpy(room->stats.handler, key->handler, sizeof(key->handler));
	room->state = ENTRY_USED;
	return room;
}

/* The postmaster, after all others have gone; an error only costs statistics. */
static void
write_file(int code, Datum arg)
{
	FILE	   *file;
	uint32		magic = STATS_MAGIC;

	if (code != 0)
		return;
	file = AllocateFile(STATS_FILE, PG_BINARY_W);
	if (file == NULL)
		return;
	(void) fwrite(&magic, sizeof(magic), 1, file);
	for (int i = 0; i < MAX_HANDLERS; i++)
	{
		if (table[i].state == ENTRY_USED &&
			(fwrite(&table[i].key, sizeof(StatsKey), 1, file) != 1 ||
			 fwrite(&table[i].stats, sizeof(TqHandlerStats), 1, file) != 1))
			break;
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

/* At the start of the server, and again by the same postmaster after a crash. */
void
tq_counters_restart(void)
{
	if (IsUnderPostmaster)
		return;
	for (int i = 0; i < MAX_HANDLERS; i++)
		SpinLockInit(&table[i].mutex);
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
	StatsEntry *room;
	StatsEntry *entry;

	LWLockAcquire(lock, LW_SHARED);
	entry = find(&key, &room);
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

	*n = 0;
	if (table == NULL)
		return list;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_COUNTERS), LW_SHARED);
	for (int i = 0; i < MAX_HANDLERS; i++)
	{
		StatsEntry *entry = &table[i];

		if (entry->state != ENTRY_USED || entry->key.database != MyDatabaseId)
			continue;
		SpinLockAcquire(&entry->mutex);
		list[(*n)++] = entry->stats;
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_COUNTERS));
	return list;
}

void
tq_counters_forget_database(Oid database)
{
	if (table == NULL)
		return;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_COUNTERS), LW_EXCLUSIVE);
	for (int i = 0; i < MAX_HANDLERS; i++)
	{
		if (table[i].state == ENTRY_USED && table[i].key.database == database)
			table[i].state = ENTRY_REMOVED;
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_COUNTERS));
}
