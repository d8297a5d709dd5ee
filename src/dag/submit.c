/*-------------------------------------------------------------------------
 *
 * submit.c
 *	  Submitting a DAG.
 *
 * Everything is checked first, then written: the DAG, its steps in the order
 * of their numbers, and the tasks of those that are ready.  Nobody else sees
 * the DAG before the transaction commits, so no lock is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "base/clock.h"
#include "base/errors.h"
#include "dag/dag.h"
#include "dag/def.h"
#include "dag/engine.h"
#include "dag/handover.h"

/* Steps are counted from 0 as given, and numbered from 1 in topological order. */
typedef struct Submit
{
	TqDag	   *dag;
	TimestampTz now;
	int			n;
	TqStepDef **defs;
	TqNewStep  *rows;			/* as given */
	int		   *by_id;			/* sorted by id */
	int			nedges;
	TqGraphEdge *edges;			/* by step as given */
	int		   *order;			/* by number - 1 */
	int32		open_by_slice[TQ_DAG_SLICES];
} Submit;

static void
read_steps(Submit *submit, Datum steps)
{
	ArrayType  *array = DatumGetArrayTypeP(steps);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *elements;
	bool	   *nulls;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align,
					  &elements, &nulls, &submit->n);
	if (submit->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a DAG needs at least one step")));
	submit->defs = palloc(submit->n * sizeof(TqStepDef *));
	submit->rows = palloc0(submit->n * sizeof(TqNewStep));
	for (int i = 0; i < submit->n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("step %d of the DAG is null", i + 1)));
		submit->defs[i] = tq_def_read(elements[i], submit->dag->submitter);
		if (submit->defs[i]->colocate_here)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("step \"%s\" has no parent to be colocated with", submit->defs[i]->id),
					 errhint("colocate_here is for steps that a running step adds to its own DAG.")));
	}
}

static int
compare_by_id(const void *a, const void *b, void *arg)
{
	const Submit *submit = arg;

	return strcmp(submit->defs[*(const int *) a]->id, submit->defs[*(const int *) b]->id);
}

static void
sort_by_id(Submit *submit)
{
	submit->by_id = palloc(submit->n * sizeof(int));
	for (int i = 0; i < submit->n; i++)
		submit->by_id[i] = i;
	qsort_arg(submit->by_id, submit->n, sizeof(int), compare_by_id, submit);
	for (int i = 1; i < submit->n; i++)
	{
		const char *id = submit->defs[submit->by_id[i]]->id;

		if (strcmp(id, submit->defs[submit->by_id[i - 1]]->id) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("step \"%s\" is there twice", id)));
	}
}

