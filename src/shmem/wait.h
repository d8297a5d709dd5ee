/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Sleeping until a task or a DAG ends.
 *
 * Protocol: tq_wait_begin(), look at the rows with a fresh snapshot,
 * tq_wait_sleep(), look again, …, tq_wait_end().  An end that commits after
 * tq_wait_begin() wakes the next tq_wait_sleep() at once, so none is lost.
 * Without the preloaded library tq_wait_sleep() returns after 50 ms.
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

extern void tq_wait_begin(TqWaitKind kind, int64 key);
extern void tq_wait_sleep(long timeout_ms); /* negative: until woken (with a slow back-stop) */
extern void tq_wait_end(void);	/* also called by abort and exit */

#endif
