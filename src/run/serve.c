/*-------------------------------------------------------------------------
 *
 * serve.c
 *	  Which lanes an in-database claimer serves, and reading a lane.
 *
 * External lanes are served too when their handler is no longer an external
 * one: it was registered anew with another kind, or unregistered, and then the
 * tasks end as unknown_handler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/guc.h"
#include "handler/registry.h"
#include "run/serve.h"
#include "shmem/ready.h"
#include "store/lane.h"
#include "store/maintain.h"
#include "store/queue.h"

#define WORKER_TARGET	"worker:"

/* Compares without copying: the list is short, and this is called often. */
static bool
list_contains(const char *list, const char *name)
{
	size_t		len = strlen(name);

	while (*list)
	{
		const char *start = list;
		const char *end;

		while (*start == ' ' || *start == '\t')
			start++;
		list = strchr(start, ',');
		end = list ? list : start + strlen(start);
		while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if (end > start && end - start == len && strncmp(start, name, len) == 0)
			return true;
		if (list == NULL)
			break;
		list++;
	}
	return false;
}

/* Does an in-database worker of that name serve the target? */
static bool
claims_target(const char *worker, const char *target)
{
	size_t		prefix = strlen(WORKER_TARGET);

	if (strncmp(target, WORKER_TARGET, prefix) == 0 && strcmp(target + prefix, worker) == 0)
		return true;
	return tq_claims != NULL && list_contains(tq_claims, target);
}

static bool
serves_kind(const TqLane *lane, bool manual)
{
	if (lane->kind == TQ_LANE_DATABASE)
		return true;
	if (lane->kind == TQ_LANE_MANUAL)
		return manual;
	return !tq_handler_is_external(lane->handler);
}

TqServed *
tq_serve_lanes(const char *worker, const char *queue, bool manual)
{
	int			n;
	const TqLane *cached = tq_lane_list(&n);
	TqLane	   *lanes = palloc(Max(n, 1) * sizeof(TqLane));
	TqServed   *served = palloc0(sizeof(TqServed));

	/* Looking up handlers and queues may invalidate the list, whose texts live on until the next transaction. */
	memcpy(lanes, cached, n * sizeof(TqLane));
	for (int i = 0; i < n; i++)
	{
		lanes[i].queue = pstrdup(lanes[i].queue);
		lanes[i].handler = lanes[i].handler ? pstrdup(lanes[i].handler) : NULL;
		lanes[i].target = lanes[i].target ? pstrdup(lanes[i].target) : NULL;
	}
	served->lanes = palloc(Max(n, 1) * sizeof(int64));
	served->queues = palloc(Max(n, 1) * sizeof(char *));
	served->max_running = palloc(Max(n, 1) * sizeof(int));
	served->paused = palloc(Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		const TqQueue *row;

		if (queue != NULL && strcmp(lanes[i].queue, queue) != 0)
			continue;
		if (lanes[i].target != NULL && !claims_target(worker, lanes[i].target))
			continue;
		if (!serves_kind(&lanes[i], manual))
			continue;
		row = tq_queue_find(lanes[i].queue, true);
		if (row != NULL && row->paused)
		{
			served->paused[served->npaused++] = lanes[i].id;
			continue;
		}
		served->lanes[served->count] = lanes[i].id;
		served->queues[served->count] = lanes[i].queue;
		served->max_running[served->count] = row ? row->max_running : 0;
		served->count++;
	}
	return served;
}

void
tq_serve_remove_queue(TqServed *served, const char *queue)
{
	int			kept = 0;

	for (int i = 0; i < served->count; i++)
	{
		if (strcmp(served->queues[i], queue) == 0)
			continue;
		served->lanes[kept] = served->lanes[i];
		served->queues[kept] = served->queues[i];
		served->max_running[kept] = served->max_running[i];
		kept++;
	}
	served->count = kept;
}

int
tq_serve_refill(int64 lane)
{
	TqReadyKey	from;
	TqReadyKey *keys;
	int			max;
	int			n;

	if (!tq_ready_refill_begin(MyDatabaseId, lane, &from, &max))
		return 0;
	keys = palloc(max * sizeof(TqReadyKey));
	n = tq_maintain_read_ready(lane, &from, max, keys);
	tq_ready_refill_end(keys, n, n < max);
	pfree(keys);
	return n;
}
