/*-------------------------------------------------------------------------
 *
 * digest.h
 *	  The fields of a step, and a digest over all of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_DIGEST_H
#define TQ_DAG_DIGEST_H

#include "postgres.h"

/* The attributes of type step, in order (counted from 0). */
typedef enum TqStepField
{
	TQ_STEP_ID,
	TQ_STEP_HANDLER,
	TQ_STEP_ARGS,
	TQ_STEP_AFTER,
	TQ_STEP_AFTER_ANY,
	TQ_STEP_OPTIONAL,
	TQ_STEP_RETRY_POLICY,
	TQ_STEP_TIMEOUT,
	TQ_STEP_QUEUE,
	TQ_STEP_PRIORITY,
	TQ_STEP_TARGET,
	TQ_STEP_COLOCATE_WITH,
	TQ_STEP_FOLLOW_TARGET_OF,
	TQ_STEP_COLOCATE_HERE,
	TQ_STEP_WAIT_FOR,
	TQ_STEP_BREAK_BEFORE,
	TQ_STEP_BREAK_AFTER,
	TQ_STEP_DELAY,
	TQ_STEP_RUN_IF,
	TQ_STEP_FOR_EACH,
	TQ_STEP_UNDO
} TqStepField;

#define TQ_STEP_NFIELDS		(TQ_STEP_UNDO + 1)

/* values are 0 where nulls is set. */
typedef struct TqStepFields
{
	Datum		values[TQ_STEP_NFIELDS];
	bool		nulls[TQ_STEP_NFIELDS];
} TqStepFields;

/* A bytea.  Equal for equal arguments of step(), on every server and release. */
extern Datum tq_digest_step(const TqStepFields *fields);

#endif
