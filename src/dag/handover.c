/*-------------------------------------------------------------------------
 *
 * handover.c
 *	  Making the task of a step that is ready.
 *
 * References are resolved and the target is fixed here, in the transaction
 * that made the step ready.  Nothing here may fail for what happened since
 * the step was submitted, or the step before it could never end: a handler
 * that is gone gets a task all the same, which then ends as such.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dag/handover.h"
#include "dag/ref.h"
#include "handler/registry.h"
#include "store/queue.h"
#include "store/task.h"

/* Workers that gave no name: nobody claims to be them. */
#define ANONYMOUS_WORKER	"anonymous"

/* The steps that a step's arguments and placement depend on. */
typedef struct Inputs
{
	const TqDag *dag;
	int			n;
	int			room;
	int32	   *step_nos;
	int			ninfos;
	TqStepInfo *infos;			/* in the order of step_no */
} Inputs;

static void
want_step(Inputs *inputs, int32 step_no)
{
	if (inputs->n == inputs->room)
	{
		inputs->room = Max(8, inputs->room * 2);
		if (inputs->step_nos == NULL)
			inputs->step_nos = palloc(inputs->room * sizeof(int32));
		else
			inputs->step_nos = repalloc_huge(inputs->step_nos, inputs->room * sizeof(int32));
	}
	inputs->step_nos[inputs->n++] = step_no;
}

static void
want_reference(const TqRef *ref, void *arg)
{
	if (ref->kind == TQ_REF_SIGNAL)
		return;
	for (int i = 0; i < ref->n; i++)
		want_step(arg, ref->step_nos[i]);
}

/* Mostly all that is wanted is the step that has just ended. */
static bool
is_known(const Inputs *inputs, const TqStepOutput *known)
{
	for (int i = 0; i < inputs->n; i++)
	{
		if (inputs->step_nos[i] != known->step_no)
			return false;
	}
	return true;
}

static void
load_inputs(Inputs *inputs, const TqStepTask *task, const TqStepOutput *known)
{
	if (task->has_refs)
		tq_ref_visit(task->args, want_reference, inputs);
	if (task->placement == TQ_PLACE_WITH || task->placement == TQ_PLACE_FOLLOW)
		want_step(inputs, task->placement_step);
	if (inputs->n == 0)
		return;
	if (task->placement != TQ_PLACE_FOLLOW && is_known(inputs, known))
	{
		inputs->ninfos = 1;
		inputs->infos = palloc0(sizeof(TqStepInfo));
		inputs->infos->step_no = known->step_no;
		inputs->infos->state = known->state;
		inputs->infos->result = known->result;
		inputs->infos->worker = unconstify(char *, known->worker);
	}
	else
		inputs->ninfos = tq_step_infos(inputs->dag->dag_key, inputs->n, inputs->step_nos, &inputs->infos);
}

static int
compare_infos(const void *a, const void *b)
{
	int32		left = ((const TqStepInfo *) a)->step_no;
	int32		right = ((const TqStepInfo *) b)->step_no;

	return left < right ? -1 : left > right;
}

static const TqStepInfo *
find_input(const Inputs *inputs, int32 step_no)
{
	TqStepInfo	key = {.step_no = step_no};
	const TqStepInfo *info = bsearch(&key, inputs->infos, inputs->ninfos,
									 sizeof(TqStepInfo), compare_infos);

	if (info == NULL)
		elog(ERROR, "step %d of DAG " INT64_FORMAT " not found", step_no, inputs->dag->dag_key);
	return info;
}

static Jsonb *
or_null(Jsonb *value)
{
	return value ? value : tq_ref_null();
}

static Jsonb *
collect_results(const TqRef *ref, const Inputs *inputs)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < ref->n; i++)
	{
		JsonbValue	value;

		JsonbToJsonbValue(or_null(find_input(inputs, ref->step_nos[i])->result), &value);
		(void) pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static Jsonb *
resolve(const TqRef *ref, void *arg)
{
	const Inputs *inputs = arg;
	const TqStepInfo *info;

	switch (ref->kind)
	{
		case TQ_REF_SIGNAL:
			return or_null(tq_signal_payload(inputs->dag->dag_key, ref->names[0]));
		case TQ_REF_STEPS:
			return collect_results(ref, inputs);
		case TQ_REF_STEP:
			return or_null(find_input(inputs, ref->step_nos[0])->result);
		case TQ_REF_DEFAULT:
			info = find_input(inputs, ref->step_nos[0]);
			return info->state == TQ_STEP_DONE ? or_null(info->result) : tq_ref_value(ref->fallback);
	}
	pg_unreachable();
}

static const char *
choose_target(const TqStepTask *task, const Inputs *inputs)
{
	const char *worker;

	switch (task->placement)
	{
		case TQ_PLACE_WITH:
			worker = find_input(inputs, task->placement_step)->worker;
			if (worker == NULL || strcmp(worker, ANONYMOUS_WORKER) == 0)
				return NULL;
			return psprintf("worker:%s", worker);
		case TQ_PLACE_FOLLOW:
			return find_input(inputs, task->placement_step)->target;
		default:
			return task->target;
	}
}

void
tq_dag_hand_over(const TqDag *dag, TqStepTask *task, const TqStepOutput *known)
{
	Inputs		inputs = {.dag = dag};
	TqNewTask	fresh = {0};

	load_inputs(&inputs, task, known);
	fresh.task_id = task->task_id;
	fresh.gen = task->task_id != 0 ? task->gen + 1 : 0;
	fresh.handler = task->handler;
	fresh.external = tq_handler_is_external(task->handler);
	fresh.queue = tq_queue_find(task->queue, true) != NULL ? task->queue : TQ_DEFAULT_QUEUE;
	fresh.args = task->has_refs ? tq_ref_rewrite(task->args, resolve, &inputs) : task->args;
	fresh.enqueuer = dag->submitter;
	fresh.priority = task->priority;
	fresh.delay_us = task->delay_us;
	fresh.timeout_us = task->timeout_us;
	fresh.retry_policy = task->retry_policy ? task->retry_policy : dag->retry_policy;
	fresh.target = choose_target(task, &inputs);
	fresh.trace_ctx = dag->trace_ctx;
	fresh.labels = dag->labels;
	fresh.has_dag = true;
	fresh.dag_key = dag->dag_key;
	fresh.step_no = task->step_no;
	(void) tq_task_insert(&fresh);
	if (fresh.target != NULL && task->placement != TQ_PLACE_TARGET)
		tq_step_set_target(dag->dag_key, task->step_no, fresh.target);
}
