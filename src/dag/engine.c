/*-------------------------------------------------------------------------
 *
 * engine.c
 *	  What a step's end means for its DAG.
 *
 * Rows, not replay: the transaction that ends a step writes its outcome and
 * everything that follows from it, the DAG's final state included.  There is
 * no event to lose and nothing to recompute.
 *
 * What must stay true while nobody holds the DAG's lock:
 * - unmet of a pending step is the number of its dependencies that have not
 *	 ended or are behind an active after-breakpoint (of a split countdown: the
 *	 number of its rows that are not at zero);
 * - a pending step for which nothing is left to wait has been handed over,
 *	 unless the DAG is held;
 * - no pending step has a failed, skipped or canceled dependency that it
 *	 needs;
 * - the DAG's counter, less what open steps carry, is the number of its open
 *	 steps; at zero the DAG has its final state.
 *
 * Locking: ends of steps of a running DAG take its lock shared; they meet at
 * the rows of common dependents and counters, in ascending order (cascade.c).
 * In any other state, and when the step has added steps, they take it
 * exclusive, as do all calls that act on a DAG.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/clock.h"
#include "base/guc.h"
#include "dag/cascade.h"
#include "dag/dag.h"
#include "dag/engine.h"
#include "shmem/xact.h"

#define DEFAULT_ERROR_BYTES	4096

/* What tells that a text goes on, in the server's encoding. */
static const char *
ellipsis(void)
{
	switch (GetDatabaseEncoding())
	{
		case PG_UTF8:
			return "\xE2\x80\xA6";
		case PG_WIN1250:
		case PG_WIN1251:
		case PG_WIN1252:
		case PG_WIN1253:
		case PG_WIN1254:
		case PG_WIN1255:
		case PG_WIN1256:
		case PG_WIN1257:
		case PG_WIN1258:
			return "\x85";
		default:
			return "...";
	}
}

/* NULL if no text is to be kept. */
static char *
cut_message(const char *message)
{
	int			cap = tq_max_step_error_bytes == 0 ? DEFAULT_ERROR_BYTES : tq_max_step_error_bytes;
	int			length = strlen(message);

	if (cap < 0)
		return NULL;
	if (length <= cap)
		return pstrdup(message);
	length = pg_mbcliplen(message, length, cap);
	return psprintf("%.*s%s", length, message, ellipsis());
}

static TqStepState
step_state(char task_state)
{
	switch (task_state)
	{
		case TQ_TASK_DONE:
			return TQ_STEP_DONE;
		case TQ_TASK_CANCELED:
			return TQ_STEP_CANCELED;
		default:
			return TQ_STEP_FAILED;
	}
}

static void
fill_step_end(TqStepEnd *step_end, const TqTask *task, const TqEnd *end)
{
	memset(step_end, 0, sizeof(TqStepEnd));
	step_end->state = step_state(end->state);
	step_end->attempt = end->attempt;
	step_end->gen = task->gen;
	step_end->task_id = task->task_id;
	step_end->worker = end->worker;
	step_end->started_at = end->started_at;
	step_end->finished_at = end->finished_at;
	step_end->result = end->result;
	if (end->error != NULL)
	{
		step_end->error_kind = end->error->kind;
		step_end->error_message = cut_message(end->error->message ? end->error->message : "");
	}
	else
		step_end->error_message = end->cancel_reason;

	/* A step began when its first attempt did; and one that was waiting to be tried again has a worker too. */
	if (end->attempt > 1 || (end->attempt == 1 && end->worker == NULL))
		tq_step_add_past(task->dag_key, task->step_no, step_end);
}

/* What follows from the end of a step whose row is written. */
static bool
react(TqDag *dag, int32 step_no, const TqStepEnd *end, const TqStepMark *mark)
{
	TqCascade	cascade;

	tq_cascade_begin(&cascade, dag, end->finished_at);
	cascade.known = (TqStepOutput) {step_no, end->state, end->result, end->worker};
	tq_cascade_ended(&cascade, step_no, end->state, mark);
	return tq_cascade_finish(&cascade);
}

/*
 * The DAG is not running, or the step has added steps: under the exclusive
 * lock.
 */
static bool
end_exclusively(int64 dag_key, int32 step_no, const TqStepEnd *end, bool settle, int32 first_added)
{
	TqDag	   *dag = tq_dag_load(dag_key);
	TqStepMark	mark;

	if (dag == NULL)
		return false;
	if (settle)
		tq_dag_settle(dag, first_added);
	if (!tq_step_end_any(dag_key, step_no, end, &mark))
		return tq_step_exists(dag_key, step_no);
	if (tq_dag_state_is_final(dag->state))
	{
		/* It was canceled: nothing follows. */
		tq_xact_note_dag(dag_key);
		return true;
	}
	if (!react(dag, step_no, end, &mark) && dag->state == TQ_DAG_PAUSING &&
		!tq_step_is_any(dag_key, TQ_STEP_RUNNING))
		tq_dag_set_state(dag, TQ_DAG_PAUSED, end->finished_at, NULL);
	return true;
}

bool
tq_dag_step_ended(const TqTask *task, const TqEnd *end)
{
	int64		dag_key = task->dag_key;
	int32		first_added;
	bool		settle = tq_dag_has_unsettled(dag_key, &first_added);
	TqStepEnd	step_end;
	TqStepMark	mark;
	TqDag		dag;

	fill_step_end(&step_end, task, end);
	tq_dag_lock(dag_key, settle);
	if (!settle)
	{
		if (tq_step_end(dag_key, task->step_no, &step_end, &dag, &mark))
		{
			(void) react(&dag, task->step_no, &step_end, &mark);
			return true;
		}
		tq_dag_unlock_shared(dag_key);
		tq_dag_lock(dag_key, true);
	}
	return end_exclusively(dag_key, task->step_no, &step_end, settle, first_added);
}

bool
tq_dag_step_snoozed(const TqTask *task)
{
	int32		first_added;
	TqDag	   *dag;

	if (!tq_dag_has_unsettled(task->dag_key, &first_added))
		return true;
	tq_dag_lock(task->dag_key, true);
	dag = tq_dag_load(task->dag_key);
	if (dag == NULL)
		return false;
	tq_dag_settle(dag, first_added);
	return true;
}

bool
tq_dag_names(const TqTask *task, char **dag_id, char **step_id)
{
	return tq_dag_names_of(task->dag_key, task->step_no, dag_id, step_id);
}
