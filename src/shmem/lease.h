/*-------------------------------------------------------------------------
 *
 * lease.h
 *	  Claims of external workers: what a transaction's end does to them, and
 *	  when the next lease runs out.
 *
 * A claim made by dequeue() is unconfirmed (it has a pid) until the
 * transaction commits, and goes if that aborts.  Whoever ends a task that is
 * claimed externally marks the claim as ending while holding the row lock; the
 * mark goes when that transaction aborts, the claim when it commits.  Neither
 * an unconfirmed claim nor one that is ending runs out.
 *
 * Every change names the token, so that none ever hits a later claim.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LEASE_H
#define TQ_LEASE_H

#include "postgres.h"

#include "shmem/claims.h"

/* The worker of a dequeue() that names none. */
#define TQ_ANONYMOUS_WORKER	"anonymous"

/* What a lease was cut by. */
#define TQ_LIMIT_NONE		'\0'
#define TQ_LIMIT_DEADLINE	'd'
#define TQ_LIMIT_TIMEOUT	't'

extern Size tq_lease_shmem_size(void);
extern void tq_lease_shmem_attach(void *memory, bool found);

/* Called from transaction callbacks; nothing here fails. */
extern void tq_lease_confirm(int64 task_id, int64 token);
extern void tq_lease_undo(int64 task_id, int64 token);
extern void tq_lease_end(int64 task_id, int64 token);
extern void tq_lease_keep(int64 task_id, int64 token);	/* takes the ending mark back */

/* Mark as ending; the caller holds the row lock.  False: it is no longer so, or not that claim any more. */
extern bool tq_lease_mark_ending(int64 task_id, int64 token);
extern bool tq_lease_mark_expired(int64 task_id, int64 token, int64 now);

/* Has the lease of a copied claim run out, now being on the monotonic clock? */
extern bool tq_lease_is_over(const TqClaim *claim, int64 now);

/*
 * Set the lease of a claim to last until then, but not beyond its limit; the
 * end that it got is returned.  False: it is not that worker's any more.
 */
extern bool tq_lease_extend(int64 task_id, int64 token, int64 until, TqClaim *claim);

/* A lease of a database ends then (monotonic). */
extern void tq_lease_note(Oid database, int64 until);

/* When the next lease of a database may run out (monotonic; TQ_NEVER: none). */
extern int64 tq_lease_next(Oid database);
extern void tq_lease_scan_begin(Oid database);
extern void tq_lease_scan_end(Oid database, int64 next);

#endif
