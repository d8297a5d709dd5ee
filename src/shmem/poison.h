/*-------------------------------------------------------------------------
 *
 * poison.h
 *	  Which task killed its process.
 *
 * A process that dies by itself (segfault, SIGKILL, …) makes the postmaster
 * stop all others and start anew.  The task it ran must not do that for ever,
 * and the tasks beside it are not to blame.  The postmaster is the witness: it
 * notes pid and cause of the first child that crashed when it logs them.
 * Workers that are merely told to quit mark their slots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POISON_H
#define TQ_POISON_H

#include "postgres.h"

#include "shmem/slots.h"
#include "utils/elog.h"

typedef struct TqWitness
{
	int			pid;			/* the first child that crashed; 0: none was seen */
	char		text[TQ_SLOT_TEXT_LEN]; /* "was terminated by signal 11: …" */
} TqWitness;

/* A task that was running at a crash, to charge it after the third in a row. */
typedef struct TqSuspect
{
	Oid			database;
	int64		task_id;		/* 0: unused */
	int			crashes;
	TimestampTz last;
} TqSuspect;

#define TQ_MAX_SUSPECTS		64

/* Postmaster: look at a log message of its own. */
extern void tq_poison_witness(TqWitness *witness, const ErrorData *edata);

/* Postmaster, after a crash: whether the slot's task is to be charged; sets slot->death. */
extern bool tq_poison_judge(TqSlot *slot, const TqWitness *witness, int unmarked, TqSuspect *suspects);

/*
 * Postmaster, where restart_after_crash is off: the slots to be charged go to a
 * file that the next start reads and removes.  Trouble with it is ignored.
 */
extern void tq_poison_save(const TqSlot *slots, int nslots);
extern void tq_poison_load(TqSlot *slots, int nslots);

#endif
