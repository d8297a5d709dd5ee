/*-------------------------------------------------------------------------
 *
 * claims.c
 *	  Who is running what: claims by task id.
 *
 * A hash table in partitions, each under its own lock.  Counts of running
 * tasks are kept only for queues that have a limit; their lock nests inside a
 * partition's.  A backend remembers the ids of its in-database claims, so that
 * they go when it exits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "shmem/claim_lock.h"
#include "shmem/claims.h"
#include "shmem/databases.h"
#include "shmem/poll.h"
#include "shmem/running.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"

/* Claims that in-database workers may hold beside the leases. */
#define CLAIMS_PER_WORKER	128

/* Compared as bytes, so there must be no padding. */
typedef struct ClaimKey
{
	int64		task_id;
	int64		database;
} ClaimKey;

typedef struct ClaimEntry
{
	ClaimKey	key;
	TqClaim		claim;
} ClaimEntry;

static HTAB *claims = NULL;
static pg_atomic_uint32 *nexternal = NULL;	/* claims of external workers, of which only so many may be */

/* In-database claims of this backend. */
static int64 *mine = NULL;
static int	nmine = 0;
static int	mine_size = 0;

static long
max_claims(void)
{
	return (long) tq_lease_capacity + (long) CLAIMS_PER_WORKER * max_worker_processes + 2L * MaxBackends;
}

Size
tq_claims_shmem_size(void)
{
	return sizeof(pg_atomic_uint32);
}

Size
tq_claims_hash_size(void)
{
	return hash_estimate_size(max_claims(), sizeof(ClaimEntry));
}

void
tq_claims_shmem_attach(void *memory, bool found)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(ClaimKey);
	ctl.entrysize = sizeof(ClaimEntry);
	ctl.num_partitions = TQ_CLAIM_PARTITIONS;
	claims = ShmemInitHash("task_queue claim table", max_claims(), max_claims(), &ctl,
						   HASH_ELEM | HASH_BLOBS | HASH_PARTITION | HASH_FIXED_SIZE);
	nexternal = memory;
	if (!found)
		pg_atomic_init_u32(nexternal, 0);
}

static ClaimKey
claim_key(Oid database, int64 task_id)
{
	ClaimKey	key = {.task_id = task_id, .database = database};

	return key;
}

static LWLock *
partition_lock(uint32 hash)
{
	return tq_shmem_lock(TQ_LOCK_CLAIMS + hash % TQ_CLAIM_PARTITIONS);
}

/* Find the entry with its partition locked; the lock is returned in any case. */
static ClaimEntry *
find_locked(Oid database, int64 task_id, LWLockMode mode, LWLock **lock)
{
	ClaimKey	key = claim_key(database, task_id);
	uint32		hash = get_hash_value(claims, &key);

	*lock = partition_lock(hash);
	LWLockAcquire(*lock, mode);
	return hash_search_with_hash_value(claims, &key, hash, HASH_FIND, NULL);
}

static void
remove_entry(ClaimEntry *entry)
{
	if (entry->claim.external)
		pg_atomic_fetch_sub_u32(nexternal, 1);
	(void) hash_search(claims, &entry->key, HASH_REMOVE, NULL);
}

int
tq_claim_queue_room(const char *queue, int max_running)
{
	if (max_running == 0 || claims == NULL)
		return PG_INT32_MAX;
	return max_running - tq_running_count(MyDatabaseId, queue);
}

bool
tq_claim_queue_is_full(const char *queue, int max_running)
{
	return tq_claim_queue_room(queue, max_running) <= 0;
}

static void
forget_mine(int64 task_id)
{
	for (int i = nmine - 1; i >= 0; i--)
	{
		if (mine[i] == task_id)
		{
			mine[i] = mine[--nmine];
			return;
		}
	}
}

/*
 * A worker that dies with a task in its hands leaves that claim to the
 * scheduler, so that nobody takes the task before its end is settled.
 */
static void
release_at_exit(int code, Datum arg)
{
	if (tq_my_slot != NULL && tq_my_slot->state == TQ_SLOT_BUSY)
		forget_mine(tq_my_slot->task_id);
	while (nmine > 0)
		tq_claim_release(mine[nmine - 1]);
}

static void
reserve_mine(void)
{
	if (mine == NULL)
	{
		mine_size = 16;
		mine = MemoryContextAlloc(TopMemoryContext, mine_size * sizeof(int64));
		before_shmem_exit(release_at_exit, (Datum) 0);
	}
	else if (nmine == mine_size)
	{
		mine_size *= 2;
		mine = repalloc(mine, mine_size * sizeof(int64));
	}
}

