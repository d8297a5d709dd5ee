/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  What the calls that wait for an end have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/syncrep.h"

#include "api/arg.h"
#include "api/waiting.h"
#include "base/clock.h"
#include "run/execute.h"
#include "shmem/wait.h"

/* An outcome older than this was flushed by the WAL writer long ago. */
#define FLUSH_HORIZON_US	(60 * USECS_PER_SEC)

int64
tq_waiting_timeout(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
	{
		if (tq_run_in_handler() != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("waiting inside a handler needs a timeout"),
					 errdetail("Tasks that wait for others could occupy all workers.")));
		return TQ_WAIT_FOREVER;
	}
	return tq_arg_required_interval(fcinfo, argument, "timeout");
}

int64
tq_waiting_until(int64 timeout_us)
{
	if (timeout_us > PG_INT64_MAX / 2)
		return PG_INT64_MAX;
	return tq_clock_monotonic() + Max(timeout_us, 0);
}

bool
tq_waiting_sleep(int64 timeout_us, int64 until)
{
	int64		left = (until - tq_clock_monotonic() + TQ_USECS_PER_MS - 1) / TQ_USECS_PER_MS;

	if (timeout_us != TQ_WAIT_FOREVER && left <= 0)
		return false;
	tq_wait_sleep(timeout_us == TQ_WAIT_FOREVER ? -1 : (long) Min(left, TQ_MAX_SLEEP_MS));
	return true;
}

void
tq_waiting_secure(TransactionId xmin, TimestampTz finished_at)
{
	XLogRecPtr	lsn;

	if (RecoveryInProgress() || !TransactionIdIsNormal(xmin) ||
		TransactionIdIsCurrentTransactionId(xmin) ||
		finished_at < tq_clock_now() - FLUSH_HORIZON_US)
		return;
	lsn = TransactionIdGetCommitLSN(xmin);
	if (XLogRecPtrIsInvalid(lsn))
		lsn = GetFlushRecPtr(NULL);	/* it was flushed when it committed */
	else
		XLogFlush(lsn);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, true);
	RESUME_INTERRUPTS();
}
