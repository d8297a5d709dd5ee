/*-------------------------------------------------------------------------
 *
 * state.h
 *		States of tasks, steps and DAGs: how rows hold them, what users read.
 *
 * The values are the characters stored in the "char" columns. They are stored
 * for ever: one can be added, none can change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POLICY_STATE_H
#define TQ_POLICY_STATE_H

#include <stdbool.h>

typedef enum TqTaskState
{
	TQ_TASK_READY = 'r',
	TQ_TASK_SCHEDULED = 's',	/* run_at in the future, or a retry's delay */
	TQ_TASK_RUNNING = 'x',
	TQ_TASK_DONE = 'd',
	TQ_TASK_FAILED = 'f',		/* a dead letter */
	TQ_TASK_CANCELED = 'c'
} TqTaskState;

typedef enum TqStepState
{
	TQ_STEP_PENDING = 'p',
	TQ_STEP_RUNNING = 'x',
	TQ_STEP_DONE = 'd',
	TQ_STEP_FAILED = 'f',
	TQ_STEP_SKIPPED = 'k',
	TQ_STEP_CANCELED = 'c'
} TqStepState;

typedef enum TqDagState
{
	TQ_DAG_RUNNING = 'x',
	TQ_DAG_PAUSING = 'g',
	TQ_DAG_PAUSED = 'h',
	TQ_DAG_DONE = 'd',
	TQ_DAG_FAILED = 'f',
	TQ_DAG_CANCELED = 'c'
} TqDagState;

/* The name of a stored state; NULL if there is no such state. */
extern const char *tq_task_state_name(char state);
extern const char *tq_step_state_name(char state);
extern const char *tq_dag_state_name(char state);

/* The state of that name, compared exactly; false if there is none. */
extern bool tq_dag_state_parse(const char *name, TqDagState *state);

/* Does it stay so unless somebody intervenes (requeue, retry_step)? */
extern bool tq_task_state_is_final(char state);
extern bool tq_step_state_is_final(char state);
extern bool tq_dag_state_is_final(char state);

#endif							/* TQ_POLICY_STATE_H */