/* -1: there is no such step. */
static int
find_step(const Submit *submit, const char *id)
{
	int			low = 0;
	int			high = submit->n - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(id, submit->defs[submit->by_id[middle]]->id);

		if (order == 0)
			return submit->by_id[middle];
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

static pg_noreturn void
unknown_step(const Submit *submit, const TqStepDef *def, const char *id)
{
	const char **ids = palloc(submit->n * sizeof(char *));

	for (int i = 0; i < submit->n; i++)
		ids[i] = submit->defs[i]->id;
	tq_def_unknown_step(def, id, ids, submit->n);
}

static void
collect_edges(Submit *submit)
{
	int			n = 0;

	for (int i = 0; i < submit->n; i++)
		n += submit->defs[i]->nmentions;
	submit->edges = palloc_extended((n + 1) * sizeof(TqGraphEdge), MCXT_ALLOC_HUGE);
	for (int i = 0; i < submit->n; i++)
	{
		const TqStepDef *def = submit->defs[i];

		for (int j = 0; j < def->nmentions; j++)
		{
			TqGraphEdge *edge = &submit->edges[submit->nedges++];

			edge->parent = find_step(submit, def->mentions[j].step_id);
			if (edge->parent < 0)
				unknown_step(submit, def, def->mentions[j].step_id);
			edge->child = i;
			edge->kind = tq_graph_edge_kind(def->mentions[j].says);
		}
	}
}

static pg_noreturn void
refuse_cycle(const Submit *submit, int length)
{
	StringInfoData path;

	initStringInfo(&path);
	for (int i = 0; i < length; i++)
		appendStringInfo(&path, "%s -> ", submit->defs[submit->order[i]]->id);
	appendStringInfoString(&path, submit->defs[submit->order[0]]->id);
	ereport(ERROR,
			(errcode(ERRCODE_TQ_DAG_CYCLE),
			 errmsg("the steps depend on each other in a cycle"),
			 errdetail("%s", path.data)));
}

static void
number_steps(Submit *submit)
{
	int			length;

	submit->order = palloc(submit->n * sizeof(int));
	length = tq_graph_order(submit->n, submit->edges, submit->nedges, submit->order);
	if (length < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (length > 0)
		refuse_cycle(submit, length);
	for (int i = 0; i < submit->n; i++)
		submit->rows[submit->order[i]].step_no = i + 1;
	for (int e = 0, i = 0; i < submit->n; i++)
	{
		for (int j = 0; j < submit->defs[i]->nmentions; j++)
			submit->defs[i]->mentions[j].step_no = submit->rows[submit->edges[e++].parent].step_no;
	}
}

static void
check_placements(const Submit *submit)
{
	for (int i = 0; i < submit->n; i++)
	{
		const TqStepDef *def = submit->defs[i];
		const char *placed_by = def->colocate_with ? def->colocate_with : def->follow_target_of;
		const TqStepDef *other;

		if (placed_by == NULL)
			continue;
		other = submit->defs[find_step(submit, placed_by)];
		tq_def_check_placement(def, other->id, other->external,
							   other->target || other->colocate_with || other->follow_target_of);
	}
}

/* The only dependent of a step is in its row, more of them are edges; and see tq_cascade_ended() for slices. */
static void
fill_children(Submit *submit)
{
	int			turn = 0;
	int32	   *first = palloc0((submit->n + 1) * sizeof(int32));	/* by number: the lowest dependent */

	for (int e = 0; e < submit->nedges; e++)
	{
		const TqGraphEdge *edge = &submit->edges[e];
		TqNewStep  *parent = &submit->rows[edge->parent];
		const TqNewStep *child = &submit->rows[edge->child];

		parent->child = parent->child == TQ_CHILD_NONE ? child->step_no : TQ_CHILD_MANY;
		parent->child_kind = child->split ? pg_toupper((unsigned char) edge->kind) : edge->kind;
		if (first[parent->step_no] == 0 || first[parent->step_no] > child->step_no)
			first[parent->step_no] = child->step_no;
	}
	for (int number = submit->n; number > 0; number--)
	{
		TqNewStep  *row = &submit->rows[submit->order[number - 1]];

		if (first[number] != 0)
			row->slice = submit->rows[submit->order[first[number] - 1]].slice;
		else if (submit->dag->sliced)
			row->slice = turn++ % TQ_DAG_SLICES;
		submit->open_by_slice[row->slice]++;
	}
}

static void
fill_rows(Submit *submit)
{
	TqNameList	active;

	tq_list_read(&active, submit->dag->active_breakpoints, "breakpoint label");
	for (int i = 0; i < submit->n; i++)
	{
		TqNewStep  *row = &submit->rows[i];

		tq_def_fill_row(submit->defs[i], &active, row);
		tq_def_fill_dependencies(submit->defs[i], row);
		row->unmet = submit->defs[i]->nmentions;
		row->child_kind = TQ_EDGE_REQUIRED;
		row->state = TQ_STEP_PENDING;
		if (row->unmet == 0 && row->unmet_signals == 0 && row->stop_before != TQ_STOP_ARMED)
			row->state = TQ_STEP_RUNNING;
	}
	fill_children(submit);
}

static void
write_dag(Submit *submit)
{
	TqDag	   *dag = submit->dag;
	int32		open = submit->n;

	if (dag->sliced)
	{
		open = 0;
		for (int slice = 0; slice < TQ_DAG_SLICES; slice++)
			open += submit->open_by_slice[slice] > 0;
	}
	if (!tq_dag_insert(dag, submit->now, open))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("DAG \"%s\" exists already", dag->dag_id)));
	if (dag->sliced)
		tq_dag_insert_slices(dag->dag_key, submit->open_by_slice);
}

