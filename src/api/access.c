/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Whose tasks somebody may see and change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"

#include "api/access.h"
#include "base/owner.h"
#include "run/execute.h"
#include "store/queue.h"

bool
tq_access_may_act(Oid caller, Oid enqueuer)
{
	return caller == enqueuer || tq_role_may_become(caller, enqueuer) ||
		tq_role_is_admin(caller);
}

bool
tq_access_may_read(Oid caller, Oid enqueuer)
{
	return tq_access_may_act(caller, enqueuer) ||
		tq_role_may_become(caller, ROLE_PG_READ_ALL_DATA);
}

bool
tq_access_may_see(Oid caller, Oid enqueuer)
{
	return tq_access_may_read(caller, enqueuer) ||
		tq_role_may_become(caller, ROLE_PG_MONITOR);
}

void
tq_access_require_instruct(Oid caller, Oid enqueuer)
{
	if (tq_role_may_instruct(caller, enqueuer))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to change the arguments of a superuser's task"),
			 errdetail("It was enqueued by role \"%s\".", tq_role_name(enqueuer)),
			 errhint("Only superusers may do this.")));
}

bool
tq_access_look_up(int64 task_id, TqOutcome *outcome)
{
	const TqRun *run;

	if (tq_outcome_find(task_id, outcome))
		return true;
	run = tq_run_of_task(task_id);
	if (run == NULL)
		return false;
	outcome->state = TQ_TASK_RUNNING;
	outcome->live = true;
	outcome->enqueuer = run->task->enqueuer;
	outcome->handler = run->task->handler;
	outcome->has_dag = run->task->has_dag;
	outcome->dag_key = run->task->dag_key;
	outcome->step_no = run->task->step_no;
	return true;
}

void
tq_access_find_task(int64 task_id, Oid caller, TqOutcome *outcome)
{
	if (!tq_access_look_up(task_id, outcome))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("task " INT64_FORMAT " does not exist", task_id),
				 errdetail("It never existed, was deleted, or ended longer ago than it is kept.")));
	if (!tq_access_may_act(caller, outcome->enqueuer))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for task " INT64_FORMAT, task_id),
				 errdetail("It was enqueued by role \"%s\".", tq_role_name(outcome->enqueuer)),
				 errhint("Members of that role and administrators of the task queue may do this.")));
}
