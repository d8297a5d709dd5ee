/*-------------------------------------------------------------------------
 *
 * chore.h
 *	  Work of the scheduler on tasks that somebody may have locked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CHORE_H
#define TQ_CHORE_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct TqChore
{
	const char *doing;			/* for the log */
	bool		(*is_due) (void);	/* is there something to do?  NULL: only when it is wanted */
	int			(*find) (int64 after, int64 *ids, int max); /* in ascending order */
	bool		(*handle) (int64 id);	/* false: somebody has locked it, later */
	void		(*handled) (int64 id);	/* NULL, or called after the commit; then each id has a transaction of its own */

	/* The rest is for chore.c; all zero in the beginning. */
	bool		wanted;
	bool		resumed;		/* the last round did not come to the end: */
	int64		after;			/* the next one goes on behind this id */
	int			failures;		/* rounds in a row that left something */
	TimestampTz retry_at;
} TqChore;

/* The next run has something to do. */
extern void tq_chore_want(TqChore *chore);

/* Do it, if it is wanted or due and it is not too early for another try. */
extern void tq_chore_run(TqChore *chore);

/* Do it now, once. */
extern void tq_chore_run_now(TqChore *chore);

/* When it wants to run again; TQ_NEVER: when it is wanted. */
extern TimestampTz tq_chore_next(const TqChore *chore);

#endif
