/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Claims of external workers: what a transaction's end does to them, and
 *	  when the next lease runs out.
 *
 * For each database with leases there is the time at which the next one may
 * run out; its scheduler sleeps no longer than that.  A new lease lowers the
 * time only if it ends earlier, which with leases of one length it never does;
 * the scheduler then looks at all claims and computes it again.  Leases that
 * come while it looks are remembered apart, since it may have missed them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"

#include "shmem/databases.h"
#include "shmem/lease.h"
#include "shmem/shmem.h"

typedef struct NextLease
{
	Oid			database;		/* InvalidOid: free */
	int64		next;
	bool		scanning;
	int64		lowered;		/* lowest note since the scan began */
} NextLease;

static NextLease *leases = NULL;

Size
tq_lease_shmem_size(void)
{
	return mul_size(TQ_MAX_DATABASES, sizeof(NextLease));
}

void
tq_lease_shmem_attach(void *memory, bool found)
{
	leases = memory;
	if (!found)
		memset(leases, 0, tq_lease_shmem_size());
}

static NextLease *
find(Oid database)
{
	for (int i = 0; i < TQ_MAX_DATABASES; i++)
	{
		if (leases[i].database == database)
			return &leases[i];
		if (!OidIsValid(leases[i].database))
			break;
	}
	return NULL;
}

/* Databases come and go; an entry without leases can be taken over. */
static NextLease *
find_or_make(Oid database)
{
	NextLease  *entry = find(database);

	for (int i = 0; entry == NULL && i < TQ_MAX_DATABASES; i++)
	{
		if (OidIsValid(leases[i].database) &&
			(leases[i].next != TQ_NEVER || leases[i].scanning))
			continue;
		entry = &leases[i];
		entry->database = database;
		entry->next = TQ_NEVER;
		entry->scanning = false;
	}
	return entry;
}

static bool
is_news(Oid database, int64 until)
{
	NextLease  *entry;
	bool		news;

	LWLockAcquire(tq_shmem_lock(TQ_LOCK_LEASES), LW_SHARED);
	entry = find(database);
	news = entry == NULL || entry->scanning || until < entry->next;
	LWLockRelease(tq_shmem_lock(TQ_LOCK_LEASES));
	return news;
}

void
tq_lease_note(Oid database, int64 until)
{
	NextLease  *entry;
	bool		earlier = false;

	if (!is_news(database, until))
		return;
	LWLockAcquire(tq_shmem_lock(TQ_LOCK_LEASES), LW_EXCLUSIVE);
	entry = find_or_make(database);
	if (entry != NULL)
	{
		earlier = until < entry->next;
		if (entry->scanning)
			entry->lowered = Min(entry->lowered, until);
		entry->next = Min(entry->next, until);
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_LEASES));
	if (earlier)
		tq_database_wake_scheduler(database);
}

int64
tq_lease_next(Oid database)
{
	NextLease  *entry;
	int64		next;

	LWLockAcquire(tq_shmem_lock(TQ_LOCK_LEASES), LW_SHARED);
	entry = find(database);
	next = entry ? entry->next : TQ_NEVER;
	LWLockRelease(tq_shmem_lock(TQ_LOCK_LEASES));
	return next;
}

void
tq_lease_scan_begin(Oid database)
{
	NextLease  *entry;

	LWLockAcquire(tq_shmem_lock(TQ_LOCK_LEASES), LW_EXCLUSIVE);
	entry = find_or_make(database);
	if (entry != NULL)
	{
		entry->scanning = true;
		entry->lowered = TQ_NEVER;
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_LEASES));
}

void
tq_lease_scan_end(Oid database, int64 next)
{
	NextLease  *entry;

	LWLockAcquire(tq_shmem_lock(TQ_LOCK_LEASES), LW_EXCLUSIVE);
	entry = find(database);
	if (entry != NULL && entry->scanning)
	{
		entry->next = Min(next, entry->lowered);
		entry->scanning = false;
	}
	LWLockRelease(tq_shmem_lock(TQ_LOCK_LEASES));
}

