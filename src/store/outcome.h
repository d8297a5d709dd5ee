/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  What is known of a task, live or ended.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_OUTCOME_H
#define TQ_OUTCOME_H

#include "postgres.h"

#include "access/transam.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "policy/state.h"

typedef struct TqOutcome
{
	int64		task_id;
	char		state;			/* TQ_TASK_...; a scheduled task that is due counts as ready */
	bool		live;			/* its row is in table task */
	TransactionId xmin;			/* of the row */
	Oid			enqueuer;
	char	   *handler;
	bool		has_dag;
	int64		dag_key;
	int32		step_no;

	/* Ended tasks. */
	TimestampTz finished_at;
	Jsonb	   *result;			/* NULL: none */
	bool		has_error;
	Datum		error;			/* a task_error */
	char	   *error_kind;
	char	   *error_message;
	char	   *cancel_reason;
} TqOutcome;

/*
 * Look a task up as of now, whatever the isolation level; a task that moves
 * from one table to the other meanwhile is found.  Results are palloc'd in
 * the current context.
 */
extern bool tq_outcome_find(int64 task_id, TqOutcome *outcome);

/*
 * Everything about a task as one JSON document; NULL if there is none.
 * Without with_payload what pg_monitor may not see is null.
 */
extern Jsonb *tq_outcome_document(int64 task_id, bool with_payload);

#endif
