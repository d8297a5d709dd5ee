/*-------------------------------------------------------------------------
 *
 * serve.h
 *	  Which lanes an in-database claimer serves, and reading a lane.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SERVE_H
#define TQ_SERVE_H

#include "postgres.h"

#define TQ_INLINE_WORKER	"db/inline"

typedef struct TqServed
{
	int			count;
	int64	   *lanes;
	char	  **queues;			/* of each lane */
	int		   *max_running;	/* of its queue; 0: no limit */
	int			npaused;
	int64	   *paused;			/* lanes that would be served, were their queues not paused */
} TqServed;

/*
 * The lanes of queues that are not paused, untargeted or with a target that
 * this worker claims: worker:<name> and the names in task_queue.claims.
 * queue NULL: all queues.  manual: also the tasks of sessions in manual mode.
 * palloc'd in the current context.
 */
extern TqServed *tq_serve_lanes(const char *worker, const char *queue, bool manual);
extern void tq_serve_remove_queue(TqServed *served, const char *queue);

/* Read a lane into the ready index; returns how many tasks were found. */
extern int	tq_serve_refill(int64 lane);

#endif
