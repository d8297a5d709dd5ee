/*-------------------------------------------------------------------------
 *
 * dag.h
 *	  What users do with DAGs.
 *
 * caller is the role that asks: it must be the DAG's submitter, one of its
 * members, or an administrator (42501).  An unknown DAG raises 42704.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_H
#define TQ_DAG_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/compat.h"
#include "store/dag.h"

/* submit_dag(): dag has what the caller gave; dag_id NULL is chosen here.  Returns the id. */
extern char *tq_dag_submit(TqDag *dag, Datum steps);

/* The step that calls add_step(). */
typedef struct TqDagParent
{
	int64		dag_key;
	int32		step_no;
	bool		in_procedure;	/* its transaction can end before the step does */
} TqDagParent;

/* dag_id NULL: the parent's; parent NULL: not called by a step. */
extern void tq_dag_add_step(Datum step, const char *dag_id, Oid caller, const TqDagParent *parent);

/* Look a DAG up without locking it. */
extern int64 tq_dag_require(const char *dag_id, Oid caller);

/* These return the resulting state. */
extern char tq_dag_pause(const char *dag_id, Oid caller);
extern char tq_dag_resume(const char *dag_id, Oid caller);

/* cancel_task cancels a live task of the DAG, or asks whoever runs it. */
typedef bool (*TqCancelTask) (int64 task_id, const char *reason, Oid role);
extern char tq_dag_cancel(const char *dag_id, Oid caller, const char *reason, TqCancelTask cancel_task);

/* discard_task removes one, or asks whoever runs it to drop the outcome. */
typedef bool (*TqDiscardTask) (int64 task_id, Oid role);
extern bool tq_dag_delete(const char *dag_id, Oid caller, bool force, TqDiscardTask discard_task);
extern int64 tq_dag_purge(int64 older_than_us, Datum labels);

extern void tq_dag_retry(const char *dag_id, const char *step_id, Oid caller);
extern bool tq_dag_signal(const char *dag_id, const char *name, Jsonb *payload, Oid caller);
extern int	tq_dag_resume_breakpoint(const char *dag_id, const char *label, Oid caller);

/* For the files of this folder: look up, check the caller's right, lock exclusively, load.  NULL if missing_ok. */
extern TqDag *tq_dag_open(const char *dag_id, Oid caller, bool missing_ok);
extern void tq_dag_check_access(const char *dag_id, Oid submitter, Oid caller);
extern pg_noreturn void tq_dag_unknown(const char *dag_id);

/*
 * Steps added by the running step, which become part of the DAG when its
 * attempt has succeeded: are there any?  The lowest number is in *first.
 */
extern bool tq_dag_has_unsettled(int64 dag_key, int32 *first);
extern void tq_dag_settle(TqDag *dag, int32 first);

/* Steps that are counted anew: write what one waits for, and, when all are written, start or skip them. */
extern void tq_dag_count_step(int64 dag_key, const TqUncountedStep *step);
extern void tq_dag_start_counted(TqDag *dag, const TqUncountedStep *steps, int n);

#endif
