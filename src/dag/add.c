/*-------------------------------------------------------------------------
 *
 * add.c
 *	  Steps added to a DAG after it was submitted.
 *
 * A handler that adds steps may run on for hours, and whoever wants to pause
 * or cancel its DAG must not wait for it.  So a step added by a running
 * function handler to its own DAG is only written, in state TQ_STEP_NEW,
 * without the DAG's lock; nobody else sees it before the handler's
 * transaction commits.  When the attempt has succeeded, and before it
 * commits, the step is settled under the exclusive lock: what it depends on
 * is looked at then, and it counts from there.  All others settle at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "dag/cascade.h"
#include "dag/dag.h"
#include "dag/def.h"
#include "handler/registry.h"
#include "store/queue.h"

/* DAGs to which this transaction has added steps that are not settled. */
typedef struct Unsettled
{
	int64		dag_key;
	int32		first;			/* lowest number that can be among them */
	struct Unsettled *next;
} Unsettled;

static Unsettled *unsettled = NULL;
static TransactionId unsettled_xid = InvalidTransactionId;

static void
remember_unsettled(int64 dag_key, int32 step_no)
{
	Unsettled  *entry;

	if (unsettled_xid != GetTopTransactionId())
	{
		unsettled = NULL;
		unsettled_xid = GetTopTransactionId();
	}
	for (entry = unsettled; entry != NULL; entry = entry->next)
	{
		if (entry->dag_key == dag_key)
		{
			entry->first = Min(entry->first, step_no);
			return;
		}
	}
	entry = MemoryContextAlloc(TopTransactionContext, sizeof(Unsettled));
	*entry = (Unsettled) {dag_key, step_no, unsettled};
	unsettled = entry;
}

bool
tq_dag_has_unsettled(int64 dag_key, int32 *first)
{
	*first = 0;
	if (unsettled_xid == InvalidTransactionId || unsettled_xid != GetTopTransactionIdIfAny())
		return false;
	for (const Unsettled *entry = unsettled; entry != NULL; entry = entry->next)
	{
		if (entry->dag_key == dag_key)
		{
			*first = entry->first;
			return true;
		}
	}
	return false;
}

static void
forget_unsettled(int64 dag_key)
{
	if (unsettled_xid != GetTopTransactionIdIfAny())
		return;
	for (Unsettled **entry = &unsettled; *entry != NULL; entry = &(*entry)->next)
	{
		if ((*entry)->dag_key == dag_key)
		{
			*entry = (*entry)->next;
			return;
		}
	}
}

static int
compare_uncounted(const void *a, const void *b)
{
	int32		left = ((const TqUncountedStep *) a)->step_no;
	int32		right = ((const TqUncountedStep *) b)->step_no;

	return left < right ? -1 : left > right;
}

/*
 * Steps that lead to the same one share its slice of the DAG's counter, so
 * that they can carry for each other; the ends of branches take turns.
 */
static void
choose_slices(TqUncountedStep *steps, int n)
{
	int			turn = 0;

	for (int i = 0; i < n; i++)
		steps[i].slice = -1;
	for (int i = n - 1; i >= 0; i--)
	{
		int32	   *parents;
		int			nparents = tq_int4_list(steps[i].unmet, &parents);

		if (steps[i].slice < 0)
			steps[i].slice = turn++ % TQ_DAG_SLICES;
		for (int j = 0; j < nparents; j++)
		{
			TqUncountedStep key = {.step_no = parents[j]};
			TqUncountedStep *parent = bsearch(&key, steps, n, sizeof(TqUncountedStep), compare_uncounted);

			if (parent != NULL && parent->slice < 0)
				parent->slice = steps[i].slice;
		}
	}
}

