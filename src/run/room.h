/*-------------------------------------------------------------------------
 *
 * room.h
 *	  Lanes whose queue has room for more running tasks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ROOM_H
#define TQ_ROOM_H

#include "postgres.h"

#include "run/serve.h"

/* Of each lane's queue; lanes of one queue share it, in the entry of the first of them. */
typedef struct TqRoom
{
	int			first;
	int			left;
} TqRoom;

extern TqRoom *tq_room_find(const TqServed *served);

/* The lanes with room, and which of those that are served they are; returns how many. */
extern int	tq_room_lanes(const TqServed *served, const TqRoom *rooms, int64 *lanes, int *index);

#endif
