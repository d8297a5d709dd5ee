/*-------------------------------------------------------------------------
 *
 * lane.h
 *	  Lanes: what one kind of claimer can take.
 *
 * In-database tasks without target of one queue are one lane; external ones
 * are one lane per handler name; each target has its own.  So nothing that a
 * claimer cannot take ever stands in its way.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LANE_H
#define TQ_LANE_H

#include "postgres.h"

#define TQ_LANE_DATABASE	'd'
#define TQ_LANE_EXTERNAL	'x'
#define TQ_LANE_MANUAL		'm'	/* in-database tasks that only drain() and inline execution serve */

/* Rows written by logical replication: nobody serves it; adopt_database() moves them. */
#define TQ_LANE_NONE		INT64CONST(0)

typedef struct TqLane
{
	int64		id;
	char		kind;
	char	   *queue;
	char	   *handler;		/* external lanes only */
	char	   *target;			/* NULL: untargeted */
} TqLane;

/* The lane of a task; lists it in table lane if it is not there yet. */
extern int64 tq_lane_of(char kind, const char *queue, const char *handler, const char *target);

/*
 * All lanes that may hold tasks, from a per-backend cache that is
 * invalidated when a lane is added.  Valid until the next call into store/.
 */
extern const TqLane *tq_lane_list(int *nlanes);

/* The lane of that id; NULL if it is not listed.  Valid as above. */
extern const TqLane *tq_lane_find(int64 id);

/*
 * Remove lanes without tasks from the list.  Gives up at once if a
 * transaction that enqueues is open.  Returns how many.
 */
extern int	tq_lane_remove_empty(void);

/* Rows of the table changed; called by its trigger. */
extern void tq_lane_note_change(Oid relid);

extern void tq_lane_init(void);

#endif
