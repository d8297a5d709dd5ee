/*-------------------------------------------------------------------------
 *
 * execution.h
 *	  One task in the hands of whoever executes it: what attempt.c,
 *	  procedure.c and foreground.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_EXECUTION_H
#define TQ_EXECUTION_H

#include "postgres.h"

#include "base/compat.h"
#include "bgw/session.h"
#include "run/execute.h"
#include "shmem/ready.h"

typedef struct TqWork TqWork;

/*
 * Lock and claim the task to run, within the attempt's first transaction.
 * False: there is nothing to run.
 */
typedef bool (*TqTakeTask) (TqWork *execution);

struct TqWork
{
	const char *worker;
	bool		foreground;		/* by run_tasks() in a client's session, else by a worker */
	TqTakeTask	take;
	void	   *take_arg;
	Oid			user;			/* who executes, and goes back to being it */
	int			sec_context;
	int64		lane;
	const TqReadyKey *key;
	TqTask	   *task;			/* NULL: not locked */
	bool		claimed;
	bool		put_back;		/* the id must return to the ready index */
	bool		refused;		/* so does it, but later: somebody else has locked the row */
	bool		started;		/* run is valid */
	char		state;			/* of the task after the attempt; '\0': none, or it was not for us */
	TqRun		run;
	TqHandler  *procedure;		/* not NULL: its start is committed, call it */
	TqSessionSettings *settings;	/* foreground: those to restore after it */
	bool		alone;			/* was in a batch that failed: run without company */
	TqReadyKey *batch;			/* keys of the tasks that share the transaction, the first one left out */
	int			nbatch;
	Jsonb	   *result;
	TqError    *error;
	ErrorData  *raised;			/* foreground: what the caller is to be told */
	TqReadyKey	misfit;			/* taken from the index, but did not fit the batch */
	bool		has_misfit;
	bool		gave_up;		/* the row's deletion was rolled back: the task is not for us now */
	MemoryContext context;
};

/* attempt.c */
extern void tq_execution_begin(TqWork *execution, TqCallMode mode, bool procedure);
extern void tq_execution_record(TqWork *execution);
extern bool tq_execution_is_restricted(const TqWork *execution);
extern void tq_execution_run(TqWork *execution);
extern void tq_execution_call_function(TqWork *execution);
extern pg_noreturn void tq_execution_give_up(TqWork *execution);

/* batch.c */
extern void tq_batch_execute(TqWork *execution, int batch_size);
extern void tq_batch_run_alone(TqWork *execution);

/* procedure.c */
extern void tq_procedure_start(TqWork *execution);
extern void tq_procedure_run(TqWork *execution);

#endif
