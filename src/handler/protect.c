/*-------------------------------------------------------------------------
 *
 * protect.c
 *	  Running something in a subtransaction and looking at its error.
 *
 * An error is never just caught: all that was done is rolled back with the
 * subtransaction first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/resowner.h"

#include "handler/protect.h"

ErrorData *
tq_protect(void (*function) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		function(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		/* Nothing may interrupt the cleanup. */
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

void
tq_ensure(void (*function) (void *arg), void (*cleanup) (void *arg), void *arg)
{
	PG_TRY();
	{
		function(arg);
	}
	PG_CATCH();
	{
		cleanup(arg);
		PG_RE_THROW();
	}
	PG_END_TRY();
	cleanup(arg);
}
