/*-------------------------------------------------------------------------
 *
 * running.h
 *	  How many tasks of each queue run, for queues that have a limit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_RUNNING_H
#define TQ_RUNNING_H

#include "postgres.h"

extern Size tq_running_shmem_size(void);
extern void tq_running_shmem_attach(void *memory, bool found);

/* Count one more, unless there are as many as may be already: false. */
extern bool tq_running_add(Oid database, const char *queue, int max_running);
extern void tq_running_remove(Oid database, const char *queue);
extern int	tq_running_count(Oid database, const char *queue);	/* PG_INT32_MAX: there is no room to count it */
extern void tq_running_forget_database(Oid database);

/* What stands for the name of a queue. */
extern uint64 tq_running_hash(const char *queue);

#endif
