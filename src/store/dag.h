/*-------------------------------------------------------------------------
 *
 * dag.h
 *	  Rows of DAGs and their steps.
 *
 * What the rows mean and who may change them when is said in dag/engine.c:
 * callers hold the DAG's lock (tq_dag_lock).  Memory of results is palloc'd in
 * the caller's context.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_STORE_DAG_H
#define TQ_STORE_DAG_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "policy/graph.h"
#include "policy/state.h"

#define TQ_DAG_SLICES		16

/* From this many dependencies (or steps) on a counter is split into slices. */
#define TQ_DAG_SPLIT_ABOVE	64

/* A step whose row is written, but not counted yet: see dag/add.c. */
#define TQ_STEP_NEW			'n'

/* Breakpoints of a step. */
#define TQ_STOP_NONE		'-'
#define TQ_STOP_ARMED		'a'
#define TQ_STOP_RELEASED	'r'

/* Where a step runs. */
#define TQ_PLACE_ANYWHERE	'-'
#define TQ_PLACE_TARGET		't'
#define TQ_PLACE_WITH		'c' /* on the worker that executed a step */
#define TQ_PLACE_FOLLOW		'f' /* with the target of a step */

/* dag_step.child */
#define TQ_CHILD_NONE		0
#define TQ_CHILD_MANY		(-1)

typedef struct TqDag
{
	int64		dag_key;
	char	   *dag_id;
	char		state;
	bool		dynamic;
	bool		sliced;
	Oid			submitter;
	Datum		labels;			/* text[], or 0 */
	Datum		active_breakpoints; /* text[], or 0 */
	Datum		retry_policy;	/* a retry_policy, or 0 */
	Jsonb	   *trace_ctx;
	char	   *reply_to;
	int64		keep_us;		/* -1: until deleted */
} TqDag;

/* What a transition says of the step it changed. */
typedef struct TqStepMark
{
	int32		child;
	char		child_kind;
	int32		carry;
	int32		carry_bad;
	int16		slice;
	bool		optional;
	char		stop_after;
} TqStepMark;

/* What it takes to make the task of a step. */
typedef struct TqStepTask
{
	int32		step_no;
	char	   *handler;
	char	   *queue;
	Jsonb	   *args;
	bool		has_refs;
	int32		priority;
	int64		delay_us;
	int64		timeout_us;		/* -1: not set */
	Datum		retry_policy;
	char		placement;
	int32		placement_step;
	char	   *target;
	int64		task_id;		/* of an earlier life, or 0 */
	int32		gen;
} TqStepTask;

/* A dependent; kind is a TqEdgeKind, a capital if its countdown is split. */
typedef struct TqChild
{
	int32		step_no;
	char		kind;
} TqChild;

/* A step that is inserted: the columns of dag_step. */
typedef struct TqNewStep
{
	int32		step_no;
	int32		unmet;
	int32		unmet_signals;
	int32		child;
	char		child_kind;
	int16		slice;
	char		state;
	bool		optional;
	bool		split;
	bool		has_refs;
	char		stop_before;
	char		stop_after;
	char		placement;
	int32		placement_step;
	int32		priority;
	int64		delay_us;
	int64		timeout_us;		/* -1: not given */
	char	   *step_id;
	char	   *handler;
	char	   *queue;
	Jsonb	   *args;
	Datum		retry_policy;	/* these are 0 or NULL if not given */
	char	   *target;
	Datum		needs;			/* int[] */
	Datum		defaults;
	Datum		optionals;
	Datum		wait_for;		/* text[] */
	Datum		break_before;
	Datum		break_after;
	Datum		definition;		/* bytea */
} TqNewStep;

/* How a step ended. */
typedef struct TqStepEnd
{
	char		state;
	int32		attempt;
	int32		gen;
	int64		task_id;
	char	   *worker;			/* these may be NULL, or 0 */
	TimestampTz started_at;
	TimestampTz finished_at;
	Jsonb	   *result;
	char	   *error_kind;
	char	   *error_message;
} TqStepEnd;

