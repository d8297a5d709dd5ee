/*-------------------------------------------------------------------------
 *
 * control.c
 *	  Pausing, resuming, canceling and deleting DAGs.
 *
 * All under the DAG's exclusive lock: no step ends meanwhile.  Steps that are
 * being executed are not waited for: their end comes later and finds the DAG
 * in its new state, or gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/owner.h"
#include "dag/cascade.h"
#include "dag/dag.h"
#include "dag/engine.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/queue.h"
#include "store/task.h"

/* How many DAGs whose keeping time is over are removed by one transaction. */
#define EXPIRE_BATCH	1000

void
tq_dag_unknown(const char *dag_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("DAG \"%s\" does not exist", dag_id)));
}

void
tq_dag_check_access(const char *dag_id, Oid submitter, Oid caller)
{
	if (!tq_role_may_become(caller, submitter) && !tq_role_is_admin(caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for DAG \"%s\"", dag_id),
				 errdetail("It was submitted by another role.")));
}

int64
tq_dag_require(const char *dag_id, Oid caller)
{
	int64		dag_key;
	Oid			submitter;

	if (!tq_dag_find(dag_id, &dag_key, &submitter))
		tq_dag_unknown(dag_id);
	tq_dag_check_access(dag_id, submitter, caller);
	return dag_key;
}

TqDag *
tq_dag_open(const char *dag_id, Oid caller, bool missing_ok)
{
	for (;;)
	{
		int64		dag_key;
		Oid			submitter;
		TqDag	   *dag;

		if (!tq_dag_find(dag_id, &dag_key, &submitter))
		{
			if (missing_ok)
				return NULL;
			tq_dag_unknown(dag_id);
		}
		tq_dag_check_access(dag_id, submitter, caller);
		tq_dag_lock(dag_key, true);
		dag = tq_dag_load(dag_key);
		if (dag != NULL)
			return dag;
		/* It was deleted while we waited; there can be another one of that id. */
	}
}

/*
 * Without claims nobody knows who executes a step, and whoever wants to cancel
 * it waits for him.  That must be done before the DAG's lock is taken, which
 * he takes in the end.
 */
static void
wait_for_steps(const char *dag_id, Oid caller)
{
	int64		dag_key;
	Oid			submitter;
	int64	   *task_ids;
	int			n;

	if (tq_shmem_available() || !tq_dag_find(dag_id, &dag_key, &submitter))
		return;
	tq_dag_check_access(dag_id, submitter, caller);
	n = tq_dag_list_tasks(dag_key, &task_ids);
	for (int i = 0; i < n; i++)
	{
		TqTask	   *task;

		(void) tq_task_lock(task_ids[i], TQ_LOCK_WAIT, &task);
	}
}

static pg_noreturn void
refuse(const TqDag *dag, const char *action)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot %s DAG \"%s\"", action, dag->dag_id),
			 errdetail("Its state is %s.", tq_dag_state_name(dag->state))));
}

char
tq_dag_pause(const char *dag_id, Oid caller)
{
	TqDag	   *dag = tq_dag_open(dag_id, caller, false);

	if (dag->state != TQ_DAG_RUNNING)
		refuse(dag, "pause");
	tq_dag_set_state(dag, tq_step_is_any(dag->dag_key, TQ_STEP_RUNNING) ? TQ_DAG_PAUSING : TQ_DAG_PAUSED,
					 tq_clock_now(), NULL);
	return dag->state;
}

char
tq_dag_resume(const char *dag_id, Oid caller)
{
	TqDag	   *dag = tq_dag_open(dag_id, caller, false);
	TimestampTz now = tq_clock_now();
	int32	   *step_nos;
	int			n;

	if (tq_dag_state_is_final(dag->state))
		refuse(dag, "resume");
	if (dag->state == TQ_DAG_RUNNING)
		return dag->state;
	tq_dag_set_state(dag, TQ_DAG_RUNNING, now, NULL);
	n = tq_step_list_startable(dag->dag_key, &step_nos);
	tq_cascade_evaluate_all(dag, now, step_nos, n);
	return dag->state;
}

/*
 * The DAG is canceled first, so that nothing follows when its waiting tasks
 * end.  On a DAG that is canceled this sweeps what is left.
 */
char
tq_dag_cancel(const char *dag_id, Oid caller, const char *reason, TqCancelTask cancel_task)
{
	TqDag	   *dag;
	TimestampTz now;
	int64	   *task_ids;
	int			n;

	wait_for_steps(dag_id, caller);
	dag = tq_dag_open(dag_id, caller, false);
	now = tq_clock_now();
	if (dag->state == TQ_DAG_DONE || dag->state == TQ_DAG_FAILED)
		return dag->state;
	if (dag->state != TQ_DAG_CANCELED)
	{
		tq_dag_set_state(dag, TQ_DAG_CANCELED, now, reason);
		tq_dag_announce_end(dag);
	}
	tq_step_cancel_pending(dag->dag_key, now, reason);
	n = tq_dag_list_tasks(dag->dag_key, &task_ids);
	for (int i = 0; i < n; i++)
		(void) cancel_task(task_ids[i], reason, caller);
	tq_xact_note_dag(dag->dag_key);
	return dag->state;
}

/*
 * The rows of steps go first: whoever ends a task then finds its step gone, so
 * nothing follows from that, and whoever executes one drops the outcome.
 */
static void
remove_dag(const TqDag *dag, Oid caller, TqDiscardTask discard_task)
{
	int64	   *task_ids;
	int			n = tq_dag_list_tasks(dag->dag_key, &task_ids);

	(void) tq_dag_delete_rows(dag->dag_key, false);
	for (int i = 0; i < n; i++)
		(void) discard_task(task_ids[i], caller);
	tq_xact_note_dag(dag->dag_key);
}

bool
tq_dag_delete(const char *dag_id, Oid caller, bool force, TqDiscardTask discard_task)
{
	TqDag	   *dag;

	wait_for_steps(dag_id, caller);
	dag = tq_dag_open(dag_id, caller, true);
	if (dag == NULL)
		return false;
	if (!force && !tq_dag_state_is_final(dag->state))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot delete DAG \"%s\"", dag->dag_id),
				 errdetail("Its state is %s.", tq_dag_state_name(dag->state)),
				 errhint("Use force => true to delete a DAG that has not ended.")));
	remove_dag(dag, caller, discard_task);
	return true;
}

/*
 * Without the locks of the DAGs: there can be more than the server has room
 * for.  Whoever still executes a step of one that was canceled drops it.
 */
static int64
remove_ended(TimestampTz ended_before, Datum labels, int max)
{
	int64	   *dag_keys;
	int			n = tq_dag_list_removable(tq_clock_now(), ended_before, labels, max, &dag_keys);
	int64		removed = 0;

	for (int i = 0; i < n; i++)
		removed += tq_dag_delete_rows(dag_keys[i], true);
	return removed;
}

int64
tq_dag_purge(int64 older_than_us, Datum labels)
{
	return remove_ended(tq_clock_add(tq_clock_now(), -older_than_us), labels, PG_INT32_MAX);
}

bool
tq_dag_expire(void)
{
	return remove_ended(0, (Datum) 0, EXPIRE_BATCH) < EXPIRE_BATCH;
}