TqClaimResult
tq_claim_take(const TqClaim *claim, int max_running)
{
	ClaimKey	key = claim_key(MyDatabaseId, claim->task_id);
	ClaimEntry *entry;
	LWLock	   *lock;
	uint32		hash;
	bool		found;
	TqClaimResult result = TQ_CLAIM_OK;

	if (claims == NULL)
		return tq_claim_lock_take(claim, tq_running_hash(claim->queue), max_running);
	if (!claim->external)
		reserve_mine();

	hash = get_hash_value(claims, &key);
	lock = partition_lock(hash);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	entry = hash_search_with_hash_value(claims, &key, hash, HASH_FIND, NULL);
	if (entry != NULL)
		result = TQ_CLAIM_TAKEN;
	else if (claim->external && pg_atomic_read_u32(nexternal) >= tq_lease_capacity)
		result = TQ_CLAIM_NO_ROOM;
	else if (max_running > 0 && !tq_running_add(MyDatabaseId, claim->queue, max_running))
		result = TQ_CLAIM_QUEUE_FULL;
	else
	{
		entry = hash_search_with_hash_value(claims, &key, hash, HASH_ENTER_NULL, &found);
		if (entry != NULL)
		{
			entry->claim = *claim;
			entry->claim.counted = max_running > 0;
			if (claim->external)
				pg_atomic_fetch_add_u32(nexternal, 1);
		}
		else
		{
			if (max_running > 0)
				tq_running_remove(MyDatabaseId, claim->queue);
			result = TQ_CLAIM_NO_ROOM;
		}
	}
	LWLockRelease(lock);
	if (result == TQ_CLAIM_OK && !claim->external)
		mine[nmine++] = claim->task_id;
	return result;
}

static void
lock_all(LWLockMode mode)
{
	for (int i = 0; i < TQ_CLAIM_PARTITIONS; i++)
		LWLockAcquire(tq_shmem_lock(TQ_LOCK_CLAIMS + i), mode);
}

static void
unlock_all(void)
{
	for (int i = TQ_CLAIM_PARTITIONS - 1; i >= 0; i--)
		LWLockRelease(tq_shmem_lock(TQ_LOCK_CLAIMS + i));
}

static bool
is_to_be_counted(const ClaimEntry *entry, bool (*is_limited) (const char *queue))
{
	return entry->key.database == MyDatabaseId && !entry->claim.counted &&
		!entry->claim.in_batch && is_limited(entry->claim.queue);
}

/* Are there any?  And then count them, if asked to. */
static bool
look_for_uncounted(bool (*is_limited) (const char *queue), bool count)
{
	HASH_SEQ_STATUS seq;
	ClaimEntry *entry;
	bool		any = false;

	hash_seq_init(&seq, claims);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (!is_to_be_counted(entry, is_limited))
			continue;
		any = true;
		if (count)
			entry->claim.counted = tq_running_add(MyDatabaseId, entry->claim.queue, PG_INT32_MAX);
	}
	return any;
}

/* Mostly there are none. */
void
tq_claim_count_limited(bool (*is_limited) (const char *queue))
{
	bool		any;

	if (claims == NULL)
		return;
	lock_all(LW_SHARED);
	any = look_for_uncounted(is_limited, false);
	unlock_all();
	if (!any)
		return;
	lock_all(LW_EXCLUSIVE);
	(void) look_for_uncounted(is_limited, true);
	unlock_all();
}

bool
tq_claim_find(int64 task_id, TqClaim *claim)
{
	ClaimEntry *entry;
	LWLock	   *lock;
	bool		found;

	if (claims == NULL)
		return tq_claim_lock_find(task_id, claim);
	entry = find_locked(MyDatabaseId, task_id, LW_SHARED, &lock);
	found = entry != NULL;
	if (found && claim != NULL)
		*claim = entry->claim;
	LWLockRelease(lock);
	return found;
}

/* What of a claim is looked at after it was removed. */
typedef struct Removed
{
	bool		counted;
	bool		canceled;
	char		queue[TQ_CLAIM_NAME_LEN];
} Removed;

static void
remove_claim(ClaimEntry *entry, Removed *removed)
{
	removed->canceled = entry->claim.cancel_requested;
	removed->counted = entry->claim.counted;
	if (removed->counted)
		memcpy(removed->queue, entry->claim.queue, sizeof(removed->queue));
	remove_entry(entry);
}

/*
 * A slot of a limited queue that becomes free may be what an idle worker waits
 * for.  A request to cancel may have come after the end of the attempt had
 * looked for one, or that end may yet be rolled back.
 */
