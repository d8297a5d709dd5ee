/*-------------------------------------------------------------------------
 *
 * dag_rel.h
 *	  Direct access to rows of DAGs by their keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_REL_H
#define TQ_DAG_REL_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"

#include "store/dag.h"
#include "store/plans.h"

/* The columns of table dag, in order (counted from 0). */
typedef enum TqDagColumn
{
	TQ_DAG_COL_KEY,
	TQ_DAG_COL_OPEN,
	TQ_DAG_COL_BAD,
	TQ_DAG_COL_SLICED,
	TQ_DAG_COL_DYNAMIC,
	TQ_DAG_COL_STATE,
	TQ_DAG_COL_SUBMITTER,
	TQ_DAG_COL_CREATED_AT,
	TQ_DAG_COL_PAUSED_AT,
	TQ_DAG_COL_FINISHED_AT,
	TQ_DAG_COL_EXPIRES_AT,
	TQ_DAG_COL_KEEP_US,
	TQ_DAG_COL_ID,
	TQ_DAG_COL_LABELS,
	TQ_DAG_COL_ACTIVE_BREAKPOINTS,
	TQ_DAG_COL_RETRY_POLICY,
	TQ_DAG_COL_TRACE_CTX,
	TQ_DAG_COL_REPLY_TO,
	TQ_DAG_COL_CANCEL_REASON,
	TQ_DAG_NCOLS
} TqDagColumn;

/* Of table dag_step. */
typedef enum TqStepColumn
{
	TQ_STEP_COL_DAG_KEY,
	TQ_STEP_COL_STEP_NO,
	TQ_STEP_COL_UNMET,
	TQ_STEP_COL_UNMET_SIGNALS,
	TQ_STEP_COL_CARRY,
	TQ_STEP_COL_CARRY_BAD,
	TQ_STEP_COL_CHILD,
	TQ_STEP_COL_ATTEMPT,
	TQ_STEP_COL_GEN,
	TQ_STEP_COL_SLICE,
	TQ_STEP_COL_STATE,
	TQ_STEP_COL_CHILD_KIND,
	TQ_STEP_COL_OPTIONAL,
	TQ_STEP_COL_SPLIT,
	TQ_STEP_COL_HAS_REFS,
	TQ_STEP_COL_STOP_BEFORE,
	TQ_STEP_COL_STOP_AFTER,
	TQ_STEP_COL_PLACEMENT,
	TQ_STEP_COL_PLACEMENT_STEP,
	TQ_STEP_COL_PRIORITY,
	TQ_STEP_COL_DELAY_US,
	TQ_STEP_COL_TIMEOUT_US,
	TQ_STEP_COL_CREATED_AT,
	TQ_STEP_COL_REACHED_AT,
	TQ_STEP_COL_TASK_ID,
	TQ_STEP_COL_QUEUED_AT,
	TQ_STEP_COL_STARTED_AT,
	TQ_STEP_COL_FINISHED_AT,
	TQ_STEP_COL_STEP_ID,
	TQ_STEP_COL_HANDLER,
	TQ_STEP_COL_QUEUE,
	TQ_STEP_COL_ARGS,
	TQ_STEP_COL_RETRY_POLICY,
	TQ_STEP_COL_TARGET,
	TQ_STEP_COL_NEEDS,
	TQ_STEP_COL_DEFAULTS,
	TQ_STEP_COL_OPTIONALS,
	TQ_STEP_COL_WAIT_FOR,
	TQ_STEP_COL_BREAK_BEFORE,
	TQ_STEP_COL_BREAK_AFTER,
	TQ_STEP_COL_DEFINITION,
	TQ_STEP_COL_WORKER,
	TQ_STEP_COL_RESULT,
	TQ_STEP_COL_ERROR_KIND,
	TQ_STEP_COL_ERROR_MESSAGE,
	TQ_STEP_NCOLS
} TqStepColumn;

/* Of table dag_counter. */
typedef enum TqCounterColumn
{
	TQ_COUNTER_COL_DAG_KEY,
	TQ_COUNTER_COL_STEP_NO,
	TQ_COUNTER_COL_SLICE,
	TQ_COUNTER_COL_OPEN,
	TQ_COUNTER_COL_BAD,
	TQ_COUNTER_COL_CARRY,
	TQ_COUNTER_COL_CARRY_BAD,
	TQ_COUNTER_COL_HOME,
	TQ_COUNTER_COL_DEAD,
	TQ_COUNTER_NCOLS
} TqCounterColumn;

typedef enum TqDagTable
{
	TQ_TABLE_DAG,				/* key: dag_key */
	TQ_TABLE_STEP,				/* key: dag_key, step_no */
	TQ_TABLE_STEP_BY_ID,		/* key: dag_key, step_id */
	TQ_TABLE_COUNTER			/* key: dag_key, step_no, slice */
} TqDagTable;

/* A row, copied into the current memory. */
typedef struct TqRow
{
	HeapTuple	tuple;
	Datum	   *values;
	bool	   *nulls;
	bool	   *changed;		/* set by tq_row_set() and the like */
} TqRow;

/* Read the newest committed (or own) version of a row; false: there is none. */
extern bool tq_row_read(TqDagTable table, const Datum *key, TqRow *row);

/*
 * Change a row: the callback looks at its newest version and either changes
 * it or declines (false).  It is called again if somebody else changes the
 * row meanwhile.  False: there is no row, or it declined.
 */
typedef bool (*TqRowChange) (TqRow *row, void *arg);
extern bool tq_row_change(TqDagTable table, const Datum *key, TqRowChange change, void *arg, TqRow *row);

/* For loops: what was read from the row goes too, unless it was copied. */
extern void tq_row_free(TqRow *row);

extern void tq_row_set(TqRow *row, int column, Datum value);
extern bool tq_row_is_changed(const TqRow *row, int ncolumns);
extern void tq_row_set_nullable(TqRow *row, int column, Datum value, bool isnull);

/* What a row has; 0 and NULL for null.  Varlena values are detoasted. */
extern Datum tq_row_varlena(const TqRow *row, int column);
extern char *tq_row_string(const TqRow *row, int column);

/*
 * Run a statement, or a query, on the rows as they are now, whatever the
 * isolation level: what is decided under a DAG's lock must not rest on the
 * snapshot of a transaction that began before (store/dag_look.c).
 */
extern uint64 tq_dag_run(TqPlan *plan, const Datum *values, const bool *nulls);
extern uint64 tq_dag_query(TqPlan *plan, const Datum *values);
extern uint64 tq_dag_execute(TqPlan *plan, const Datum *values, const bool *nulls);	/* for the count alone */

/* The first column of the n rows of such a query, copied into context; returns n. */
extern int	tq_dag_copy_numbers(uint64 n, MemoryContext context, int32 **numbers);

/* What every caller needs to know of a DAG; the rest of it stays as it is. */
extern void tq_dag_read_common(const TqRow *row, TqDag *dag);

#endif
