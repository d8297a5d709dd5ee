/*-------------------------------------------------------------------------
 *
 * xact.h
 *	  What a transaction tells shared memory when it ends.
 *
 * Rows are written inside transactions; memory learns of them at commit.
 * Code that writes rows calls the note functions below at the same time; the
 * commit callback then feeds the ready index, wakes waiters and delivers
 * cancels.  Notes made in an aborted subtransaction are dropped.  Everything
 * works without the preloaded library too: the notes are then ignored.
 *
 * All note functions may allocate and raise errors; the commit callback
 * never does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_XACT_H
#define TQ_XACT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "shmem/ready.h"

/* A row became ready. */
extern void tq_xact_note_ready(int64 lane, int32 priority, TimestampTz run_at, int64 task_id);

/*
 * The lowest key that this backend has noted as ready since it last asked,
 * undone or not; false: none.  For who reads the table in order and wants to
 * go on from where he is.  Who asks may give the answer back for others.
 */
extern bool tq_xact_take_lowest_ready(TqReadyKey *key);
extern void tq_xact_remember_ready(const TqReadyKey *key);

/* Are there rows that this transaction made ready, which the ready index will know at its commit? */
extern bool tq_xact_made_ready(void);

/* A row became, or stays, scheduled for run_at.  How often this backend has noted that, undone or not. */
extern uint64 tq_xact_nscheduled;
extern void tq_xact_note_due(TimestampTz run_at);

/*
 * A ready row was locked, maybe changed, and is no longer in the ready index
 * for sure: if the (sub)transaction aborts, its id goes back there.
 */
extern void tq_xact_note_locked(int64 lane, int32 priority, TimestampTz run_at, int64 task_id);

/*
 * An external claim is about to be made, or was marked as ending, by this
 * transaction: what becomes of it depends on how the (sub)transaction ends,
 * see lease.h.
 */
extern void tq_xact_note_claiming(int64 task_id, int64 token);
extern void tq_xact_note_ending(int64 task_id, int64 token);

/* A task ended: wakes await() and wait(). */
extern void tq_xact_note_ended(int64 task_id);

/* A DAG or one of its steps ended: wakes await_step() and await_dag(). */
extern void tq_xact_note_dag(int64 dag_key);

/* A cancel_request row was written: interrupts whoever runs the task, or tells the scheduler. */
extern void tq_xact_note_cancel(int64 task_id);

/* Did this transaction do that?  Others learn of it at its commit. */
extern bool tq_xact_has_canceled(int64 task_id);

/* An attempt ended; handler is copied. */
struct TqMeasure;
extern void tq_xact_note_measure(const char *handler, const struct TqMeasure *measure);

/* Queues, lanes or handlers changed: workers and the scheduler look again. */
extern void tq_xact_note_config(void);

/* PREPARE TRANSACTION must be refused (0A000): the transaction dequeued, reported, drained or canceled. */
extern void tq_xact_forbid_prepare(const char *what);

extern void tq_xact_init(void);

#endif
