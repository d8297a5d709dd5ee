/*-------------------------------------------------------------------------
 *
 * claims.h
 *	  Who is running what: claims by task id.
 *
 * A claim is made while the task's row lock is held, and is released only
 * after the transaction that records the outcome has committed.  One order
 * everywhere: row lock first, then the claims table.  Whoever gets a row lock
 * looks for a claim before it acts: row locked and a claim exists = running.
 *
 * With the library preloaded claims are entries of a shared hash table; an
 * in-database one belongs to a backend (pid) and goes when that backend does.
 * Without it a claim is a session-level advisory lock of the backend, and
 * leases of external workers are in the task's row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CLAIMS_H
#define TQ_CLAIMS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define TQ_WORKER_NAME_LEN	64

typedef enum TqClaimResult
{
	TQ_CLAIM_OK,
	TQ_CLAIM_TAKEN,				/* somebody else has it */
	TQ_CLAIM_QUEUE_FULL,		/* max_running reached */
	TQ_CLAIM_NO_ROOM			/* the claims table is full */
} TqClaimResult;

typedef struct TqClaim
{
	int64		task_id;
	bool		external;
	int			pid;			/* in-database: the backend that runs it */
	int64		token;			/* external: fencing token */
	int64		lease_until;	/* external: monotonic clock, microseconds */
	TimestampTz started_at;
	int32		attempt;		/* number of this execution */
	Oid			enqueuer;
	Oid			claimed_by;		/* external: the role that dequeued */
	bool		cancel_requested;
	bool		ending;			/* a transaction that ends it is in progress */
	int64		lane;			/* these four: to put the id back */
	int32		priority;
	TimestampTz run_at;
	bool		counted;		/* counts against its queue's max_running */
	char		worker[TQ_WORKER_NAME_LEN];
	char		queue[TQ_WORKER_NAME_LEN];
} TqClaim;

/* max_running 0: no limit. */
extern TqClaimResult tq_claim_take(const TqClaim *claim, int max_running);
extern bool tq_claim_find(int64 task_id, TqClaim *claim);	/* copies */
extern void tq_claim_release(int64 task_id);

#endif
