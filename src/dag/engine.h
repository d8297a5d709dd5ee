/*-------------------------------------------------------------------------
 *
 * engine.h
 *	  What a step's end means for its DAG.
 *
 * Called by run/finish.c, in the transaction that ends the task, before the
 * history row is written and after the live row is deleted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ENGINE_H
#define TQ_ENGINE_H

#include "postgres.h"

#include "store/dag.h"
#include "store/history.h"
#include "store/task.h"

/*
 * The task of a step ended.  Stores the outcome in the step, cascades, hands
 * over what is ready, and sets the DAG's state.  False: the DAG or the step
 * is gone (deleted by force): the caller must undo the attempt's work and
 * just remove the task.
 */
extern bool tq_dag_step_ended(const TqTask *task, const TqEnd *end);

/*
 * The attempt of a step succeeded without ending its task (snooze): the steps
 * it added become part of the DAG.  False: as above.
 */
extern bool tq_dag_step_snoozed(const TqTask *task);

/* Ids shown by current_task() and dequeue(); false if the DAG is gone. */
extern bool tq_dag_names(const TqTask *task, char **dag_id, char **step_id);

/* retry_step() for requeue(): 55000 if the step is not failed or its DAG is canceled. */
extern void tq_dag_retry_task_step(int64 dag_key, int32 step_no);

/* For requeue_failed(): those of some steps of a DAG that can be retried by now; how many. */
extern int	tq_dag_retry_failed(int64 dag_key, int n, const int32 *step_nos);

/* Remove ended DAGs whose keeping time is over; false: there are more. */
extern bool tq_dag_expire(void);

/* 22023 if that will not be possible when it ends: */
extern void tq_dag_check_reply(const TqDag *dag);

/* The DAG has ended: notify reply_to. */
extern void tq_dag_announce_end(const TqDag *dag);

#endif
