/*-------------------------------------------------------------------------
 *
 * interrupt.h
 *	  Interrupting attempts: cancels, deadlines and timeouts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_INTERRUPT_H
#define TQ_INTERRUPT_H

#include "postgres.h"

#include "run/execute.h"

/*
 * From the claim of a task to its release query cancels are held off, since
 * they may be meant for the task, but for the time that its handler runs.  An
 * error lets go of them, so they are to be held off again after each.
 */
extern void tq_interrupt_hold(void);
extern void tq_interrupt_release(void);

/*
 * Around the handler.  end is when the attempt is to be interrupted, 0: never;
 * what comes after the handler has returned comes too late.
 */
extern void tq_interrupt_begin(TqRun *run, TimestampTz end, TqInterrupt reason);
extern void tq_interrupt_end(TqRun *run);

/* After an error: look up which of the attempts under way are to be canceled. */
extern void tq_interrupt_note_cancels(void);

/* Is the error, which the attempt has not been interrupted by, the interrupt of one further out? */
extern bool tq_interrupt_is_for_outer(TqRun *run);

/* An attempt has ended: what has come for others is theirs. */
extern void tq_interrupt_hand_out(const TqRun *ended);

/* Signal handlers of workers: a cancel of the worker's task; somebody's pg_cancel_backend(), or a cancel of a task that it drains. */
extern void tq_interrupt_cancel_task(void);
extern void tq_interrupt_by_signal(void);

#endif
