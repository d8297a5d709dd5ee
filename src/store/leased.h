/*-------------------------------------------------------------------------
 *
 * leased.h
 *	  Leases of external workers that are written in the rows of tasks.
 *
 * What is found here is only where to look: the caller locks a row, and looks
 * at it again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LEASED_H
#define TQ_LEASED_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* How many tasks of a queue external workers hold whose lease has not ended. */
extern int	tq_leased_count(const char *queue);

/* Ids of the tasks that a worker of that name holds, ascending; palloc'd. */
extern int	tq_leased_by(const char *worker, int64 **ids);

/* Ids of at most max tasks whose lease ended before that, of these queues. */
extern int	tq_leased_expired(TimestampTz before, char *const *queues, int nqueues,
							  int64 *ids, int max);

#endif
