/*-------------------------------------------------------------------------
 *
 * state.c
 *		States of tasks, steps and DAGs: how rows hold them, what users read.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/state.h"

#include <stddef.h>
#include <string.h>

typedef struct StateName
{
	char		state;
	bool		is_final;
	const char *name;
} StateName;

/* Each table ends with an entry without a name. */
static const StateName task_states[] = {
	{TQ_TASK_READY, false, "ready"},
	{TQ_TASK_SCHEDULED, false, "scheduled"},
	{TQ_TASK_RUNNING, false, "running"},
	{TQ_TASK_DONE, true, "done"},
	{TQ_TASK_FAILED, true, "failed"},
	{TQ_TASK_CANCELED, true, "canceled"},
	{0, false, NULL}
};

static const StateName step_states[] = {
	{TQ_STEP_PENDING, false, "pending"},
	{TQ_STEP_RUNNING, false, "running"},
	{TQ_STEP_DONE, true, "done"},
	{TQ_STEP_FAILED, true, "failed"},
	{TQ_STEP_SKIPPED, true, "skipped"},
	{TQ_STEP_CANCELED, true, "canceled"},
	{0, false, NULL}
};

static const StateName dag_states[] = {
	{TQ_DAG_RUNNING, false, "running"},
	{TQ_DAG_PAUSING, false, "pausing"},
	{TQ_DAG_PAUSED, false, "paused"},
	{TQ_DAG_DONE, true, "done"},
	{TQ_DAG_FAILED, true, "failed"},
	{TQ_DAG_CANCELED, true, "canceled"},
	{0, false, NULL}
};

/* The entry of a state, or the nameless one at the end. */
static const StateName *
by_state(const StateName *entry, char state)
{
	while (entry->name != NULL && entry->state != state)
		entry++;
	return entry;
}

const char *
tq_task_state_name(char state)
{
	return by_state(task_states, state)->name;
}

const char *
tq_step_state_name(char state)
{
	return by_state(step_states, state)->name;
}

const char *
tq_dag_state_name(char state)
{
	return by_state(dag_states, state)->name;
}

bool
tq_dag_state_parse(const char *name, TqDagState *state)
{
	for (const StateName *entry = dag_states; entry->name != NULL; entry++)
	{
		if (strcmp(entry->name, name) == 0)
		{
			*state = (TqDagState) entry->state;
			return true;
		}
	}
	return false;
}

bool
tq_task_state_is_final(char state)
{
	return by_state(task_states, state)->is_final;
}

bool
tq_step_state_is_final(char state)
{
	return by_state(step_states, state)->is_final;
}

bool
tq_dag_state_is_final(char state)
{
	return by_state(dag_states, state)->is_final;
}
