/*-------------------------------------------------------------------------
 *
 * engine.c
 *	  What a step's end means for its DAG.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dag/engine.h"

bool
tq_dag_step_ended(const TqTask *task, const TqEnd *end)
{
	return false;
}

Datum
tq_dag_retry_policy(const TqTask *task)
{
	return (Datum) 0;
}

bool
tq_dag_names(const TqTask *task, char **dag_id, char **step_id)
{
	return false;
}

void
tq_dag_retry_task_step(int64 dag_key, int32 step_no)
{
}
