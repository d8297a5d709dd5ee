/*-------------------------------------------------------------------------
 *
 * lease.c
 *	  Leases of external workers that have run out.
 *
 * They end a few at a time in one transaction; if that fails, each in one of
 * its own, so that a task that makes trouble keeps none of the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "bgw/pool.h"
#include "bgw/transaction.h"
#include "run/lease.h"
#include "shmem/databases.h"
#include "shmem/lease.h"

#define BATCH			100
#define RETRY_US		(200 * TQ_USECS_PER_MS)

typedef struct Batch
{
	const TqClaim *claims;
	int			n;
	bool		all;			/* none was locked by somebody else */
} Batch;

static void
expire_batch(void *arg)
{
	Batch	   *batch = arg;

	for (int i = 0; i < batch->n; i++)
	{
		if (!tq_lease_expire(&batch->claims[i]))
			batch->all = false;
	}
}

static bool
expire_one_by_one(const TqClaim *claims, int n)
{
	bool		all = true;

	for (int i = 0; i < n; i++)
	{
		Batch		batch = {.claims = &claims[i], .n = 1, .all = true};
		ErrorData  *error = tq_transaction_run(expire_batch, &batch);

		if (error != NULL)
			tq_transaction_log(error, "ending a lease");
		all &= batch.all && error == NULL;
	}
	return all;
}

static bool
expire(const TqClaim *claims, int n)
{
	bool		all = true;

	for (int i = 0; i < n; i += BATCH)
	{
		Batch		batch = {.claims = &claims[i], .n = Min(BATCH, n - i), .all = true};

		if (tq_transaction_run(expire_batch, &batch) == NULL)
			all &= batch.all;
		else
			all &= expire_one_by_one(batch.claims, batch.n);
	}
	return all;
}

typedef struct Scan
{
	int64		now;
	int64		next;
} Scan;

static bool
is_over(const TqClaim *claim, void *arg)
{
	Scan	   *scan = arg;

	if (tq_lease_is_over(claim, scan->now))
		return true;
	/* Others are noted again when they are confirmed, or when the transaction that ends them gives up. */
	if (claim->external && claim->pid == 0 && claim->ending == 0)
		scan->next = Min(scan->next, claim->lease_until);
	return false;
}

void
tq_pool_expire_leases(void)
{
	Scan		scan = {.now = tq_clock_monotonic(), .next = TQ_NEVER};
	TqClaim    *claims;
	int			n;

	if (tq_lease_next(MyDatabaseId) > scan.now)
		return;
	tq_lease_scan_begin(MyDatabaseId);
	claims = tq_claim_list(is_over, &scan, &n);
	if (!expire(claims, n))
		scan.next = Min(scan.next, scan.now + RETRY_US);
	tq_lease_scan_end(MyDatabaseId, scan.next);
}
