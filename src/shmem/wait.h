/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Sleeping until a task or a DAG ends.
 *
 * Protocol: tq_wait_begin(), look at the rows with a fresh snapshot,
 * tq_wait_sleep(), look again, …, tq_wait_end().  An end that commits after
 * tq_wait_begin() makes the next tq_wait_sleep() return at once, so none is
 * lost.  A backend waits for one thing at a time.  Without the preloaded
 * library tq_wait_sleep() returns after 50 ms.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_WAIT_H
#define TQ_WAIT_H

#include "postgres.h"

typedef enum TqWaitKind
{
	TQ_WAIT_TASK,				/* key: task_id */
	TQ_WAIT_DAG					/* key: dag_key */
} TqWaitKind;

extern Size tq_wait_shmem_size(void);
extern Size tq_wait_hash_size(void);
extern void tq_wait_shmem_attach(void *memory, bool found);

extern void tq_wait_begin(TqWaitKind kind, int64 key);
extern void tq_wait_sleep(long timeout_ms); /* negative: until woken, with a slow back-stop */
extern void tq_wait_end(void);	/* also called at abort and exit; idempotent */

/* Wake whoever waits for it.  Called from commit callbacks; never fails. */
extern void tq_wait_wake(TqWaitKind kind, int64 key);

#endif
