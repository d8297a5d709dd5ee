/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The worker pool of a database, kept by its scheduler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POOL_H
#define TQ_POOL_H

#include "postgres.h"

#include "shmem/databases.h"

/* Start workers as asked for; notices those that never came up. */
extern void tq_pool_tend(const TqMessages *messages);

/* The lanes, queues or handlers have changed. */
extern void tq_pool_forget_served(void);

/* At start-up: workers that tasks name as their target. */
extern void tq_pool_start_targeted(void);

/* When the pool wants to be looked at again; TQ_NEVER: when something happens. */
extern TimestampTz tq_pool_next(void);

/* Settle the tasks of workers that died with them; returns false if something is left. */
extern bool tq_pool_settle(void);

/* Leases of external workers that have run out. */
extern void tq_pool_expire_leases(void);

/* Procedures and cancels that nobody is responsible for after a restart. */
extern void tq_pool_recover(void);
extern void tq_pool_cancel_unclaimed(void);

#endif
