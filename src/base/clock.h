/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  Time and waiting.
 *
 * "Now" is the wall clock, not the start of the transaction.  Leases in
 * memory are on the monotonic clock, because wall clocks get moved.  Sleeps
 * are capped, so that a clock step is noticed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CLOCK_H
#define TQ_CLOCK_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/condition_variable.h"

#define TQ_USECS_PER_MS		INT64CONST(1000)
#define TQ_MAX_SLEEP_MS		60000L

extern TimestampTz tq_clock_now(void);
extern int64 tq_clock_monotonic(void);	/* microseconds */

/* now + us, saturating at the ends of the type */
extern TimestampTz tq_clock_add(TimestampTz t, int64 us);

/*
 * Interval as microseconds: a day is 24 h, a month 30 days; saturates.
 * Infinite intervals (17 and up) saturate too.
 */
extern int64 tq_clock_interval_us(const Interval *interval);

/* Sleep on MyLatch for at most ms (negative: the cap); resets the latch and handles interrupts. */
extern void tq_clock_sleep(long ms, uint32 wait_event);

/* The same, and an error if the client of this backend has gone. */
extern void tq_clock_sleep_for_client(long ms, uint32 wait_event);

/* Sleep on a condition variable that was prepared for; true: the time is over. */

extern bool tq_clock_wait_for(ConditionVariable *cv, long ms, uint32 wait_event);

/*
 * A timer of this backend: calls the function, in a signal handler, at that
 * time.  One is armed at a time.
 */
extern void tq_clock_arm(TimestampTz at, void (*expired) (void));
extern void tq_clock_disarm(void);

#endif
