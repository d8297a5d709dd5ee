/*-------------------------------------------------------------------------
 *
 * databases.h
 *	  The databases that have the extension, and their schedulers.
 *
 * An entry is made by the launcher when it starts a scheduler to have a look,
 * or by CREATE EXTENSION; it goes when the scheduler finds no extension.
 * All fields are protected by TQ_LOCK_DATABASES.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DATABASES_H
#define TQ_DATABASES_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "storage/latch.h"

#define TQ_MAX_DATABASES	512

/* When nothing is due. */
#define TQ_NEVER	PG_INT64_MAX

typedef enum TqDatabaseState
{
	TQ_DATABASE_PROBE,			/* a scheduler must look whether the extension is there */
	TQ_DATABASE_STARTING,		/* registered, has not attached */
	TQ_DATABASE_RUNNING,
	TQ_DATABASE_BACKOFF,		/* failed to start or ended in an error; tried again at retry_at */
	TQ_DATABASE_NO_SLOTS		/* out of background worker slots; tried again at retry_at */
} TqDatabaseState;

typedef enum TqDatabaseFlag
{
	TQ_DATABASE_IS_COPY = 1,	/* its tasks belong to another server or database: nothing runs */
	TQ_DATABASE_POOL_FULL = 2,	/* asking for another worker is in vain */
	TQ_DATABASE_OUT_OF_SLOTS = 4,	/* a worker is wanted, and there is no slot for it */
	TQ_DATABASE_NOT_LISTED = 8, /* not to be served any more: scheduler and workers leave */
	TQ_DATABASE_START_FAILED = 16	/* a worker was started, and its process did not come up */
} TqDatabaseFlag;

typedef struct TqDatabase
{
	Oid			oid;			/* InvalidOid: the entry is free */
	TqDatabaseState state;
	int			blocked;		/* > 0: DDL on the database; no process of ours may start */
	int			scheduler_pid;
	Latch	   *scheduler_latch;
	TimestampTz retry_at;		/* otherwise, when it was last tried */
	int			failures;		/* in a row, for the back-off */
	int			flags;			/* TqDatabaseFlag */

	/* Messages to the scheduler and the workers. */
	uint32		config_epoch;	/* rises when queues, handlers or lanes change */
	bool		want_worker;
	uint64		want_numbers;	/* bit n - 1: worker db/n is asked for by its name */
	bool		check_cancels;	/* cancel_request rows may wait for a task that nobody runs */
	bool		sweep;			/* rows may have come without a note: COMMIT PREPARED */

	/* Whoever takes a task looks for a request to cancel it, unless it is known that there is none. */
	bool		no_cancels;
	uint32		cancel_epoch;	/* rises with every request */

	/* The next scheduled task: lowered at commit, recomputed by the scheduler. */
	TimestampTz next_due;
	bool		due_scanning;
	TimestampTz due_lowered;	/* lowest note since the scan began */
} TqDatabase;

extern Size tq_databases_shmem_size(void);
extern void tq_databases_shmem_attach(void *memory, bool found);

/* Launcher. */
extern void tq_database_request_probe(Oid oid); /* also CREATE EXTENSION, at commit */
extern int	tq_database_snapshot(TqDatabase *copies, int max);
extern bool tq_database_set_state(Oid oid, TqDatabaseState state, TimestampTz retry_at);
extern void tq_database_remove(Oid oid);
extern void tq_database_set_launcher(Latch *latch);
extern void tq_database_wake_launcher(void);

/* Scheduler. */
extern bool tq_database_attach_scheduler(Oid oid);	/* false: another one is there, or DDL is going on */
extern void tq_database_detach_scheduler(Oid oid, bool found_extension, bool failed);
typedef struct TqMessages
{
	bool		want_worker;
	uint64		want_numbers;
	bool		check_cancels;
	bool		sweep;
	TimestampTz next_due;
} TqMessages;
extern void tq_database_take_messages(Oid oid, TqMessages *messages);
extern void tq_database_due_scan_begin(Oid oid);
extern void tq_database_due_scan_end(Oid oid, TimestampTz next_due);
extern void tq_database_set_no_cancels(Oid oid, uint32 epoch);	/* no request was there at or after that epoch */
extern void tq_database_set_flag(Oid oid, int flags, bool value);

/* What the scheduler is told; see the fields that it sets. */
typedef enum TqDatabaseNews
{
	TQ_NEWS_CONFIG,				/* config_epoch */
	TQ_NEWS_CANCEL,				/* check_cancels */
	TQ_NEWS_ROWS				/* sweep */
} TqDatabaseNews;

/* Anybody, also from commit callbacks: nothing here fails. */
extern bool tq_database_get(Oid oid, TqDatabase *copy);
extern void tq_database_wake_scheduler(Oid oid);
extern void tq_database_want_worker(Oid oid, int number);
extern void tq_database_note_due(Oid oid, TimestampTz run_at);
extern void tq_database_tell(Oid oid, TqDatabaseNews news);
extern void tq_database_note_cancel(Oid oid);	/* before the claim is looked for */
extern uint32 tq_database_config_epoch(Oid oid);

/* Whether in-database workers serve the current database; reason may be NULL. */
extern bool tq_database_is_served(void);
extern bool tq_database_is_listed(const char *name);	/* in task_queue.databases */

/* DDL on a database: nothing of ours may run there meanwhile.  Calls nest. */
extern void tq_database_block(Oid oid);
extern void tq_database_unblock(Oid oid);

#endif