/* Write what a step has to wait for. */
void
tq_dag_count_step(int64 dag_key, const TqUncountedStep *step)
{
	int32	   *parents;
	int			n = tq_int4_list(step->unmet, &parents);
	int32		unmet_by_row[TQ_DAG_SLICES] = {0};
	int			rows = 0;

	if (!step->split)
	{
		tq_step_set_count(dag_key, step, n);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		if (unmet_by_row[parents[i] % TQ_DAG_SLICES]++ == 0)
			rows++;
	}
	tq_countdown_insert(dag_key, step->step_no, unmet_by_row, step->slice);
	tq_step_set_count(dag_key, step, rows);
}

/* Steps that are counted now can be doomed, or ready. */
void
tq_dag_start_counted(TqDag *dag, const TqUncountedStep *steps, int n)
{
	TqCascade	cascade;

	tq_cascade_begin(&cascade, dag, tq_clock_now());
	for (int i = 0; i < n; i++)
	{
		if (steps[i].doomed)
			tq_cascade_doom(&cascade, steps[i].step_no, steps[i].split);
		else if (steps[i].unmet == (Datum) 0)
			tq_cascade_evaluate(&cascade, steps[i].step_no);
	}
	(void) tq_cascade_finish(&cascade);
}

void
tq_dag_settle(TqDag *dag, int32 first)
{
	int32		open_by_slice[TQ_DAG_SLICES] = {0};
	TqUncountedStep *steps;
	int			n = tq_step_list_uncounted(dag->dag_key, TQ_STEP_NEW, first, &steps);

	forget_unsettled(dag->dag_key);
	if (n == 0)
		return;
	if (tq_dag_state_is_final(dag->state))
	{
		tq_step_cancel_pending(dag->dag_key, tq_clock_now(), NULL);
		return;
	}
	tq_dag_mark_dynamic(dag);
	if (!dag->sliced && n > TQ_DAG_SPLIT_ABOVE)
		tq_dag_convert_to_slices(dag);
	if (dag->sliced)
		choose_slices(steps, n);
	for (int i = 0; i < n; i++)
	{
		tq_dag_count_step(dag->dag_key, &steps[i]);
		open_by_slice[steps[i].slice]++;
	}
	tq_dag_add_open(dag, open_by_slice);
	tq_dag_start_counted(dag, steps, n);
}

/* True: a step of that id is there, with the same definition. */
static bool
exists_already(const TqDag *dag, const char *step_id, Datum digest)
{
	Datum		existing;

	if (!tq_step_definition(dag->dag_key, step_id, &existing))
		return false;
	if (!DatumGetBool(DirectFunctionCall2(byteaeq, existing, digest)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("step \"%s\" exists already in DAG \"%s\"", step_id, dag->dag_id),
				 errdetail("It has another definition.")));
	return true;
}

/* The steps that the definition names, the parent included, with their numbers. */
static void
resolve_mentions(const TqDag *dag, TqStepDef *def, const TqStepInfo *parent, TqNewStep *row)
{
	const char *placed_by = def->colocate_with ? def->colocate_with :
		def->follow_target_of ? def->follow_target_of :
		def->colocate_here ? parent->step_id : NULL;

	for (int i = 0; i < def->nmentions; i++)
	{
		TqMention  *named = &def->mentions[i];
		TqStepInfo	info;

		if (!tq_step_info_by_id(dag->dag_key, named->step_id, &info))
			tq_def_unknown_step(def, named->step_id, NULL, 0);
		named->step_no = info.step_no;
		if (row->slice == 0)
			row->slice = info.slice;
		if (placed_by != NULL && strcmp(placed_by, named->step_id) == 0)
		{
			tq_def_check_placement(def, placed_by, tq_handler_is_external(info.handler),
								   info.placement != TQ_PLACE_ANYWHERE);
			row->placement_step = info.step_no;
		}
	}
}

static void
insert_edges(int64 dag_key, const TqStepDef *def, const TqNewStep *row)
{
	int32	   *parents = palloc((def->nmentions + 1) * sizeof(int32));
	int32	   *children = palloc((def->nmentions + 1) * sizeof(int32));
	char	   *kinds = palloc(def->nmentions + 1);

	for (int i = 0; i < def->nmentions; i++)
	{
		char		kind = tq_graph_edge_kind(def->mentions[i].says);

		parents[i] = def->mentions[i].step_no;
		children[i] = row->step_no;
		kinds[i] = row->split ? pg_toupper((unsigned char) kind) : kind;
	}
	tq_edge_insert(dag_key, def->nmentions, parents, children, kinds);
}

