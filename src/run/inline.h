/*-------------------------------------------------------------------------
 *
 * inline.h
 *	  Running tasks in the caller's transaction: drain() and inline execution.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_INLINE_H
#define TQ_INLINE_H

#include "postgres.h"

#include "base/errors.h"

typedef struct TqDrainOptions
{
	const char *queue;			/* NULL: all */
	int64		max_tasks;		/* negative: no limit */
	bool		include_scheduled;
	bool		this_transaction;
} TqDrainOptions;

/* Called after each execution; error may be NULL. */
typedef void (*TqDrainReport) (void *arg, int64 task_id, const char *handler,
							   char state, const TqError *error);

/* Returns the number of executions. */
extern int64 tq_drain(const TqDrainOptions *options, TqDrainReport report, void *arg);

/* If execution is inline: run what this transaction has made ready. */
extern void tq_inline_run(void);

#endif
