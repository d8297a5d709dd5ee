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

/* The lane of a task; lists it in table lane if it is new to this backend. */
extern int64 tq_lane_of(char kind, const char *queue, const char *handler, const char *target);

/*
 * All lanes that may hold tasks, from a per-backend cache that is
 * invalidated when a lane is added.  Valid until the next call into store/.
 */
extern const TqLane *tq_lane_list(int *nlanes);

extern void tq_lane_init(void);

#endif
