/*-------------------------------------------------------------------------
 *
 * poll.h
 *	  Sleeping until a task comes that an external worker can take.
 *
 * Protocol: tq_poll_enter(), look for tasks, tq_poll_sleep(), enter and look
 * again, …, tq_poll_leave().  A commit that brings a task wakes one of those
 * who serve its lane, the one that has waited longest, and takes it off the
 * list.  So a wake-up is never lost as long as whoever is woken looks, or
 * passes it on: that is what entering anew and leaving do.
 *
 * Works with the preloaded library only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POLL_H
#define TQ_POLL_H

#include "postgres.h"

extern Size tq_poll_shmem_size(void);
extern void tq_poll_shmem_attach(void *memory, bool found);

/*
 * Be woken for tasks of these lanes.  limited: some of them were left out
 * because their queues run as many tasks as they may.
 */
extern void tq_poll_enter(const int64 *lanes, int nlanes, bool limited);

/* Sleep for at most ms; honours interrupts and notices the end of the client. */
extern void tq_poll_sleep(long ms);

/* took_all: there is nothing left that this backend was woken for. */
extern void tq_poll_leave(bool took_all);
extern void tq_poll_abort(void);	/* also at exit; idempotent */

/* Called from commit callbacks; never fail. */
extern void tq_poll_wake(Oid database, int64 lane, int ntasks);
extern void tq_poll_wake_all(Oid database); /* lanes or settings changed */
extern void tq_poll_wake_limited(Oid database);	/* a queue with a limit has room again */

#endif
