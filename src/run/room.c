/*-------------------------------------------------------------------------
 *
 * room.c
 *	  Lanes whose queue has room for more running tasks.
 *
 * What is found is a guess, so that nothing is taken in vain; the limit is
 * kept when a task is claimed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "run/room.h"
#include "shmem/claims.h"

TqRoom *
tq_room_find(const TqServed *served)
{
	TqRoom	   *rooms = palloc(Max(1, served->count) * sizeof(TqRoom));

	for (int i = 0; i < served->count; i++)
	{
		rooms[i].first = i;
		for (int j = 0; served->max_running[i] > 0 && j < i; j++)
		{
			if (strcmp(served->queues[i], served->queues[j]) == 0)
			{
				rooms[i].first = j;
				break;
			}
		}
		if (rooms[i].first == i)
			rooms[i].left = tq_claim_queue_room(served->queues[i], served->max_running[i]);
	}
	return rooms;
}

int
tq_room_lanes(const TqServed *served, const TqRoom *rooms, int64 *lanes, int *index)
{
	int			n = 0;

	for (int i = 0; i < served->count; i++)
	{
		if (rooms[rooms[i].first].left <= 0)
			continue;
		lanes[n] = served->lanes[i];
		index[n++] = i;
	}
	return n;
}
