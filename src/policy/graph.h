/*-------------------------------------------------------------------------
 *
 * graph.h
 *		The shape of a DAG, and a model of what its steps' ends mean.
 *
 * Pure C. submit_dag() uses the first part to number steps so that every
 * dependency has a lower number than its dependents, and to find cycles. The
 * model computes from scratch what the engine computes row by row: tests
 * compare the two.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POLICY_GRAPH_H
#define TQ_POLICY_GRAPH_H

#include <stdbool.h>

#include "policy/state.h"

/* What the failure of a step means for a dependent; stored for ever. */
typedef enum TqEdgeKind
{
	TQ_EDGE_REQUIRED = 'r',		/* it is skipped */
	TQ_EDGE_DEFAULT = 'd',		/* it runs with a default value */
	TQ_EDGE_OPTIONAL = 'o'		/* it runs */
} TqEdgeKind;

/* How a step may name another one; several can hold for the same pair. */
#define TQ_SAYS_REF			0x01
#define TQ_SAYS_DEFAULT		0x02
#define TQ_SAYS_AFTER		0x04	/* also placement beside it, and the parent of
								 * an added step */
#define TQ_SAYS_AFTER_ANY	0x08

extern TqEdgeKind tq_graph_edge_kind(int says);

typedef struct TqGraphEdge
{
	int			parent;
	int			child;
	TqEdgeKind	kind;
} TqGraphEdge;

/*
 * Order nodes 0..n-1 topologically, as near to the given order as a queue
 * allows: order[i] is the node at place i. Returns 0, or the length of a
 * cycle, whose nodes are then the first of order, each one depending on the
 * one before it and the first on the last.
 */
extern int	tq_graph_order(int n, const TqGraphEdge *edges, int nedges, int *order);

/*
 * The model. Steps are given in topological order (parents first). How a step
 * ends if it runs is part of the input; where the model stands still is given
 * by held, released and canceled.
 */
typedef struct TqModelStep
{
	bool		optional;
	bool		fails;			/* terminally, if it runs */
	bool		unfinished;		/* if it runs, it does not end */
	bool		canceled_alone; /* if it runs, its task is canceled */
	bool		stopped_before; /* behind its own breakpoint, or a signal */
	bool		stopped_after;	/* its after-breakpoint is active */
	TqStepState state;			/* result */
} TqModelStep;

/* Fills in the states of the steps and returns that of the DAG (running or ended). */
extern TqDagState tq_graph_model(TqModelStep *steps, int n,
								 const TqGraphEdge *edges, int nedges);

#endif							/* TQ_POLICY_GRAPH_H */
