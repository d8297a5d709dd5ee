/*-------------------------------------------------------------------------
 *
 * graph.c
 *		Topological order, cycles, kinds of edges, and the model of the rules.
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "policy/graph.h"

static unsigned int seed = 1;

/* Reproducible. */
static int
random_below(int n)
{
	seed = seed * 1103515245u + 12345u;
	return (int) ((seed >> 8) % (unsigned int) n);
}

#define MAX_NODES	60
#define MAX_EDGES	400

static void
test_edge_kinds(void)
{
	ok(tq_graph_edge_kind(TQ_SAYS_AFTER_ANY) == TQ_EDGE_OPTIONAL, "after_any is optional");
	ok(tq_graph_edge_kind(TQ_SAYS_AFTER_ANY | TQ_SAYS_AFTER) == TQ_EDGE_REQUIRED, "a step in both lists is required");
	ok(tq_graph_edge_kind(TQ_SAYS_DEFAULT | TQ_SAYS_AFTER) == TQ_EDGE_DEFAULT, "a default disarms after");
	ok(tq_graph_edge_kind(TQ_SAYS_DEFAULT | TQ_SAYS_AFTER_ANY) == TQ_EDGE_DEFAULT, "a default beside after_any");
	ok(tq_graph_edge_kind(TQ_SAYS_REF | TQ_SAYS_DEFAULT | TQ_SAYS_AFTER_ANY) == TQ_EDGE_REQUIRED, "ref beats all");
}

/* Edges lead from a lower to a higher place of a random permutation. */
static int
random_dag(int n, TqGraphEdge *edges, const int *place)
{
	int			nedges = n < 2 ? 0 : random_below(MAX_EDGES);

	for (int e = 0; e < nedges; e++)
	{
		int			a = random_below(n);
		int			b = random_below(n);

		if (a == b)
			b = (b + 1) % n;
		edges[e].parent = place[a] < place[b] ? a : b;
		edges[e].child = place[a] < place[b] ? b : a;
		edges[e].kind = "rdo"[random_below(3)];
	}
	return nedges;
}

static void
shuffle(int *values, int n)
{
	for (int i = 0; i < n; i++)
		values[i] = i;
	for (int i = n - 1; i > 0; i--)
	{
		int			j = random_below(i + 1);
		int			swap = values[i];

		values[i] = values[j];
		values[j] = swap;
	}
}

/* Is order a permutation in which every edge leads upwards? */
static bool
is_topological(int n, const TqGraphEdge *edges, int nedges, const int *order)
{
	int			place[MAX_NODES];

	for (int i = 0; i < n; i++)
		place[i] = -1;
	for (int i = 0; i < n; i++)
	{
		if (order[i] < 0 || order[i] >= n || place[order[i]] >= 0)
			return false;
		place[order[i]] = i;
	}
	for (int e = 0; e < nedges; e++)
	{
		if (place[edges[e].parent] >= place[edges[e].child])
			return false;
	}
	return true;
}

static bool
has_edge(const TqGraphEdge *edges, int nedges, int parent, int child)
{
	for (int e = 0; e < nedges; e++)
	{
		if (edges[e].parent == parent && edges[e].child == child)
			return true;
	}
	return false;
}

static bool
is_cycle(const TqGraphEdge *edges, int nedges, const int *order, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (!has_edge(edges, nedges, order[i], order[(i + 1) % length]))
			return false;
	}
	return length > 0;
}