/* Arrays for parameters. */
extern Datum tq_int4_array(int n, const int32 *elements);
extern Datum tq_char_array(int n, const char *elements);
extern int	tq_int4_list(Datum array, int32 **elements); /* 0: none */

/* The DAG's lock (store/dag_lock.c), until the end of the transaction. */
extern void tq_dag_lock(int64 dag_key, bool exclusive);
extern void tq_dag_unlock_shared(int64 dag_key);
extern bool tq_dag_is_locked_here(int64 dag_key);	/* exclusively, by this transaction */

/* DAGs (store/dag_row.c). */
extern bool tq_dag_find(const char *dag_id, int64 *dag_key, Oid *submitter);
extern TqDag *tq_dag_load(int64 dag_key);	/* NULL: gone */
extern bool tq_dag_insert(TqDag *dag, TimestampTz created_at, int32 open);	/* false: the id is taken */
extern void tq_dag_set_state(TqDag *dag, char state, TimestampTz now, const char *reason);
extern void tq_dag_mark_dynamic(TqDag *dag);
extern bool tq_dag_delete_rows(int64 dag_key, bool only_ended);
extern int	tq_dag_list_removable(TimestampTz now, TimestampTz ended_before, Datum labels,
								  int max, int64 **dag_keys);

/*
 * Count ended steps down: true if none is open any more, and the DAG has got
 * its final state.  With slices the open of some slice.
 */
extern bool tq_dag_subtract(TqDag *dag, int16 slice, int32 open, int32 bad, TimestampTz now);
extern void tq_dag_add_open(TqDag *dag, const int32 *open_by_slice);
extern void tq_dag_insert_slices(int64 dag_key, const int32 *open_by_slice);
extern void tq_dag_convert_to_slices(TqDag *dag);

/* Steps: transitions (store/dag_step.c). */

/*
 * The end of a running step of a running DAG: false if there is no such step,
 * or its DAG is not running.  tq_step_end_any ignores the DAG's state.
 */
extern bool tq_step_end(int64 dag_key, int32 step_no, const TqStepEnd *end,
						TqDag *dag, TqStepMark *mark);
extern bool tq_step_end_any(int64 dag_key, int32 step_no, const TqStepEnd *end, TqStepMark *mark);

typedef enum TqCountdown
{
	TQ_COUNTDOWN_GONE,			/* the step is not pending any more */
	TQ_COUNTDOWN_WAITS,
	TQ_COUNTDOWN_READY			/* it is running now: make its task */
} TqCountdown;

/*
 * Take unmet dependencies off a pending step, and add what it carries, if it
 * is in that slice of the DAG's counter (*carried says so).
 */
extern TqCountdown tq_step_count_down(int64 dag_key, int32 step_no, int32 unmet,
									  int32 carry, int32 carry_bad, int16 slice,
									  bool may_start, TimestampTz now,
									  bool *carried, TqStepTask *task);

/* The same for a row of a split countdown; *zero: count the step itself down, with what came back in carry for slice *home. */
extern void tq_step_count_down_split(int64 dag_key, int32 step_no, int16 row, int32 unmet,
									 int32 *carry, int32 *carry_bad, int16 slice,
									 bool *carried, bool *zero, int16 *home);

/* Skip a pending step; false if it is not pending. */
extern bool tq_step_skip(int64 dag_key, int32 step_no, TimestampTz now, TqStepMark *mark);

/* Take what is carried out of the rows of the countdown of a skipped step. */
extern void tq_step_kill_split(int64 dag_key, int32 step_no, int32 *carry, int32 *carry_bad);

extern int	tq_step_children(int64 dag_key, int32 step_no, TqChild **children);
extern void tq_step_set_target(int64 dag_key, int32 step_no, const char *target);
extern bool tq_step_is_any(int64 dag_key, char state);

