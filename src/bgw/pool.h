/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  What the scheduler of a database keeps: its worker pool, and tasks that
 *	  nobody else is responsible for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POOL_H
#define TQ_POOL_H

#include "postgres.h"

#include "bgw/chore.h"
#include "shmem/databases.h"

/* Start workers as asked for; notices those that never came up. */
extern void tq_pool_tend(const TqMessages *messages);

/* The lanes, queues or handlers have changed. */
extern void tq_pool_forget_served(void);

/* At start-up: workers that tasks name as their target. */
extern void tq_pool_start_targeted(void);

/* When the pool wants to be looked at again; TQ_NEVER: when something happens. */
extern TimestampTz tq_pool_next(void);

/* Tasks of workers that died with them. */
extern TqChore tq_pool_settle;

/* Leases of external workers that have run out: in memory, in rows. */
extern TqChore tq_pool_expire_leases;
extern TqChore tq_pool_expire_rows;

/* Procedures and cancels that nobody is responsible for. */
extern TqChore tq_pool_recover;
extern TqChore tq_pool_cancel_unclaimed;

#endif
