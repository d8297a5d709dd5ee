/*-------------------------------------------------------------------------
 *
 * lease.h
 *	  Tasks in the hands of external workers: reports, heartbeats, lease ends.
 *
 * The owner of a task is whoever has the token of its lease.  If memory has
 * forgotten the lease (the server was restarted) the token is good as long as
 * the task's generation is the same and nobody else has taken the task.
 * Whether somebody may report at all is the caller's business; here his role
 * decides whose leases he can touch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_RUN_LEASE_H
#define TQ_RUN_LEASE_H

#include "postgres.h"

#include "run/finish.h"
#include "shmem/claims.h"

/* The owner reports.  False, or '\0': the task is not, or no longer, his; nothing has changed. */
extern bool tq_lease_complete(Oid caller, int64 task_id, int64 token, Jsonb *result);
extern char tq_lease_fail(Oid caller, int64 task_id, int64 token, TqError *error);	/* the new state */
extern bool tq_lease_release(Oid caller, int64 task_id, int64 token, int64 delay_us);

typedef struct TqCompletion
{
	int64		task_id;
	int64		token;
	Jsonb	   *result;			/* NULL: none */
	bool		done;			/* out */
} TqCompletion;

extern void tq_lease_complete_many(Oid caller, TqCompletion *completions, int n);

typedef struct TqHeld
{
	int64		task_id;
	int64		token;
	TimestampTz lease_until;
	bool		cancel_requested;
} TqHeld;

/* Set the leases of all tasks of a worker; what he holds is palloc'd, ordered by task_id. */
extern TqHeld *tq_lease_heartbeat(Oid caller, const char *worker, int64 lease_us, int *n);

/* Leases that ran out, in memory and in rows, of some queues.  At most a few at a time; return how many. */
extern int	tq_lease_expire_claims(char *const *queues, int nqueues);
extern int	tq_lease_expire_rows(char *const *queues, int nqueues);

/* One that ran out, as a copy of its claim says, or in a row.  False: its row is locked by somebody, try again. */
extern bool tq_lease_expire(const TqClaim *claim);
extern bool tq_lease_expire_row(int64 task_id);

#endif
