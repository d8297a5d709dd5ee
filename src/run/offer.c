/*-------------------------------------------------------------------------
 *
 * offer.c
 *	  Which lanes an external worker is handed tasks from.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/inval.h"

#include "run/dequeue.h"
#include "shmem/databases.h"
#include "shmem/poll.h"
#include "store/lane.h"
#include "store/queue.h"

#define WORKER_TARGET	"worker:"

bool
tq_offer_contains(char *const *list, int n, const char *name)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static bool
claims_target(const TqDequeue *request, const char *target)
{
	size_t		prefix = strlen(WORKER_TARGET);

	if (!request->anonymous && strncmp(target, WORKER_TARGET, prefix) == 0 &&
		strcmp(target + prefix, request->worker) == 0)
		return true;
	return tq_offer_contains(request->claims, request->nclaims, target);
}

/* A lane whose handler is no longer an external one is served by the server's own workers. */
static bool
knows_handler(const TqDequeue *request, const char *name)
{
	TqHandler  *handler = tq_handler_find(name, true);
	bool		known;

	if (handler == NULL)
		return false;
	known = handler->kind == TQ_HANDLER_EXTERNAL &&
		(request->nhandlers < 0 ||
		 tq_offer_contains(request->handlers, request->nhandlers, handler->name));
	tq_handler_unpin(handler);
	return known;
}

static bool
may_serve(const TqDequeue *request, const TqLane *lane, int *max_running)
{
	const TqQueue *queue;

	if (request->queue != NULL && strcmp(lane->queue, request->queue) != 0)
		return false;
	if (lane->target != NULL && !claims_target(request, lane->target))
		return false;
	queue = tq_queue_find(lane->queue, true);
	if (queue != NULL && queue->paused)
		return false;
	*max_running = queue ? queue->max_running : 0;
	return knows_handler(request, lane->handler) &&
		(request->queue != NULL || tq_role_serves_queue(request->caller, lane->queue));
}

/* Looking up handlers and queues may invalidate the list of lanes, so what is needed of it is copied. */
static TqLane *
copy_external_lanes(int *n)
{
	int			nall;
	const TqLane *all = tq_lane_list(&nall);
	TqLane	   *copies = palloc(Max(nall, 1) * sizeof(TqLane));

	*n = 0;
	for (int i = 0; i < nall; i++)
	{
		TqLane	   *copy;

		if (all[i].kind != TQ_LANE_EXTERNAL)
			continue;
		copy = &copies[(*n)++];
		*copy = all[i];
		copy->queue = pstrdup(all[i].queue);
		copy->handler = pstrdup(all[i].handler);
		copy->target = all[i].target ? pstrdup(all[i].target) : NULL;
	}
	return copies;
}

/*
 * Bring the caches up to date; returns the number of changes that they know
 * of.  A commit raises it, and wakes those who wait, before it sends its
 * invalidation messages, so these alone could come too late.
 */
static uint32
refresh(void)
{
	static uint32 known = 0;
	uint32		epoch = tq_database_config_epoch(MyDatabaseId);

	if (epoch == known)
		AcceptInvalidationMessages();
	else
		InvalidateSystemCaches();
	known = epoch;
	return epoch;
}

static bool
has_limits(const TqServed *served)
{
	for (int i = 0; i < served->count; i++)
	{
		if (served->max_running[i] > 0)
			return true;
	}
	return false;
}

static TqServed *
find_lanes(const TqDequeue *request)
{
	int			n;
	TqLane	   *lanes = copy_external_lanes(&n);
	TqServed   *served = palloc0(sizeof(TqServed));

	served->lanes = palloc(Max(n, 1) * sizeof(int64));
	served->queues = palloc(Max(n, 1) * sizeof(char *));
	served->max_running = palloc(Max(n, 1) * sizeof(int));
	for (int i = 0; i < n; i++)
	{
		int			max_running;

		if (!may_serve(request, &lanes[i], &max_running))
			continue;
		served->lanes[served->count] = lanes[i].id;
		served->queues[served->count] = lanes[i].queue;
		served->max_running[served->count] = max_running;
		served->count++;
	}
	return served;
}

/* Whoever changes the configuration after the backend said what it waits for wakes it. */
TqServed *
tq_offer_lanes(const TqDequeue *request, bool polling)
{
	TqServed   *served;
	uint32		epoch;

	do
	{
		epoch = refresh();
		served = find_lanes(request);
		if (polling)
			tq_poll_enter(served->lanes, served->count, has_limits(served));
	} while (polling && epoch != tq_database_config_epoch(MyDatabaseId));
	return served;
}
