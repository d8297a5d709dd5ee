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

static QueueCount *
find(Oid database, uint64 queue, bool make)
{
	QueueCount *unused = NULL;

	for (int i = 0; i < MAX_LIMITED_QUEUES; i++)
	{
		QueueCount *count = &counts[i];

		if (count->database == database && count->queue == queue)
			return count;
		if (unused == NULL && !OidIsValid(count->database))
			unused = count;
	}
	if (!make || unused == NULL)
		return NULL;
	unused->database = database;
	unused->queue = queue;
	unused->running = 0;
	return unused;
}

bool
tq_running_add(Oid database, const char *queue, int max_running)
{
	QueueCount *count;
	bool		ok = false;

	lock(LW_EXCLUSIVE);
	count = find(database, tq_running_hash(queue), true);
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

	lock(LW_EXCLUSIVE);
	count = find(database, tq_running_hash(queue), false);
	if (count != NULL && --count->running <= 0)
		count->database = InvalidOid;
	unlock();
}

int
tq_running_count(Oid database, const char *queue)
{
	QueueCount *count;
	int			running;

	lock(LW_SHARED);
	count = find(database, tq_running_hash(queue), false);
	running = count ? count->running : 0;
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
