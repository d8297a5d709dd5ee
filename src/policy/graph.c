/*-------------------------------------------------------------------------
 *
 * graph.c
 *		The shape of a DAG, and a model of what its steps' ends mean.
 *
 * See graph.h. Memory comes from malloc(): this file is also linked into
 * programs that have no server.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/graph.h"

#include <stdlib.h>

/*
 * The kinds of several mentions of one step combine: a reference without
 * default needs the value, whatever else is said; a default disarms "after".
 */
TqEdgeKind
tq_graph_edge_kind(int says)
{
	if (says & TQ_SAYS_REF)
		return TQ_EDGE_REQUIRED;
	if (says & TQ_SAYS_DEFAULT)
		return TQ_EDGE_DEFAULT;
	if (says & TQ_SAYS_AFTER)
		return TQ_EDGE_REQUIRED;
	return TQ_EDGE_OPTIONAL;
}

/* Edges grouped by one of their ends: those of node i are list[first[i]] to list[first[i + 1] - 1]. */
typedef struct Adjacency
{
	int		   *first;
	int		   *list;
} Adjacency;

static bool
group_edges(Adjacency *adjacency, int n, const TqGraphEdge *edges, int nedges,
			bool by_parent)
{
	int		   *fill;

	adjacency->first = calloc((size_t) n + 2, sizeof(int));
	adjacency->list = malloc(((size_t) nedges + 1) * sizeof(int));
	if (adjacency->first == NULL || adjacency->list == NULL)
		return false;

	/* Count one place further on; after the sums fill[i] is where i begins. */
	fill = adjacency->first + 1;
	for (int e = 0; e < nedges; e++)
		fill[(by_parent ? edges[e].parent : edges[e].child) + 1]++;
	for (int i = 0; i < n; i++)
		fill[i + 1] += fill[i];
	for (int e = 0; e < nedges; e++)
	{
		int			node = by_parent ? edges[e].parent : edges[e].child;

		adjacency->list[fill[node]++] = by_parent ? edges[e].child : edges[e].parent;
	}
	return true;
}

static void
free_edges(Adjacency *adjacency)
{
	free(adjacency->first);
	free(adjacency->list);
}

/*
 * Every node that is left has a parent that is left: walking from parent to
 * parent must come back to a node that was met before.
 */
static int
find_cycle(int n, const Adjacency *parents, const int *unmet, int *order)
{
	int		   *met = calloc((size_t) n, sizeof(int));
	int		   *path = malloc((size_t) n * sizeof(int));
	int			node = 0;
	int			length = 0;
	int			count;

	if (met == NULL || path == NULL)
	{
		free(met);
		free(path);
		return -1;
	}
	while (unmet[node] == 0)
		node++;
	while (met[node] == 0)
	{
		path[length++] = node;
		met[node] = length;
		for (int i = parents->first[node]; i < parents->first[node + 1]; i++)
		{
			if (unmet[parents->list[i]] > 0)
			{
				node = parents->list[i];
				break;
			}
		}
	}

	/* The walk went against the edges. */
	count = length - (met[node] - 1);
	for (int i = 0; i < count; i++)
		order[i] = path[length - 1 - i];
	free(met);
	free(path);
	return count;
}

/* A queue of nodes without unmet dependencies. Returns -1 if out of memory. */
int
tq_graph_order(int n, const TqGraphEdge *edges, int nedges, int *order)
{
	Adjacency	children = {0};
	Adjacency	parents = {0};
	int		   *unmet = calloc((size_t) n + 1, sizeof(int));
	int			head = 0;
	int			tail = 0;
	int			result = -1;

	if (unmet != NULL &&
		group_edges(&children, n, edges, nedges, true) &&
		group_edges(&parents, n, edges, nedges, false))
	{
		for (int e = 0; e < nedges; e++)
			unmet[edges[e].child]++;
		for (int i = 0; i < n; i++)
			if (unmet[i] == 0)
				order[tail++] = i;
		while (head < tail)
		{
			int			node = order[head++];

			for (int i = children.first[node]; i < children.first[node + 1]; i++)
				if (--unmet[children.list[i]] == 0)
					order[tail++] = children.list[i];
		}
		result = tail == n ? 0 : find_cycle(n, &parents, unmet, order);
	}
	free_edges(&children);
	free_edges(&parents);
	free(unmet);
	return result;
}

static bool
is_failure(TqStepState state)
{
	return state == TQ_STEP_FAILED || state == TQ_STEP_SKIPPED || state == TQ_STEP_CANCELED;
}

/* The state of a step whose parents' states are known; kinds of its edges in edges. */
static TqStepState
model_step(const TqModelStep *steps, int node, const TqGraphEdge *edges, int nedges)
{
	const TqModelStep *step = &steps[node];
	bool		waits = step->stopped_before;

	for (int e = 0; e < nedges; e++)
	{
		const TqModelStep *parent = &steps[edges[e].parent];

		if (edges[e].child != node)
			continue;

		/* A failure does not wait for the other dependencies, nor for anything else. */
		if (is_failure(parent->state) && edges[e].kind == TQ_EDGE_REQUIRED)
			return TQ_STEP_SKIPPED;
		if (!tq_step_state_is_final(parent->state) ||
			(parent->state == TQ_STEP_DONE && parent->stopped_after))
			waits = true;
	}
	if (waits)
		return TQ_STEP_PENDING;
	if (step->unfinished)
		return TQ_STEP_RUNNING;
	if (step->canceled_alone)
		return TQ_STEP_CANCELED;
	return step->fails ? TQ_STEP_FAILED : TQ_STEP_DONE;
}

TqDagState
tq_graph_model(TqModelStep *steps, int n, const TqGraphEdge *edges, int nedges)
{
	bool		open = false;
	bool		bad = false;

	for (int i = 0; i < n; i++)
	{
		steps[i].state = model_step(steps, i, edges, nedges);
		if (!tq_step_state_is_final(steps[i].state))
			open = true;
		else if ((steps[i].state == TQ_STEP_FAILED || steps[i].state == TQ_STEP_SKIPPED) &&
				 !steps[i].optional)
			bad = true;
	}
	if (open)
		return TQ_DAG_RUNNING;
	return bad ? TQ_DAG_FAILED : TQ_DAG_DONE;
}
