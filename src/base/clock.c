/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  Time and waiting.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "common/int.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/* Only the socket of the connection is looked at; the layout does not depend on these, but their headers may be missing. */
#undef ENABLE_GSS
#undef USE_OPENSSL
#include "libpq/libpq-be.h"

#include "base/clock.h"
#include "policy/retry.h"

TimestampTz
tq_clock_now(void)
{
	return GetCurrentTimestamp();
}

int64
tq_clock_monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * USECS_PER_SEC + ts.tv_nsec / 1000;
}

TimestampTz
tq_clock_add(TimestampTz t, int64 us)
{
	TimestampTz sum;

	if (pg_add_s64_overflow(t, us, &sum) || sum >= END_TIMESTAMP)
		return us < 0 ? MIN_TIMESTAMP : END_TIMESTAMP - 1;
	return sum < MIN_TIMESTAMP ? MIN_TIMESTAMP : sum;
}

int64
tq_clock_interval_us(const Interval *interval)
{
	return tq_retry_interval_us(interval->month, interval->day, interval->time);
}

void
tq_clock_sleep(long ms, uint32 wait_event)
{
	if (ms < 0 || ms > TQ_MAX_SLEEP_MS)
		ms = TQ_MAX_SLEEP_MS;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* A closed connection is noticed where the system can tell, without polling. */
void
tq_clock_sleep_for_client(long ms, uint32 wait_event)
{
	int			events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | WL_SOCKET_CLOSED;

	if (MyProcPort == NULL || !WaitEventSetCanReportClosed())
	{
		tq_clock_sleep(ms, wait_event);
		return;
	}
	if (ms < 0 || ms > TQ_MAX_SLEEP_MS)
		ms = TQ_MAX_SLEEP_MS;
	if (WaitLatchOrSocket(MyLatch, events, MyProcPort->sock, ms, wait_event) & WL_SOCKET_CLOSED)
	{
		ClientConnectionLost = true;
		InterruptPending = true;
	}
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

bool
tq_clock_wait_for(ConditionVariable *cv, long ms, uint32 wait_event)
{
	return ConditionVariableTimedSleep(cv, ms, wait_event);
}

static TimeoutId timer = MAX_TIMEOUTS;
static bool armed = false;
static void (*timer_expired) (void);

static void
call_expired(void)
{
	timer_expired();
}

void
tq_clock_arm(TimestampTz at, void (*expired) (void))
{
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, call_expired);
	timer_expired = expired;
	armed = true;
	enable_timeout_at(timer, at);
}

void
tq_clock_disarm(void)
{
	if (armed)
		disable_timeout(timer, false);
	armed = false;
}
