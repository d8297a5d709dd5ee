/*-------------------------------------------------------------------------
 *
 * running.c
 *	  How many tasks of each queue run, for queues that have a limit.
 *
 * Changed together with the claims that are counted: the lock nests inside that
 * of a partition of the claims table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/shmem.h"

#include "shmem/running.h"
#include "shmem/shmem.h"

/* Queues with a limit that have running tasks, on the whole server. */
#define MAX_LIMITED_QUEUES	512

typedef struct QueueCount
{
	Oid			database;		/* InvalidOid: free */
	uint64		queue;			/* hash of the name */
	int			running;
} QueueCount;

static QueueCount *counts = NULL;

Size
tq_running_shmem_size(void)
{
	return mul_size(MAX_LIMITED_QUEUES, sizeof(QueueCount));
}

void
tq_running_shmem_attach(void *memory, bool found)
{
	counts = memory;
	if (!found)
		memset(counts, 0, MAX_LIMITED_QUEUES * sizeof(QueueCount));
}

uint64
tq_running_hash(const char *queue)
{
	return hash_bytes_extended((const unsigned char *) queue, strlen(queue), 0);
}

static void
lock(LWLockMode mode)
{
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_QUEUES), mode);
}

static void
unlock(void)
{
	LWLockRelease(tq_shmem_lock(TQ_LOCK_QUEUES));
}

/* NULL: there is none; *unused may become it, if it is not NULL too. */
static QueueCount *
find(Oid database, const char *queue, QueueCount **unused)
{
	uint64		hash = tq_running_hash(queue);

	*unused = NULL;
	for (int i = 0; i < MAX_LIMITED_QUEUES; i++)
	{
		QueueCount *count = &counts[i];

		if (count->database == database && count->queue == hash)
			return count;
		if (*unused == NULL && !OidIsValid(count->database))
			*unused = count;
	}
	return NULL;
}

static QueueCount *
find_or_make(Oid database, const char *queue)
{
	QueueCount *unused;
	QueueCount *count = find(database, queue, &unused);

	if (count != NULL || unused == NULL)
		return count;
	unused->database = database;
	unused->queue = tq_running_hash(queue);
	unused->running = 0;
	return unused;
}

bool
tq_running_add(Oid database, const char *queue, int max_running)
{
	QueueCount *count;
	bool		ok = false;

	lock(LW_EXCLUSIVE);
	count = find_or_make(database, queue);
	if (count != NULL && count->running < max_running)
	{
		count->running++;
		ok = true;
	}
	unlock();
	return ok;
}

void
tq_running_remove(Oid database, const char *queue)
{
	QueueCount *count;
	QueueCount *unused;

	lock(LW_EXCLUSIVE);
	count = find(database, queue, &unused);
	if (count != NULL && --count->running <= 0)
		count->database = InvalidOid;
	unlock();
}

int
tq_running_count(Oid database, const char *queue)
{
	QueueCount *count;
	QueueCount *unused;
	int			running = 0;

	lock(LW_SHARED);
	count = find(database, queue, &unused);
	if (count != NULL)
		running = count->running;
	else if (unused == NULL)
		running = PG_INT32_MAX;
	unlock();
	return running;
}

void
tq_running_forget_database(Oid database)
{
	lock(LW_EXCLUSIVE);
	for (int i = 0; i < MAX_LIMITED_QUEUES; i++)
	{
		if (counts[i].database == database)
			counts[i].database = InvalidOid;
	}
	unlock();
}
