/*-------------------------------------------------------------------------
 *
 * lanes.h
 *	  What the ready index knows of each lane; private to ready.c.
 *
 * All of it is protected by TQ_LOCK_READY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LANES_H
#define TQ_LANES_H

#include "postgres.h"

#include "lib/pairingheap.h"

#include "shmem/ready.h"

/* Compared as bytes, so there must be no padding. */
typedef struct TqLaneKey
{
	int64		lane;
	int64		database;
} TqLaneKey;

typedef struct TqLaneHead
{
	TqLaneKey	key;
	pairingheap heap;			/* of TqReadyEntry */
	int			count;
	bool		complete;		/* mark is above every key */
	TqReadyKey	mark;
	int			refiller;		/* pid; 0: no refill is under way */
	bool		lowered_valid;
	TqReadyKey	lowered;
	bool		closed;			/* no worker served it in this epoch */
	uint32		closed_epoch;
} TqLaneHead;

typedef struct TqReadyEntry
{
	pairingheap_node node;		/* of a lane's heap, or next free entry */
	TqReadyKey	key;
} TqReadyEntry;

extern const TqReadyKey tq_lowest_key;

extern Size tq_lanes_hash_size(void);
extern void tq_lanes_attach(void);

extern TqLaneHead *tq_lane_head_find(Oid database, int64 lane); /* NULL: unknown */
extern TqLaneHead *tq_lane_head_make(Oid database, int64 lane); /* NULL: no room */

/* A key at or beyond the mark, or without room in the heap, is in the table only. */
extern void tq_lane_head_lower(TqLaneHead *lane, const TqReadyKey *key);

extern int	tq_lane_heads_count(void);

extern int	tq_lane_heads_max(void);

/* Make room: forget lanes of which nothing is in memory (false: there is none), or all that nobody refills. */
extern bool tq_lane_heads_evict_empty(void (*empty) (TqLaneHead *lane));
extern void tq_lane_heads_evict_all(void (*empty) (TqLaneHead *lane));

/* Make all of some lanes known, as far as there is room. */
extern void tq_lane_heads_make_all(Oid database, const int64 *lanes, int nlanes, void (*empty) (TqLaneHead *lane));

/* The one with the most entries that nobody refills; NULL: all are empty. */
extern TqLaneHead *tq_lane_head_fullest(const TqLaneHead *except);

/* Call visit() for each lane of a database, and forget it if asked to, unless somebody refills it. */
extern void tq_lane_heads_visit(Oid database, void (*visit) (TqLaneHead *lane), bool forget);

#endif
