/*-------------------------------------------------------------------------
 *
 * claims.h
 *	  Who is running what: claims by task id.
 *
 * A claim is made while the task's row lock is held, and is released only
 * after the transaction that records the outcome has ended.  One order
 * everywhere: row lock first, then the claims table.  Whoever gets a row lock
 * looks for a claim before it acts: row locked and a claim exists = running.
 *
 * With the library preloaded claims are entries of a shared hash table; an
 * in-database one belongs to a backend (pid) and goes when that backend does;
 * an external one belongs to a lease.  Without the library a claim is a
 * session-level advisory lock of the backend, leases of external workers are
 * in the task's row, and claims of other sessions cannot be seen.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CLAIMS_H
#define TQ_CLAIMS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define TQ_CLAIM_NAME_LEN	128

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
	bool		draining;		/* in drain(): the backend is no worker */
	int			pid;			/* the backend that made it; external: until its transaction has committed */
	int64		token;			/* external: fencing token, see run/token.h */
	int64		lease_until;	/* external: monotonic clock, microseconds */
	TimestampTz started_at;
	int32		attempt;		/* number of this execution */
	Oid			enqueuer;
	Oid			claimed_by;		/* external: the role that dequeued */
	bool		cancel_requested;
	int			ending;			/* pid of a transaction in progress that ends it; 0: none */
	bool		expired;		/* it is ending because its lease ran out */
	int64		limit_until;	/* external: no lease reaches beyond that, */
	char		limit_kind;		/* because of this: TQ_LIMIT_... */
	int64		lane;			/* these three: to put the id back */
	int32		priority;
	TimestampTz run_at;
	bool		counted;		/* counts against its queue's max_running */
	bool		in_batch;		/* another one counts for it */
	char		worker[TQ_CLAIM_NAME_LEN];
	char		handler[TQ_CLAIM_NAME_LEN];
	char		queue[TQ_CLAIM_NAME_LEN];
} TqClaim;

extern Size tq_claims_shmem_size(void);
extern Size tq_claims_hash_size(void);
extern void tq_claims_shmem_attach(void *memory, bool found);

/* max_running 0: no limit.  In-database claims are forgotten when the backend exits. */
extern TqClaimResult tq_claim_take(const TqClaim *claim, int max_running);
extern bool tq_claim_find(int64 task_id, TqClaim *claim);	/* copies; claim may be NULL */

/*
 * True: a cancel was requested.  If its signal was for this backend it has
 * arrived by now, so that it can be dropped before it hits anything else.
 */
extern bool tq_claim_release(int64 task_id);

/*
 * Claims of queues that had no limit when they were made count from now on.
 * is_limited() is called with locks held.
 */
extern void tq_claim_count_limited(bool (*is_limited) (const char *queue));

/* How many more tasks of a queue may start, and whether none may; a hint, the claim decides. */
extern int	tq_claim_queue_room(const char *queue, int max_running);
extern bool tq_claim_queue_is_full(const char *queue, int max_running);

/*
 * Flag the claim, and interrupt the backend if it is one that drains; a worker
 * is interrupted through its slot.  False: there is no claim.
 */
extern bool tq_claim_request_cancel(Oid database, int64 task_id);
extern bool tq_claim_cancel_requested(int64 task_id);

/*
 * Change a claim in place: calls change() under the lock, which returns false
 * to remove it.  False: there is no claim.
 */
typedef bool (*TqClaimChange) (TqClaim *claim, void *arg);
extern bool tq_claim_change(int64 task_id, TqClaimChange change, void *arg);

/* Copies of all claims of the current database that the filter accepts; palloc'd, counted in *n. */
typedef bool (*TqClaimFilter) (const TqClaim *claim, void *arg);
extern TqClaim *tq_claim_list(TqClaimFilter filter, void *arg, int *n);

/* How many external workers hold, in all databases. */
extern int	tq_claim_count_external(void);

/* When a database, or the extension in it, is gone. */
extern void tq_claim_forget_database(Oid database);

/* Postmaster only, while nobody else runs: claims of all databases. */
extern void tq_claim_for_each(void (*visit) (Oid database, const TqClaim *claim, void *arg), void *arg);
extern bool tq_claim_restore(Oid database, const TqClaim *claim);	/* false: no room */

#endif
