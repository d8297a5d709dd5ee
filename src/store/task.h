/*-------------------------------------------------------------------------
 *
 * task.h
 *	  Live tasks: rows of task_queue.task.
 *
 * Whoever changes or ends a task holds its row lock, and has looked for a
 * claim (shmem/claims.h) after getting it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TASK_H
#define TQ_TASK_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "policy/state.h"
#include "shmem/ready.h"

/* The columns of table task, in order (attribute numbers). */
typedef enum TqTaskColumn
{
	TQ_COL_TASK_ID = 1,
	TQ_COL_RUN_AT,
	TQ_COL_ENQUEUED_AT,
	TQ_COL_LANE,
	TQ_COL_PRIORITY,
	TQ_COL_ATTEMPT,
	TQ_COL_GEN,
	TQ_COL_ENQUEUER,
	TQ_COL_STATE,
	TQ_COL_HANDLER,
	TQ_COL_QUEUE,
	TQ_COL_ARGS,
	TQ_COL_DEADLINE,
	TQ_COL_TIMEOUT,
	TQ_COL_RETRY_POLICY,
	TQ_COL_TARGET,
	TQ_COL_REPLY_TO,
	TQ_COL_TRACE_CTX,
	TQ_COL_LABELS,
	TQ_COL_UNIQUE_KEY,
	TQ_COL_ON_CONFLICT,
	TQ_COL_ORDER_KEY,
	TQ_COL_LIMIT_KEY,
	TQ_COL_DAG_KEY,
	TQ_COL_STEP_NO,
	TQ_COL_FIRE_TIME,
	TQ_COL_STARTED_AT,
	TQ_COL_WORKER,
	TQ_COL_CLAIMED_BY,
	TQ_COL_LEASE_TOKEN,
	TQ_COL_LEASE_UNTIL
} TqTaskColumn;

#define TQ_TASK_NCOLS	TQ_COL_LEASE_UNTIL

/* A task row in memory.  Pointers are NULL and Datums 0 where the column is null. */
typedef struct TqTask
{
	int64		task_id;
	TimestampTz run_at;
	TimestampTz enqueued_at;
	int64		lane;
	int32		priority;
	int32		attempt;		/* executions counted so far; a running one is attempt + 1
								 * (of a procedure, whose start is counted durably: attempt) */
	int32		gen;
	Oid			enqueuer;
	char		state;
	char	   *handler;
	char	   *queue;
	Jsonb	   *args;
	bool		has_deadline;
	TimestampTz deadline;
	int64		timeout_us;		/* -1: not set; 0: none */
	Datum		retry_policy;	/* a retry_policy, or 0 */
	char	   *target;
	char	   *reply_to;
	Jsonb	   *trace_ctx;
	Datum		labels;			/* a text[], or 0 */
	bool		has_dag;
	int64		dag_key;
	int32		step_no;
	bool		has_fire_time;
	TimestampTz fire_time;
	TimestampTz started_at;		/* 0: null */
	char	   *worker;
	Oid			claimed_by;
	int64		lease_token;
	TimestampTz lease_until;	/* 0: null */

	/* The row itself, for what has no field above.  Nothing in it points to TOAST. */
	Datum		values[TQ_TASK_NCOLS];
	bool		nulls[TQ_TASK_NCOLS];

	/* Private to the functions below: the stored version that the changes start from, and whether it was deleted by tq_task_take(). */
	HeapTuple	tuple;
	bool		taken;
} TqTask;

typedef enum TqLockWait
{
	TQ_LOCK_SKIP,				/* a locked row is treated as absent */
	TQ_LOCK_WAIT
} TqLockWait;

typedef enum TqLockResult
{
	TQ_LOCKED,
	TQ_LOCK_BUSY,				/* somebody else holds the row */
	TQ_LOCK_GONE				/* no such live task */
} TqLockResult;

/* Lock one row FOR UPDATE and load it (palloc'd in the current context). */
extern TqLockResult tq_task_lock(int64 task_id, TqLockWait wait, TqTask **task);

/* The same for several; all arrays have n elements. */
extern void tq_task_lock_many(const int64 *ids, int n, TqLockWait wait, TqTask **tasks,
							  TqLockResult *results);

/*
 * Delete those at once of which may_delete(i) says that nobody else can change
 * them and that this transaction will write their end, as tq_task_take() does;
 * lock the others, and those that somebody has locked, waiting for them.
 */
