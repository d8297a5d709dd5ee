/*-------------------------------------------------------------------------
 *
 * transaction.c
 *	  Transactions of the background processes.
 *
 * An error aborts the whole transaction before anything else happens.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "bgw/transaction.h"

/* How long who must not be held up waits for a lock. */
#define SHORT_LOCK_TIMEOUT	"10ms"

/* Before the first snapshot. */
void
tq_transaction_characterize(void)
{
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
}

/* Keeps the caller's memory context: what outlives the transaction goes there. */
void
tq_transaction_start(void)
{
	MemoryContext context = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	tq_transaction_characterize();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
}

void
tq_transaction_commit(void)
{
	MemoryContext context = CurrentMemoryContext;

	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

ErrorData *
tq_transaction_guard(void (*function) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		function(arg);
	}
	PG_CATCH();
	{
		/* Nothing may interrupt the cleanup. */
		HOLD_INTERRUPTS();
		QueryCancelPending = false;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return error;
}

typedef struct Wrapped
{
	void		(*function) (void *arg);
	void	   *arg;
} Wrapped;

static void
run_wrapped(void *arg)
{
	Wrapped    *wrapped = arg;

	tq_transaction_start();
	wrapped->function(wrapped->arg);
	tq_transaction_commit();
}

ErrorData *
tq_transaction_run(void (*function) (void *arg), void *arg)
{
	Wrapped		wrapped = {function, arg};

	return tq_transaction_guard(run_wrapped, &wrapped);
}

static void
run_impatiently(void *arg)
{
	Wrapped    *wrapped = arg;

	(void) set_config_option("lock_timeout", SHORT_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	wrapped->function(wrapped->arg);
}

ErrorData *
tq_transaction_try(void (*function) (void *arg), void *arg)
{
	Wrapped		wrapped = {function, arg};
	ErrorData  *error = tq_transaction_run(run_impatiently, &wrapped);

	/* A time that was up just when the lock was had must not end something else. */
	if (get_timeout_indicator(LOCK_TIMEOUT, true))
		QueryCancelPending = false;
	return error;
}

void
tq_transaction_log(const ErrorData *error, const char *doing)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("task_queue: error while %s: %s", doing, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0,
			 error->context ? errcontext("%s", error->context) : 0));
}