static void
test_order(void)
{
	TqGraphEdge edges[MAX_EDGES + 1];
	int			place[MAX_NODES];
	int			order[MAX_NODES];
	int			sorted = 0;
	int			cyclic = 0;
	int			rounds = 2000;

	for (int round = 0; round < rounds; round++)
	{
		int			n = 1 + random_below(MAX_NODES);
		int			nedges;
		int			back;

		shuffle(place, n);
		nedges = random_dag(n, edges, place);
		if (tq_graph_order(n, edges, nedges, order) == 0 &&
			is_topological(n, edges, nedges, order))
			sorted++;

		/* One edge against the order of another, or a loop, closes a cycle. */
		back = nedges > 0 ? random_below(nedges) : -1;
		edges[nedges].parent = back < 0 ? 0 : edges[back].child;
		edges[nedges].child = back < 0 ? 0 : edges[back].parent;
		edges[nedges].kind = TQ_EDGE_REQUIRED;
		if (is_cycle(edges, nedges + 1, order, tq_graph_order(n, edges, nedges + 1, order)))
			cyclic++;
	}
	ok(sorted == rounds, "%d random graphs without cycle are sorted", rounds);
	ok(cyclic == rounds, "%d random graphs with a cycle: one is found", rounds);
}

static void
test_order_is_stable(void)
{
	int			order[4];
	TqGraphEdge edge = {3, 0, TQ_EDGE_REQUIRED};

	ok(tq_graph_order(4, NULL, 0, order) == 0 && order[0] == 0 && order[3] == 3,
	   "without edges the order is the given one");
	ok(tq_graph_order(4, &edge, 1, order) == 0 && order[0] == 1 && order[2] == 3 && order[3] == 0,
	   "only what has to moves");
}

/*
 * "a!?; b Ra Yc" as in the vectors: ! fails, ? optional, ~ unfinished, R
 * required, D default, Y optional; expected: states by letter, then the DAG's.
 */
static void
check_model(const char *name, const char *dag, const char *expected)
{
	TqModelStep steps[26] = {0};
	TqGraphEdge edges[26];
	char		actual[32];
	int			n = 0;
	int			nedges = 0;

	for (const char *p = dag; *p; p++)
	{
		if (*p >= 'a' && *p <= 'z')
			n++;
		else if (*p == '!')
			steps[n - 1].fails = true;
		else if (*p == '?')
			steps[n - 1].optional = true;
		else if (*p == '~')
			steps[n - 1].unfinished = true;
		else if (strchr("RDY", *p))
		{
			edges[nedges].kind = *p == 'R' ? TQ_EDGE_REQUIRED : *p == 'D' ? TQ_EDGE_DEFAULT : TQ_EDGE_OPTIONAL;
			edges[nedges].parent = *++p - 'a';
			edges[nedges++].child = n - 1;
		}
	}
	actual[n] = (char) tq_graph_model(steps, n, edges, nedges);
	actual[n + 1] = '\0';
	for (int i = 0; i < n; i++)
		actual[i] = (char) steps[i].state;
	ok(strcmp(actual, expected) == 0, "%s: %s gives %s", name, dag, actual);
}

static void
test_model(void)
{
	check_model("D1", "a", "dd");
	check_model("D3", "a!?", "fd");
	check_model("D5", "a! bRa cRb", "fkkf");
	check_model("D7", "a!? bRa", "fkf");
	check_model("D9", "a!? bDa", "fdd");
	check_model("D11", "a! bRa", "fkf");
	check_model("D13", "a!? bYa", "fdd");
	check_model("D15", "a b! cRaRb", "dfkf");
	check_model("D17", "a! bRa cDb", "fkdf");
	check_model("D19", "a! bDa", "fdf");
	check_model("D21", "a! bRa", "fkf");
	check_model("D23", "a!? b! cDaRb", "ffkf");
	check_model("D25", "a bRa c!?Ra dRbDc", "ddfdd");
	check_model("D27", "a! bRa cYb", "fkdf");
	check_model("D29", "a b!Ya c!Yb dYc", "dffdf");
	check_model("D31", "a b~ cRa", "dxdx");
	check_model("D33", "a! b~ cDaRb", "fxpx");
}

int
main(void)
{
	test_edge_kinds();
	test_order();
	test_order_is_stable();
	test_model();
	return tap_done();
}