static void
after_removal(const Removed *removed)
{
	if (removed->canceled)
		tq_database_tell(MyDatabaseId, TQ_NEWS_CANCEL);
	if (!removed->counted)
		return;
	tq_running_remove(MyDatabaseId, removed->queue);
	tq_wake_worker(MyDatabaseId, 0);
	tq_poll_wake_limited(MyDatabaseId);
}

bool
tq_claim_release(int64 task_id)
{
	ClaimEntry *entry;
	LWLock	   *lock;
	Removed		removed = {.canceled = false};

	if (claims == NULL)
	{
		tq_claim_lock_release(task_id);
		return false;
	}
	entry = find_locked(MyDatabaseId, task_id, LW_EXCLUSIVE, &lock);
	if (entry != NULL)
		remove_claim(entry, &removed);
	LWLockRelease(lock);
	/* A signal that was sent is handled at the latest on return from a system call. */
	if (removed.canceled)
		(void) kill(MyProcPid, 0);
	forget_mine(task_id);
	after_removal(&removed);
	return removed.canceled;
}

/*
 * The signal is sent under the lock, so that a backend that then releases the
 * claim has it already and can drop it: it must not hit what comes after.
 */
bool
tq_claim_request_cancel(Oid database, int64 task_id)
{
	ClaimEntry *entry;
	LWLock	   *lock;

	if (claims == NULL)
		return false;
	entry = find_locked(database, task_id, LW_EXCLUSIVE, &lock);
	if (entry != NULL)
	{
		entry->claim.cancel_requested = true;
		if (entry->claim.draining && entry->claim.pid != MyProcPid)
			kill(entry->claim.pid, SIGINT);
	}
	LWLockRelease(lock);
	return entry != NULL;
}

bool
tq_claim_cancel_requested(int64 task_id)
{
	TqClaim		claim;

	return tq_claim_find(task_id, &claim) && claim.cancel_requested;
}

bool
tq_claim_change(int64 task_id, TqClaimChange change, void *arg)
{
	ClaimEntry *entry;
	LWLock	   *lock;
	bool		found;
	Removed		removed = {.canceled = false};

	if (claims == NULL)
		return false;
	entry = find_locked(MyDatabaseId, task_id, LW_EXCLUSIVE, &lock);
	found = entry != NULL;
	if (found && !change(&entry->claim, arg))
		remove_claim(entry, &removed);
	LWLockRelease(lock);
	after_removal(&removed);
	return found;
}

/*
 * The array is grown between the partitions, never under a lock: room is made
 * for all claims that there can be in one step of the scan.
 */
TqClaim *
tq_claim_list(TqClaimFilter filter, void *arg, int *n)
{
	HASH_SEQ_STATUS seq;
	ClaimEntry *entry;
	long		size;
	TqClaim    *list;

	*n = 0;
	if (claims == NULL)
		return tq_claim_lock_list(filter, arg, n);
	size = hash_get_num_entries(claims) + 64;
	list = palloc(size * sizeof(TqClaim));
	lock_all(LW_SHARED);
	hash_seq_init(&seq, claims);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->key.database != MyDatabaseId ||
			(filter != NULL && !filter(&entry->claim, arg)) || *n == size)
			continue;
		list[(*n)++] = entry->claim;
	}
	unlock_all();
	return list;
}

int
tq_claim_count_external(void)
{
	return claims != NULL ? pg_atomic_read_u32(nexternal) : 0;
}

void
tq_claim_forget_database(Oid database)
{
	HASH_SEQ_STATUS seq;
	ClaimEntry *entry;

	lock_all(LW_EXCLUSIVE);
	hash_seq_init(&seq, claims);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		if (entry->key.database == database)
			remove_entry(entry);
	}
	unlock_all();
	tq_running_forget_database(database);
}

void
tq_claim_for_each(void (*visit) (Oid database, const TqClaim *claim, void *arg), void *arg)
{
	HASH_SEQ_STATUS seq;
	ClaimEntry *entry;

	hash_seq_init(&seq, claims);
	while ((entry = hash_seq_search(&seq)) != NULL)
		visit((Oid) entry->key.database, &entry->claim, arg);
}

bool
tq_claim_restore(Oid database, const TqClaim *claim)
{
	ClaimKey	key = claim_key(database, claim->task_id);
	ClaimEntry *entry = NULL;

	if (pg_atomic_read_u32(nexternal) < tq_lease_capacity)
		entry = hash_search(claims, &key, HASH_ENTER_NULL, NULL);
	if (entry == NULL)
		return false;
	entry->claim = *claim;
	pg_atomic_fetch_add_u32(nexternal, 1);
	if (claim->counted)
		entry->claim.counted = tq_running_add(database, claim->queue, PG_INT32_MAX);
	return true;
}
