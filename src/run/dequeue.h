/*-------------------------------------------------------------------------
 *
 * dequeue.h
 *	  Handing tasks out to external workers.
 *
 * With the preloaded library the ids come from the ready index, the rows are
 * locked until the transaction ends but not changed, and the lease is a claim
 * in shared memory.  Without it, or if there is no room for the claim, the
 * lease is written into the row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DEQUEUE_H
#define TQ_DEQUEUE_H

#include "postgres.h"

#include "handler/registry.h"
#include "run/serve.h"
#include "store/task.h"

typedef struct TqDequeue
{
	Oid			caller;
	const char *queue;			/* NULL: all that the caller may serve */
	int			max_tasks;
	int64		lease_us;
	const char *worker;
	bool		anonymous;		/* the worker gave no name */
	char	  **claims;			/* targets beside worker:<name> */
	int			nclaims;
	char	  **handlers;		/* main names */
	int			nhandlers;		/* -1: all */
} TqDequeue;

/* A task and its new owner's lease. */
typedef struct TqHandout
{
	TqTask	   *task;
	int64		token;
	int32		attempt;
	TimestampTz started_at;
	TimestampTz lease_until;
	char	   *dag_id;			/* NULL: not a step */
	char	   *step_id;
} TqHandout;

/*
 * Hand out up to max_tasks, waiting for the first one for at most wait_us.
 * *handouts is palloc'd; returns how many there are.
 */
extern int	tq_dequeue(const TqDequeue *request, int64 wait_us, TqHandout **handouts);

/*
 * The lanes that may be handed out from: external handlers, queues that are
 * not paused.  polling: the backend is said to wait for them.
 */
extern TqServed *tq_offer_lanes(const TqDequeue *request, bool polling);

/* In a list of claims or handlers. */
extern bool tq_offer_contains(char *const *list, int n, const char *name);

/* What became of a locked task that was to be handed out. */
typedef enum TqHandoutResult
{
	TQ_HANDED_OUT,
	TQ_HANDOUT_ENDED,			/* it ended, or was moved to where it belongs: something was written */
	TQ_HANDOUT_CLAIMED,			/* somebody else holds it, who will put it back when he must */
	TQ_HANDOUT_FULL				/* its queue runs as many as it may */
} TqHandoutResult;

extern TqHandoutResult tq_handout_make(const TqDequeue *request, TqTask *task, int max_running,
									   TqHandout *handout);

/* Take back one that was made a moment ago; its id is noted for commit. */
extern void tq_handout_undo(const TqHandout *handout);

/*
 * When no lease of an attempt may last any longer, and which error its end
 * is then (TQ_LIMIT_...).  0: no limit.
 */
extern TimestampTz tq_handout_limit(const TqTask *task, const TqHandler *handler,
									TimestampTz started_at, char *kind);

#endif
