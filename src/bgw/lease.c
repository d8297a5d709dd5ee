/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Leases of external workers that have run out.
 *
 * Those in memory are looked for when the next one is due.  After an error, or
 * while somebody has locked the task, the chore remembers that some are over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "bgw/pool.h"
#include "run/lease.h"
#include "shmem/databases.h"
#include "shmem/lease.h"
#include "store/maintain.h"

typedef struct Scan
{
	int64		after;
	int64		now;
	int64		next;
} Scan;

static bool
is_over(const TqClaim *claim, void *arg)
{
	Scan	   *scan = arg;

	if (tq_lease_is_over(claim, scan->now))
		return claim->task_id > scan->after;
	/* Others are noted again when they are confirmed, or when the transaction that ends them gives up. */
	if (claim->external && claim->pid == 0 && claim->ending == 0)
		scan->next = Min(scan->next, claim->lease_until);
	return false;
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = ((const TqClaim *) a)->task_id;
	int64		right = ((const TqClaim *) b)->task_id;

	return left < right ? -1 : left > right;
}

static bool
any_is_over(void)
{
	return tq_lease_next(MyDatabaseId) <= tq_clock_monotonic();
}

static int
find_over(int64 after, int64 *ids, int max)
{
	Scan		scan = {.after = after, .now = tq_clock_monotonic(), .next = TQ_NEVER};
	TqClaim    *claims;
	int			n;

	tq_lease_scan_begin(MyDatabaseId);
	claims = tq_claim_list(is_over, &scan, &n);
	tq_lease_scan_end(MyDatabaseId, scan.next);
	if (claims == NULL)
		return 0;
	qsort(claims, n, sizeof(TqClaim), compare_ids);
	n = Min(n, max);
	for (int i = 0; i < n; i++)
		ids[i] = claims[i].task_id;
	pfree(claims);
	return n;
}

static bool
expire(int64 task_id)
{
	TqClaim		claim;

	return !tq_claim_find(task_id, &claim) ||
		!tq_lease_is_over(&claim, tq_clock_monotonic()) || tq_lease_expire(&claim);
}

TqChore		tq_pool_expire_leases = {
	.doing = "ending a lease",
	.is_due = any_is_over,
	.find = find_over,
	.handle = expire
};

/* Leases that rows tell of, from before the library was preloaded. */
TqChore		tq_pool_expire_rows = {
	.doing = "ending a lease",
	.find = tq_maintain_leases_over,
	.handle = tq_lease_expire_row
};
