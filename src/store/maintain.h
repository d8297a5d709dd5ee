/*-------------------------------------------------------------------------
 *
 * maintain.h
 *	  SQL of the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_MAINTAIN_H
#define TQ_MAINTAIN_H

#include "postgres.h"

#include "shmem/ready.h"

/* The first ready tasks of a lane with a key at or beyond from, in order. */
extern int	tq_maintain_read_ready(int64 lane, const TqReadyKey *from, int max, TqReadyKey *keys);

/*
 * Make scheduled tasks whose time has come ready, at most max.  Returns how
 * many; *left: there may be more that are due (locked ones among them).
 */
extern int	tq_maintain_promote_due(int max, bool *left);
extern TimestampTz tq_maintain_next_due(void);	/* also the next end of a lease in a row; TQ_NEVER: nothing is scheduled */

/* Ids of tasks whose rows say running, without a lease; at most max, from after on. */
extern int	tq_maintain_running(int64 after, int64 *ids, int max);
extern int	tq_maintain_canceled(int64 after, int64 *ids, int max);	/* live tasks with a cancel request */
extern int	tq_maintain_leases_over(int64 after, int64 *ids, int max);	/* whose rows have a lease that ran out */
extern bool tq_maintain_table_is_empty(void);
extern bool tq_maintain_is_unused(void);	/* has there never been a task, as far as can be seen? */

/* The version of the extension in the catalog; NULL: it is not there. */
extern char *tq_maintain_extension_version(void);

/* Does table meta say that this server and database may run the tasks?  Adopts a database that has no row yet. */
extern bool tq_maintain_is_adopted(void);

#endif
