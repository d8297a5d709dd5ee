/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory of the extension: sizes, locks and the server's hooks.
 *
 * Exists only where the library is preloaded; everybody asks
 * tq_shmem_available() first.  Shared memory never holds facts: it may be
 * lost at any time and is rebuilt from the rows.
 *
 * Lock order: a task's row lock, then one of the locks below; of these, never
 * two at once, except that TQ_LOCK_QUEUES nests inside a claims partition.
 * None is held across SQL, an unbounded allocation or an error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SHMEM_H
#define TQ_SHMEM_H

#include "postgres.h"

#include "storage/lwlock.h"

#define TQ_CLAIM_PARTITIONS	16

typedef enum TqLockId
{
	TQ_LOCK_DATABASES,			/* databases.c */
	TQ_LOCK_READY,				/* ready.c */
	TQ_LOCK_CHANNELS,			/* wait.c */
	TQ_LOCK_COUNTERS,			/* counters.c */
	TQ_LOCK_QUEUES,				/* running.c */
	TQ_LOCK_LEASES,				/* lease.c */
	TQ_LOCK_POLLS,				/* poll.c */
	TQ_LOCK_SEEN,				/* seen.c */
	TQ_LOCK_CLAIMS,				/* claims.c: the first of the partitions */
	TQ_LOCK_COUNT = TQ_LOCK_CLAIMS + TQ_CLAIM_PARTITIONS
} TqLockId;

extern bool tq_shmem_available(void);
extern LWLock *tq_shmem_lock(int id);

/* Name for a wait event, shown in pg_stat_activity where the server can. */
extern uint32 tq_shmem_wait_event(void);

/* Texts in shared memory have fixed room: as many whole characters as fit. */
extern void tq_shmem_copy_text(char *to, const char *from, Size size);

/* Nothing may stay of a database that is gone, or whose extension is. */
extern void tq_shmem_forget_database(Oid database);

extern void tq_shmem_init(bool preloaded);

#endif
