/*-------------------------------------------------------------------------
 *
 * handover.h
 *	  Making the task of a step that is ready.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_HANDOVER_H
#define TQ_DAG_HANDOVER_H

#include "postgres.h"

#include "store/dag.h"

/* What is known of a step that ended just now, so that it need not be read. */
typedef struct TqStepOutput
{
	int32		step_no;		/* 0: nothing is known */
	char		state;
	Jsonb	   *result;
	const char *worker;
} TqStepOutput;

/* The step's row says already that it is running. */
extern void tq_dag_hand_over(const TqDag *dag, TqStepTask *task, const TqStepOutput *known);

#endif