/* Its countdown's rows, if it has too many dependencies for one. */
static void
write_countdown(Submit *submit, const TqStepDef *def, TqNewStep *row)
{
	int32		unmet_by_row[TQ_DAG_SLICES] = {0};

	if (!row->split)
		return;
	row->unmet = 0;
	for (int i = 0; i < def->nmentions; i++)
	{
		if (unmet_by_row[def->mentions[i].step_no % TQ_DAG_SLICES]++ == 0)
			row->unmet++;
	}
	tq_countdown_insert(submit->dag->dag_key, row->step_no, unmet_by_row, row->slice);
}

static void
write_steps(Submit *submit)
{
	for (int i = 0; i < submit->n; i++)
	{
		int			given = submit->order[i];
		TqNewStep  *row = &submit->rows[given];

		write_countdown(submit, submit->defs[given], row);
		tq_step_insert(submit->dag->dag_key, row, submit->now);
		if (row->wait_for != (Datum) 0)
			tq_signal_wait(submit->dag->dag_key, row->step_no, row->wait_for);
	}
}

static void
write_edges(Submit *submit)
{
	int32	   *parents = palloc_extended((submit->nedges + 1) * sizeof(int32), MCXT_ALLOC_HUGE);
	int32	   *children = palloc_extended((submit->nedges + 1) * sizeof(int32), MCXT_ALLOC_HUGE);
	char	   *kinds = palloc_extended(submit->nedges + 1, MCXT_ALLOC_HUGE);
	int			n = 0;

	for (int e = 0; e < submit->nedges; e++)
	{
		const TqGraphEdge *edge = &submit->edges[e];
		const TqNewStep *child = &submit->rows[edge->child];

		if (submit->rows[edge->parent].child != TQ_CHILD_MANY)
			continue;
		parents[n] = submit->rows[edge->parent].step_no;
		children[n] = child->step_no;
		kinds[n++] = child->split ? pg_toupper((unsigned char) edge->kind) : edge->kind;
	}
	tq_edge_insert(submit->dag->dag_key, n, parents, children, kinds);
}

static void
hand_over_roots(Submit *submit)
{
	TqStepOutput nothing = {0};

	for (int i = 0; i < submit->n; i++)
	{
		const TqNewStep *row = &submit->rows[i];
		TqStepTask	task = {
			.step_no = row->step_no,
			.handler = row->handler,
			.queue = row->queue,
			.args = row->args,
			.priority = row->priority,
			.delay_us = row->delay_us,
			.timeout_us = row->timeout_us,
			.retry_policy = row->retry_policy,
			.placement = row->placement,
			.target = row->target
		};

		if (row->state == TQ_STEP_RUNNING)
			tq_dag_hand_over(submit->dag, &task, &nothing);
	}
}

static char *
random_id(void)
{
	Datum		uuid = DirectFunctionCall1(gen_random_uuid, (Datum) 0);

	return DatumGetCString(DirectFunctionCall1(uuid_out, uuid));
}

char *
tq_dag_submit(TqDag *dag, Datum steps)
{
	Submit		submit = {.dag = dag};

	if (dag->dag_id == NULL)
		dag->dag_id = random_id();
	tq_dag_check_reply(dag);
	dag->state = TQ_DAG_RUNNING;
	read_steps(&submit, steps);
	dag->sliced = submit.n > TQ_DAG_SPLIT_ABOVE;
	sort_by_id(&submit);
	collect_edges(&submit);
	number_steps(&submit);
	check_placements(&submit);
	fill_rows(&submit);

	submit.now = tq_clock_now();
	write_dag(&submit);
	write_steps(&submit);
	write_edges(&submit);
	hand_over_roots(&submit);
	return dag->dag_id;
}
