/*-------------------------------------------------------------------------
 *
 * execute.h
 *	  One attempt of a claimed task.
 *
 * The caller (a worker, drain(), run_tasks()) has the task's row locked and
 * claimed, and owns the transaction.  An attempt that succeeds is recorded
 * here, in that same transaction; one that fails raises, and the caller first
 * undoes everything and then records it with tq_run_record_failure().
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_EXECUTE_H
#define TQ_EXECUTE_H

#include "postgres.h"

#include "base/errors.h"
#include "handler/call.h"
#include "run/finish.h"
#include "store/task.h"

/* How far an attempt got. */
typedef enum TqRunPhase
{
	TQ_RUN_PREPARE,				/* our own work; an error is not the task's */
	TQ_RUN_CALL,				/* in the handler: an error is a failed attempt */
	TQ_RUN_RECORD,				/* our own work again */
	TQ_RUN_COMMIT				/* what is left is the commit: an error is what the handler has done to it */
} TqRunPhase;

/* Why the handler was interrupted, in order of precedence. */
typedef enum TqInterrupt
{
	TQ_INTERRUPT_NONE,
	TQ_INTERRUPT_TIMEOUT,
	TQ_INTERRUPT_DEADLINE,
	TQ_INTERRUPT_CANCEL
} TqInterrupt;

typedef struct TqRun
{
	TqTask	   *task;
	TqAttempt	attempt;
	TqCallMode	mode;
	TqRunPhase	phase;
	bool		in_worker;		/* else drain(), inline or run_tasks() */
	bool		in_handler;		/* user code is running: current_task() and the like answer */
	volatile sig_atomic_t interrupt;	/* TqInterrupt */
	volatile sig_atomic_t owed; /* it was, while an attempt nested in it was running, and does not know yet */
	TimestampTz timer_at;		/* when the timer goes off; 0: none */
	TqInterrupt timer_reason;
	bool		snoozed;
	int64		snooze_us;
	TqError    *error;			/* what the attempt was recorded to have failed of */
	const char *dag_id;			/* NULL: not a step, or not asked for yet */
	const char *step_id;
	struct TqRun *outer;		/* drain() and inline execution nest */
} TqRun;

/* The attempt that this backend is executing; NULL: none. */
extern TqRun *tq_current_run;

/* The current run if user code is running in it, else NULL. */
extern TqRun *tq_run_in_handler(void);

/* The attempt of that task, if this backend is executing it; else NULL. */
extern TqRun *tq_run_of_task(int64 task_id);

extern void tq_run_begin(TqRun *run, TqTask *task, const char *worker, TqCallMode mode);
extern void tq_run_end(TqRun *run);

/*
 * Execute the attempt and record its end, if it did not fail.  Returns the
 * task's new state, or '\0' if the task was not for us (its handler has become
 * an external one; it was moved to its lane).
 */
extern char tq_run_execute(TqRun *run);

/* Look up dag_id and step_id; false: not a step, or its DAG was deleted. */
extern bool tq_run_load_names(TqRun *run);

/*
 * The two halves of it, for procedures: what is checked before the handler is
 * called (false: the task has ended or was moved, *state says how), and the
 * call itself, whose outcome is recorded by tq_run_record_success().
 */
extern bool tq_run_prepare(TqRun *run, TqHandler **handler, char *state);
extern Jsonb *tq_run_call(TqRun *run, TqHandler *handler, MemoryContext result_context);
extern char tq_run_record_success(TqRun *run, Jsonb *result);

/*
 * After the transaction or subtransaction was rolled back: turn the error into
 * a task error, considering interrupts.  NULL: the error is not the task's but
 * the machinery's.
 */
extern TqError *tq_run_error(TqRun *run, const ErrorData *edata);

/* May the attempt simply be run again at once? (serialization failure, deadlock, lock not available) */
extern bool tq_run_may_rerun(const TqRun *run, const ErrorData *edata);

#define TQ_MAX_RERUNS	10

extern char tq_run_record_failure(TqRun *run, TqError *error);

/* How long an attempt may take, in microseconds; 0: no limit. */
extern int64 tq_run_timeout(const TqTask *task, const TqHandler *handler);

#endif