/* Steps: sets (store/dag_sets.c). */
extern void tq_step_insert(int64 dag_key, const TqNewStep *step, TimestampTz now);
extern bool tq_step_insert_added(int64 dag_key, TqNewStep *step, TimestampTz now);
extern void tq_edge_insert(int64 dag_key, int n, const int32 *parents, const int32 *children, const char *kinds);
extern void tq_countdown_insert(int64 dag_key, int32 step_no, const int32 *unmet_by_row, int16 home);
extern int	tq_step_list_startable(int64 dag_key, int32 **step_nos);
extern void tq_step_cancel_pending(int64 dag_key, TimestampTz now, const char *reason);
extern int	tq_dag_list_tasks(int64 dag_key, int64 **task_ids);

/*
 * Counting steps anew (store/dag_count.c): those that are added, and after a
 * step was put back those that are pending.
 */
typedef struct TqUncountedStep
{
	int32		step_no;
	bool		split;
	bool		doomed;			/* a required dependency has failed */
	int16		slice;
	Datum		unmet;			/* int[] of its unmet dependencies; 0: none */
	int32		unmet_signals;
} TqUncountedStep;

extern int	tq_step_list_uncounted(int64 dag_key, char state, int32 first, TqUncountedStep **steps);
extern void tq_step_set_count(int64 dag_key, const TqUncountedStep *step, int32 unmet);
extern void tq_dag_recount(TqDag *dag);

/* Putting a failed step back (store/dag_back.c). */
extern void tq_step_put_back(int64 dag_key, int32 step_no);

/* Signals and breakpoints (store/dag_signal.c). */
extern void tq_signal_wait(int64 dag_key, int32 step_no, Datum names);
extern bool tq_signal_deliver(int64 dag_key, const char *name, Jsonb *payload, TimestampTz now);
extern int	tq_signal_release(int64 dag_key, const char *name, int32 **step_nos);
extern Jsonb *tq_signal_payload(int64 dag_key, const char *name);
extern int	tq_breakpoint_list(int64 dag_key, const char *label, bool after, int32 **step_nos);
extern void tq_breakpoint_release(int64 dag_key, bool after, int n, const int32 *step_nos);

/* Single steps (store/dag_info.c). */

/* A step as others refer to it. */
typedef struct TqStepInfo
{
	int32		step_no;
	char	   *step_id;
	char		state;
	char	   *handler;
	char		placement;
	int16		slice;
	char	   *worker;			/* these may be NULL */
	char	   *target;
	Jsonb	   *result;
} TqStepInfo;

typedef struct TqStepLook
{
	char		state;
	TransactionId xmin;
	TimestampTz finished_at;
	int32		step_no;
	Jsonb	   *result;			/* these may be NULL */
	char	   *error_kind;
	char	   *error_message;	/* of a canceled step: the reason */
} TqStepLook;

extern int	tq_step_infos(int64 dag_key, int n, const int32 *step_nos, TqStepInfo **infos);
extern bool tq_step_info_by_id(int64 dag_key, const char *step_id, TqStepInfo *info);
extern bool tq_step_definition(int64 dag_key, const char *step_id, Datum *definition);
extern bool tq_step_exists(int64 dag_key, int32 step_no);
extern int32 tq_step_child(int64 dag_key, int32 step_no, char *kind);
extern bool tq_dag_names_of(int64 dag_key, int32 step_no, char **dag_id, char **step_id);
extern bool tq_step_look(int64 dag_key, const char *step_id, TqStepLook *step);
extern void tq_step_add_past(int64 dag_key, int32 step_no, TqStepEnd *end);

/* As they are now, whatever the isolation level (store/dag_look.c). */
typedef struct TqDagLook
{
	char		state;
	TransactionId xmin;
	TimestampTz finished_at;
	Oid			submitter;
} TqDagLook;

extern bool tq_dag_look(int64 dag_key, TqDagLook *dag);
extern bool tq_dag_needs_workers(int64 dag_key, int32 step_no);

/* Which DAGs list_dags() shows. */
typedef struct TqDagFilter
{
	Datum		labels;			/* a text[], or 0: any */
	char		state;			/* '\0': any */
	bool		has_created_since;
	TimestampTz created_since;
	int64		max_rows;		/* -1: all */
	Oid			role;
	bool		sees_all;		/* else DAGs of roles that this one is a member of */
} TqDagFilter;

extern Datum tq_dag_list(const TqDagFilter *filter);

#endif