/* What the changes below are told and tell. */
typedef struct Change
{
	int64		token;
	int64		time;
	bool		done;
	int64		lease_until;
	TqClaim    *copy;
} Change;

static bool
is_meant(const TqClaim *claim, const Change *change)
{
	return claim->external && claim->token == change->token;
}

static bool
confirm(TqClaim *claim, void *arg)
{
	Change	   *change = arg;

	if (is_meant(claim, change))
	{
		claim->pid = 0;
		change->lease_until = claim->lease_until;
		change->done = true;
	}
	return true;
}

void
tq_lease_confirm(int64 task_id, int64 token)
{
	Change		change = {.token = token};

	tq_claim_change(task_id, confirm, &change);
	if (change.done)
		tq_lease_note(MyDatabaseId, change.lease_until);
}

static bool
undo(TqClaim *claim, void *arg)
{
	return !is_meant(claim, arg);
}

void
tq_lease_undo(int64 task_id, int64 token)
{
	Change		change = {.token = token};

	tq_claim_change(task_id, undo, &change);
}

/* If it is marked: the note that leads here is made before. */
static bool
end(TqClaim *claim, void *arg)
{
	return !is_meant(claim, arg) || claim->ending != MyProcPid;
}

void
tq_lease_end(int64 task_id, int64 token)
{
	Change		change = {.token = token};

	tq_claim_change(task_id, end, &change);
}

static bool
keep(TqClaim *claim, void *arg)
{
	Change	   *change = arg;

	if (is_meant(claim, change) && claim->ending == MyProcPid)
	{
		claim->ending = 0;
		claim->expired = false;
		change->lease_until = claim->lease_until;
		change->done = claim->pid == 0;
	}
	return true;
}

void
tq_lease_keep(int64 task_id, int64 token)
{
	Change		change = {.token = token};

	tq_claim_change(task_id, keep, &change);
	if (change.done)
		tq_lease_note(MyDatabaseId, change.lease_until);
}

static bool
mark_ending(TqClaim *claim, void *arg)
{
	Change	   *change = arg;

	if (is_meant(claim, change) && claim->ending == 0)
	{
		claim->ending = MyProcPid;
		change->done = true;
	}
	return true;
}

bool
tq_lease_mark_ending(int64 task_id, int64 token)
{
	Change		change = {.token = token};

	tq_claim_change(task_id, mark_ending, &change);
	return change.done;
}

bool
tq_lease_is_over(const TqClaim *claim, int64 now)
{
	return claim->external && claim->pid == 0 && claim->ending == 0 && claim->lease_until <= now;
}

static bool
mark_expired(TqClaim *claim, void *arg)
{
	Change	   *change = arg;

	if (is_meant(claim, change) && tq_lease_is_over(claim, change->time))
	{
		claim->ending = MyProcPid;
		claim->expired = true;
		change->done = true;
	}
	return true;
}

bool
tq_lease_mark_expired(int64 task_id, int64 token, int64 now)
{
	Change		change = {.token = token, .time = now};

	tq_claim_change(task_id, mark_expired, &change);
	return change.done;
}

static bool
extend(TqClaim *claim, void *arg)
{
	Change	   *change = arg;

	if (is_meant(claim, change) && !claim->expired)
	{
		claim->lease_until = change->time;
		if (claim->limit_kind != TQ_LIMIT_NONE)
			claim->lease_until = Min(claim->lease_until, claim->limit_until);
		*change->copy = *claim;
		change->done = true;
	}
	return true;
}

bool
tq_lease_extend(int64 task_id, int64 token, int64 until, TqClaim *claim)
{
	Change		change = {.token = token, .time = until, .copy = claim};

	tq_claim_change(task_id, extend, &change);
	if (change.done && claim->pid == 0)
		tq_lease_note(MyDatabaseId, claim->lease_until);
	return change.done;
}
