/*-------------------------------------------------------------------------
 *
 * interrupt.c
 *	  Interrupting attempts: cancels, deadlines and timeouts.
 *
 * An interrupt is a query cancel.  The attempts of a backend nest, because a
 * handler may call drain(), and the server's query cancel hits whatever runs
 * just then; so for whom it was is not told by when it comes, but looked up
 * when an error arrives: a cancel is noted in the claim of its task, a timer
 * in the attempt.  The innermost attempt comes first.  If it is not meant but
 * one further out is, then it is undone without a trace, and the error passes
 * on to the one that is.  An attempt that ends in any other way while one
 * further out is owed an interrupt leaves it pending for that.
 *
 * An attempt is owed an interrupt once: a handler that catches it goes on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"

#include "base/clock.h"
#include "run/interrupt.h"
#include "shmem/claims.h"

/* Async-signal-safe, as are the next two and the last two. */
static void
raise_cancel(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
interrupt(TqRun *run, TqInterrupt reason)
{
	if (run->phase != TQ_RUN_CALL)
		return;
	if (reason > run->interrupt)
		run->interrupt = reason;
	run->owed = run != tq_current_run;
	raise_cancel();
}

static void
timer_expired(void)
{
	TimestampTz now = tq_clock_now();

	for (TqRun *run = tq_current_run; run != NULL; run = run->outer)
	{
		if (run->timer_at == 0 || run->timer_at > now)
			continue;
		run->timer_at = 0;
		interrupt(run, run->timer_reason);
	}
}

/* There is one timer: for the next of all attempts. */
static void
arm_next(void)
{
	TimestampTz next = 0;

	for (const TqRun *run = tq_current_run; run != NULL; run = run->outer)
	{
		if (run->timer_at != 0 && (next == 0 || run->timer_at < next))
			next = run->timer_at;
	}
	if (next != 0)
		tq_clock_arm(next, timer_expired);
	else
		tq_clock_disarm();
}

void
tq_interrupt_hold(void)
{
	QueryCancelHoldoffCount = 1;
}

void
tq_interrupt_release(void)
{
	QueryCancelHoldoffCount = 0;
}

void
tq_interrupt_note_cancels(void)
{
	for (TqRun *run = tq_current_run; run != NULL; run = run->outer)
	{
		if (run->interrupt == TQ_INTERRUPT_CANCEL || run->phase != TQ_RUN_CALL ||
			!tq_claim_cancel_requested(run->task->task_id))
			continue;
		run->interrupt = TQ_INTERRUPT_CANCEL;
		run->owed = run != tq_current_run;
	}
}

/* A cancel that was requested before now could not interrupt. */
void
tq_interrupt_begin(TqRun *run, TimestampTz end, TqInterrupt reason)
{
	run->phase = TQ_RUN_CALL;
	tq_interrupt_release();
	if (tq_claim_cancel_requested(run->task->task_id))
		interrupt(run, TQ_INTERRUPT_CANCEL);
	run->timer_reason = reason;
	run->timer_at = end;
	arm_next();
}

void
tq_interrupt_end(TqRun *run)
{
	tq_interrupt_hold();
	run->phase = TQ_RUN_RECORD;
	run->timer_at = 0;
	arm_next();
	if (run->interrupt != TQ_INTERRUPT_NONE)
		QueryCancelPending = false;
}

bool
tq_interrupt_is_for_outer(TqRun *run)
{
	if (run->interrupt != TQ_INTERRUPT_NONE)
		return false;
	for (TqRun *outer = run->outer; outer != NULL; outer = outer->outer)
	{
		if (!outer->owed)
			continue;
		run->outer->owed = false;	/* the error that goes there is it */
		return true;
	}
	return false;
}

/* Its own one may have come together with an error of its handler and have done nothing yet. */
void
tq_interrupt_hand_out(const TqRun *ended)
{
	if (ended->interrupt != TQ_INTERRUPT_NONE)
		QueryCancelPending = false;
	tq_interrupt_note_cancels();
	for (const TqRun *run = tq_current_run; run != NULL; run = run->outer)
	{
		if (run->owed)
			raise_cancel();
	}
	if (tq_current_run != NULL)
		tq_current_run->owed = false;
	arm_next();
}

void
tq_interrupt_cancel_task(void)
{
	TqRun	   *run = tq_current_run;

	while (run != NULL && run->outer != NULL)
		run = run->outer;
	if (run != NULL)
		interrupt(run, TQ_INTERRUPT_CANCEL);
}

void
tq_interrupt_by_signal(void)
{
	TqRun	   *run = tq_current_run;

	/* While an inner attempt begins or ends it is held off. */
	if (run != NULL && (run->outer != NULL || run->phase == TQ_RUN_CALL))
		raise_cancel();
}