static void
check_no_self(const TqStepDef *def)
{
	for (int i = 0; i < def->nmentions; i++)
	{
		if (strcmp(def->mentions[i].step_id, def->id) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_TQ_DAG_CYCLE),
					 errmsg("step \"%s\" depends on itself", def->id)));
	}
}

/* Write the step; false if another transaction has added the same one meanwhile. */
static bool
insert_step(const TqDag *dag, Datum step, const TqStepInfo *parent, TqNewStep *row)
{
	TqStepDef  *def = tq_def_read(step, dag->submitter);
	TqNameList	active;

	if (def->colocate_here && parent == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("step \"%s\" has no parent to be colocated with", def->id),
				 errhint("colocate_here is for steps that a running step adds to its own DAG.")));
	if (parent != NULL)
		tq_def_mention(def, parent->step_id, TQ_SAYS_AFTER);
	check_no_self(def);
	resolve_mentions(dag, def, parent, row);
	tq_list_read(&active, dag->active_breakpoints, NULL);
	tq_def_fill_row(def, &active, row);
	tq_def_fill_dependencies(def, row);
	row->state = TQ_STEP_NEW;
	row->child = TQ_CHILD_NONE;
	row->child_kind = TQ_EDGE_REQUIRED;
	if (!tq_step_insert_added(dag->dag_key, row, tq_clock_now()))
		return false;
	insert_edges(dag->dag_key, def, row);
	if (row->wait_for != (Datum) 0)
		tq_signal_wait(dag->dag_key, row->step_no, row->wait_for);
	return true;
}

/* The DAG that a step is added to, locked unless that waits for the end of the attempt. */
static TqDag *
open_dag(const char *dag_id, Oid caller, const TqDagParent *parent, bool *own)
{
	TqDag	   *dag;
	int64		dag_key;

	if (dag_id == NULL && parent == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("add_step() without dag_id is not called by a step"),
				 errhint("Name the DAG with dag_id.")));
	dag_key = dag_id != NULL ? tq_dag_require(dag_id, caller) : parent->dag_key;
	*own = parent != NULL && parent->dag_key == dag_key;
	if (*own && parent->in_procedure)
		tq_dag_lock(dag_key, true);
	dag = *own ? tq_dag_load(dag_key) : tq_dag_open(dag_id, caller, false);
	if (dag == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the DAG of this step was deleted")));
	/* Also of one's own: a step may call a function that runs as somebody else. */
	if (!tq_role_may_instruct(caller, dag->submitter))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to add a step to DAG \"%s\"", dag->dag_id),
				 errdetail("The step would run as role \"%s\".", tq_role_name(dag->submitter))));
	return dag;
}

void
tq_dag_add_step(Datum step, const char *dag_id, Oid caller, const TqDagParent *parent)
{
	TqNewStep	row = {0};
	TqStepInfo *parent_info = NULL;
	bool		own;
	TqDag	   *dag = open_dag(dag_id, caller, parent, &own);
	char	   *step_id;
	Datum		digest;

	if (tq_dag_state_is_final(dag->state))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot add a step to DAG \"%s\"", dag->dag_id),
				 errdetail("Its state is %s.", tq_dag_state_name(dag->state))));
	tq_def_identify(step, &step_id, &digest);
	if (exists_already(dag, step_id, digest))
		return;
	if (own)
		(void) tq_step_infos(dag->dag_key, 1, &parent->step_no, &parent_info);
	if (!insert_step(dag, step, parent_info, &row))
	{
		if (!exists_already(dag, step_id, digest))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
		return;
	}
	if (own && !parent->in_procedure)
		remember_unsettled(dag->dag_key, row.step_no);
	else
		tq_dag_settle(dag, row.step_no);
}
