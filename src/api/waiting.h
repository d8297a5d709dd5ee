/*-------------------------------------------------------------------------
 *
 * waiting.h
 *	  What the calls that wait for an end have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_WAITING_H
#define TQ_WAITING_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#define TQ_WAIT_FOREVER	(-1)

/* The argument timeout: microseconds, TQ_WAIT_FOREVER for NULL, which raises 55000 inside a handler, whatever is waited for. */
extern int64 tq_waiting_timeout(FunctionCallInfo fcinfo, int argument);

/* On the monotonic clock. */
extern int64 tq_waiting_until(int64 timeout_us);

/* Sleep until woken, at most until then; false at the end of the timeout. */
extern bool tq_waiting_sleep(int64 timeout_us, int64 until);

/* Make the commit that recorded an outcome survive a crash, here and, as far as the caller asks for it, on standbys. */
extern void tq_waiting_secure(TransactionId xmin, TimestampTz finished_at);

#endif
