/*-------------------------------------------------------------------------
 *
 * dag_model.c
 *		The model of the rules of DAGs, for tests that run random ones.
 *
 * Reads one DAG a line: name, number of steps, per step its flags (! fails,
 * ? optional, + added by its first parent, - none of these), then edges as
 * parent,child,kind with steps counted from 0, parents before children. Writes
 * "name state|step state,..." with steps in order; a step that was never added
 * has the state "absent".
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/graph.h"

#define MAX_STEPS	1000
#define MAX_EDGES	20000

static TqModelStep steps[MAX_STEPS];
static bool added[MAX_STEPS];
static TqGraphEdge edges[MAX_EDGES];

static int
read_steps(int n)
{
	char		flags[8];

	memset(steps, 0, sizeof(steps));
	memset(added, 0, sizeof(added));
	for (int i = 0; i < n; i++)
	{
		if (scanf("%7s", flags) != 1)
			return -1;
		steps[i].fails = strchr(flags, '!') != NULL;
		steps[i].optional = strchr(flags, '?') != NULL;
		added[i] = strchr(flags, '+') != NULL;
	}
	return n;
}

/* The number of edges is given first. */
static int
read_edges(void)
{
	int			n;

	if (scanf("%d", &n) != 1 || n > MAX_EDGES)
		return -1;
	for (int i = 0; i < n; i++)
	{
		char		kind;

		if (scanf("%d,%d,%c", &edges[i].parent, &edges[i].child, &kind) != 3)
			return -1;
		edges[i].kind = kind;
	}
	return n;
}

/* A step whose parent did not succeed was never added, or undone with it. */
static bool
is_absent(int step, int nedges)
{
	if (!added[step])
		return false;
	for (int e = 0; e < nedges; e++)
	{
		if (edges[e].child == step)
			return steps[edges[e].parent].state != TQ_STEP_DONE;
	}
	return false;
}

int
main(void)
{
	char		name[64];
	int			n;

	while (scanf("%63s %d", name, &n) == 2)
	{
		int			nedges;
		TqDagState	state;

		if (n > MAX_STEPS || read_steps(n) < 0 || (nedges = read_edges()) < 0)
		{
			fprintf(stderr, "malformed input at \"%s\"\n", name);
			return 1;
		}
		state = tq_graph_model(steps, n, edges, nedges);
		printf("%s %s|", name, tq_dag_state_name((char) state));
		for (int i = 0; i < n; i++)
			printf("%ss%d %s", i > 0 ? "," : "", i,
				   is_absent(i, nedges) ? "absent" : tq_step_state_name((char) steps[i].state));
		printf("\n");
	}
	return 0;
}
