/*-------------------------------------------------------------------------
 *
 * cascade.h
 *	  What follows from steps that ended or were released.
 *
 * Collect what happened, then let it take effect:
 *
 *	  tq_cascade_begin(); tq_cascade_ended(), ...; tq_cascade_finish();
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_CASCADE_H
#define TQ_DAG_CASCADE_H

#include "postgres.h"

#include "dag/handover.h"
#include "store/dag.h"

/* Something that reaches a step. */
typedef struct TqCascadeEvent
{
	int32		step_no;		/* whom it reaches */
	int32		parent_no;		/* the dependency that is met; 0: none */
	bool		split;			/* its countdown is split */
	bool		doom;			/* it is skipped */
	int32		carry;			/* ended steps for it to carry, */
	int32		carry_bad;
	int16		slice;			/* of that slice of the DAG's counter */
} TqCascadeEvent;

typedef struct TqCascade
{
	TqDag	   *dag;
	TimestampTz now;
	bool		may_start;		/* the DAG is not held */
	TqStepOutput known;			/* of the step that ended */
	int			nevents;		/* a heap, the lowest step first */
	int			room;
	TqCascadeEvent *events;
	int32		ended[TQ_DAG_SLICES];	/* for the DAG's counter */
	int32		ended_bad[TQ_DAG_SLICES];
} TqCascade;

extern void tq_cascade_begin(TqCascade *cascade, TqDag *dag, TimestampTz now);

/* A step has ended; its row says so already. */
extern void tq_cascade_ended(TqCascade *cascade, int32 step_no, char state, const TqStepMark *mark);

/* A done step's after-breakpoint is released. */
extern void tq_cascade_released(TqCascade *cascade, int32 step_no, int32 child, char child_kind);

/* Something that is no dependency may have been the last that a step waited for. */
extern void tq_cascade_evaluate(TqCascade *cascade, int32 step_no);

/* The same of all these steps, and nothing else: begin, evaluate, finish. */
extern void tq_cascade_evaluate_all(TqDag *dag, TimestampTz now, const int32 *step_nos, int n);

/* A required dependency of a step has failed. */
extern void tq_cascade_doom(TqCascade *cascade, int32 step_no, bool split);

/* Let it all take effect; true if the DAG has ended by that. */
extern bool tq_cascade_finish(TqCascade *cascade);

#endif