extern void tq_task_take_many(const int64 *ids, int n, bool (*may_delete) (int i, void *arg), void *arg,
							  TqTask **tasks, TqLockResult *results);

/*
 * Lock a row, and delete it at once if ends_here() says that this transaction
 * will write its end: that saves locking it first.  tq_task_delete() then has
 * nothing to do, and putting the task back to waiting inserts it anew; whoever
 * does neither must abort.  A row that is locked or was changed meanwhile is
 * not waited for.
 */
extern TqLockResult tq_task_take(int64 task_id, bool (*ends_here) (const TqTask *task, void *arg),
								 void *arg, TqTask **task);

/*
 * Keep what a lookup by id needs open from one to the next, until closed or
 * until the transaction aborts (then forget it).
 */
extern void tq_task_keep_open(void);
extern void tq_task_close_kept(void);
extern void tq_task_forget_kept(void);

/*
 * Scheduled tasks in order, looked up by the first search that is given the
 * list.  The next ones, within the same transaction, go on where it stopped.
 */
typedef struct TqScheduledList
{
	MemoryContext context;		/* of the entries */
	struct TqScheduledEntry *entries;	/* NULL: not looked up */
	int			count;
	int			next;
} TqScheduledList;

extern void tq_scheduled_list_forget(TqScheduledList *list);

/*
 * Lock the first ready tasks of some lanes, in order (priority, run_at, id),
 * skipping rows that others hold.  Used where no ready index is at hand.
 */
typedef struct TqTaskFilter
{
	TqScheduledList *scheduled; /* not NULL: also scheduled tasks, */
	TimestampTz due_by;			/* but not those that are due later; 0: all */
	const int64 *excluded;		/* ids to leave alone */
	int			nexcluded;
	bool		this_transaction;	/* only rows written by the current transaction */
	bool		unclaimed;		/* none that somebody runs */
	const TqReadyKey *from;		/* only ready tasks from this key on; NULL: all */
	Oid			caller;				/* only tasks of roles that this one may become */
} TqTaskFilter;

extern int	tq_task_lock_next(const int64 *lanes, int nlanes, const TqTaskFilter *filter,
							  int max_tasks, TqTask **tasks);

/* Changes of a locked row. */
extern void tq_task_delete(TqTask *task);

/* Back to waiting: state TQ_TASK_READY or TQ_TASK_SCHEDULED, run_at, attempt and gen as in task; clears the running columns; notes the id for commit. */
extern void tq_task_requeue(TqTask *task);

/* Durably running (a procedure, or a lease in the row): state, attempt, gen, worker, started_at, claimed_by, lease columns as in task. */
extern void tq_task_mark_running(TqTask *task);

/*
 * A task to insert, by code that has checked everything: no trigger fires and
 * no permission is looked at.  Pointers may be NULL and Datums 0.
 */
typedef struct TqNewTask
{
	int64		task_id;		/* of its earlier life; 0: a new one */
	int32		gen;			/* 0, or that of its earlier life plus one */
	const char *handler;
	bool		external;		/* the kind of its handler, for the lane */
	const char *queue;
	Jsonb	   *args;			/* NULL: none */
	Oid			enqueuer;
	int32		priority;
	int64		delay_us;		/* 0: ready at once */
	bool		has_deadline;
	TimestampTz deadline;
	int64		timeout_us;		/* -1: not set */
	Datum		retry_policy;
	const char *target;
	const char *reply_to;
	Jsonb	   *trace_ctx;
	Datum		labels;
	bool		has_dag;
	int64		dag_key;
	int32		step_no;
	bool		has_fire_time;
	TimestampTz fire_time;
} TqNewTask;

/* Returns the task_id; notes the task for commit. */
extern int64 tq_task_insert(const TqNewTask *task);

/*
 * The same for rows whose columns, but for task_id, are filled already;
 * used by enqueue() and enqueue_many().
 */
typedef struct TqTaskWriter TqTaskWriter;

extern TqTaskWriter *tq_task_write_begin(void);
extern int64 tq_task_write(TqTaskWriter *writer, Datum *values, bool *nulls);
extern int64 tq_task_write_as(TqTaskWriter *writer, int64 task_id, Datum *values, bool *nulls);
extern void tq_task_write_end(TqTaskWriter *writer);

/* The lane that a task of this session goes to, by the setting task_queue.execution. */
extern int64 tq_task_lane(bool external, const char *handler, const char *queue,
						  const char *target);

extern void tq_task_init(void);

#endif
