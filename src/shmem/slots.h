/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Worker slots: which in-database workers there are, and what they run.
 *
 * The slots lie in anonymous shared memory that the postmaster maps when it
 * loads the library.  So they live exactly as long as the postmaster: they
 * survive a crash restart, where they tell which task was running in the
 * process that died (poison.h), and they are gone after a stop, a power loss
 * or in a copy.
 *
 * A slot is reserved by the scheduler of its database, then owned by its
 * worker until that exits; a worker that exits with a task in its hands leaves
 * the slot in state TQ_SLOT_DEAD, for the scheduler to settle.  Fields are
 * read and written under the slot's spinlock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SLOTS_H
#define TQ_SLOTS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "utils/elog.h"

#define TQ_SLOT_TEXT_LEN	128
#define TQ_SLOT_MESSAGE_LEN 256
#define TQ_SLOT_PARALLEL_PIDS 32

typedef enum TqSlotState
{
	TQ_SLOT_FREE,
	TQ_SLOT_STARTING,			/* reserved; the process has not attached yet */
	TQ_SLOT_IDLE,				/* waits for work */
	TQ_SLOT_AWAKE,				/* looks for work */
	TQ_SLOT_BUSY,				/* runs a task */
	TQ_SLOT_DEAD				/* its process has gone with a task in its hands */
} TqSlotState;

typedef struct TqSlot
{
	slock_t		mutex;
	TqSlotState state;
	Oid			database;
	int			number;			/* the worker is db/<number> */
	int			pid;
	Latch	   *latch;
	TimestampTz since;			/* of the state */

	/* The running task; valid in states BUSY and DEAD. */
	uint32		epoch;			/* rises with every task */
	uint32		cancel_epoch;	/* equal to epoch: the task is to be canceled */
	int64		task_id;
	int32		attempt;
	int32		gen;
	Oid			enqueuer;
	bool		procedure;		/* its attempt is counted in its row already */
	TimestampTz started_at;
	char		handler[TQ_SLOT_TEXT_LEN];
	char		queue[TQ_SLOT_TEXT_LEN];
	double		progress;		/* negative: none reported */
	char		message[TQ_SLOT_MESSAGE_LEN];

	int			parallel_pids[TQ_SLOT_PARALLEL_PIDS];	/* parallel workers that the task has now */

	/* How its process ended. */
	bool		terminated;		/* by pg_terminate_backend() */
	bool		stopped;		/* told to stop beside a crash or at a shutdown: not guilty */
	bool		guilty;			/* its process died by itself */
	char		death[TQ_SLOT_TEXT_LEN];	/* "was terminated by signal 11", … */
} TqSlot;

extern void tq_slots_map(void);		/* postmaster, while preloading */
extern void tq_slots_restart(void); /* postmaster, at start and after a crash */
extern void tq_slots_witness(const ErrorData *edata);	/* postmaster: its own log messages */
extern void tq_slots_enter_parallel_worker(void);	/* parallel worker: into the leader's slot */

extern int	tq_slot_count(void);
extern TqSlot *tq_slot(int index);

/* Scheduler: reserve a free slot for worker db/<number>; -1: none is free. */
extern int	tq_slot_reserve(Oid database, int number);
extern void tq_slot_free(int index);

/* Worker: own slot. */
extern TqSlot *tq_my_slot;
extern bool tq_slot_attach(int index, Oid database, int number);	/* false: it was given up */
extern void tq_slot_forget_database(Oid database);	/* its dead workers */
extern void tq_slot_begin_task(const char *handler, const char *queue, int64 task_id,
							   int32 attempt, int32 gen, Oid enqueuer, bool procedure);
extern void tq_slot_end_task(void);
extern void tq_slot_set_state(TqSlotState state);
extern bool tq_slot_cancel_requested(void);	/* of the running task; callable from a signal handler */

/* Visible at once in the views; message may be NULL. */
extern void tq_slot_progress(double fraction, const char *message);

/* Cancel the task if a worker is running it: sets the flag, sends SIGINT. */
extern bool tq_slot_cancel_task(Oid database, int64 task_id);

/*
 * Wake a worker for new work: one idle worker of the database, or number
 * db/<number> if not 0.  If there is none, the scheduler is told to start one.
 * Never fails; called from commit callbacks.
 */
extern void tq_wake_worker(Oid database, int number);

/* Wake all workers of a database, to look at changed settings. */
extern void tq_wake_all_workers(Oid database);
extern int	tq_slot_count_workers(Oid database, int *idle);

#endif
