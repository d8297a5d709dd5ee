/*-------------------------------------------------------------------------
 *
 * held.h
 *	  Keys that this process has taken out of the ready index.
 *
 * An id that is in no memory and lies before its lane's mark would wait for
 * the next sweep.  So whoever takes one answers for it until its task has
 * ended, waits again or belongs to somebody else: it goes back when the
 * process exits, and, in a client's backend, when the transaction aborts.
 *
 * One whose row is locked by somebody else goes back after a while: usually
 * the other transaction feeds the index when it ends, but a row may also have
 * been locked just to look at it.  After a few times it is left to the sweep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_HELD_H
#define TQ_HELD_H

#include "postgres.h"

#include "shmem/ready.h"

extern void tq_held_reserve(void);	/* room for one; may raise, so before it is taken */
extern void tq_held_add(int64 lane, const TqReadyKey *key);
extern void tq_held_drop(int64 task_id);	/* no matter if it is not held */
extern int	tq_held_count(void);
extern void tq_held_drop_since(int count);	/* those that were added since there were so many */
extern void tq_held_refuse(int64 task_id);	/* its row is locked by somebody else */

/* Give back the refused ones that are due; milliseconds until the next one, -1: there is none. */
extern long tq_held_return_due(void);

extern void tq_held_return_all(void);

#endif
