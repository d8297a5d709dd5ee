/*-------------------------------------------------------------------------
 *
 * seen.c
 *	  External workers that have called lately.
 *
 * An array under one lock.  A backend remembers which entry it used last:
 * behind most connections there is always the same worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "shmem/seen.h"
#include "shmem/shmem.h"

#define MAX_SEEN	1024

typedef struct SeenList
{
	int			used;			/* entries beyond are free */
	TqSeen		entries[MAX_SEEN];
} SeenList;

static SeenList *seen = NULL;
static int	last_used = 0;

Size
tq_seen_shmem_size(void)
{
	return sizeof(SeenList);
}

void
tq_seen_shmem_attach(void *memory, bool found)
{
	seen = memory;
	if (!found)
		memset(seen, 0, sizeof(SeenList));
}

void
tq_seen_names_set(TqSeenNames *names, char *const *list, int n)
{
	names->count = n < 0 ? -1 : 0;
	names->used = 0;
	for (int i = 0; i < n; i++)
	{
		int			size = strlen(list[i]) + 1;

		if (names->used + size > TQ_SEEN_NAMES_LEN)
			break;
		memcpy(names->block + names->used, list[i], size);
		names->used += size;
		names->count++;
	}
}

static bool
is_meant(const TqSeen *entry, const char *worker, Oid role)
{
	return entry->database == MyDatabaseId && entry->role == role &&
		strcmp(entry->worker, worker) == 0;
}

/* The lock is held. */
static int
find_or_make(const char *worker, Oid role)
{
	int			oldest = 0;

	if (last_used < seen->used && is_meant(&seen->entries[last_used], worker, role))
		return last_used;
	for (int i = 0; i < seen->used; i++)
	{
		if (is_meant(&seen->entries[i], worker, role))
			return i;
		if (seen->entries[i].last_seen < seen->entries[oldest].last_seen)
			oldest = i;
	}
	if (seen->used < MAX_SEEN)
		oldest = seen->used++;
	memset(&seen->entries[oldest], 0, sizeof(TqSeen));
	seen->entries[oldest].database = MyDatabaseId;
	seen->entries[oldest].role = role;
	strlcpy(seen->entries[oldest].worker, worker, TQ_CLAIM_NAME_LEN);
	seen->entries[oldest].handlers.count = -1;
	return oldest;
}

static void
copy_names(TqSeenNames *to, const TqSeenNames *from)
{
	if (from == NULL)
		return;
	to->count = from->count;
	to->used = from->used;
	memcpy(to->block, from->block, from->used);
}

void
tq_seen_note(const char *worker, Oid role, const TqSeenNames *claims, const TqSeenNames *handlers)
{
	TimestampTz now = tq_clock_now();
	TqSeen	   *entry;

	if (seen == NULL)
		return;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_SEEN), LW_EXCLUSIVE);
	last_used = find_or_make(worker, role);
	entry = &seen->entries[last_used];
	entry->last_seen = now;
	copy_names(&entry->claims, claims);
	copy_names(&entry->handlers, handlers);
	LWLockRelease(tq_shmem_lock(TQ_LOCK_SEEN));
}

TqSeen *
tq_seen_list(int *n)
{
	TqSeen	   *list;

	*n = 0;
	if (seen == NULL)
		return NULL;
	list = palloc(MAX_SEEN * sizeof(TqSeen));
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_SEEN), LW_SHARED);
	for (int i = 0; i < seen->used; i++)
	{
		if (seen->entries[i].database == MyDatabaseId)
			list[(*n)++] = seen->entries[i];
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_SEEN));
	return list;
}
