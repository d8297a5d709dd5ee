/*-------------------------------------------------------------------------
 *
 * health.h
 *	  The checks of health().
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_HEALTH_H
#define TQ_HEALTH_H

#include "postgres.h"

#include "utils/tuplestore.h"

/* What only the server's memory and settings tell. */
typedef struct TqHealthFacts
{
	bool		preloaded;
	int			workers;
	bool		enabled;
	bool		listed;			/* the database is in task_queue.databases */
	bool		out_of_slots;
	bool		start_failed;	/* of a worker, or of the scheduler, or that ended in an error */
	int			idle_workers;
	const char *claims;
	int			ready_capacity;
	int			leases;			/* of all databases */
	int			lease_capacity;
	const char *home;
} TqHealthFacts;

/* Adds rows of type health_finding. */
extern void tq_health_check(const TqHealthFacts *facts, Tuplestorestate *store);

#endif
