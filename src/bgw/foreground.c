/*-------------------------------------------------------------------------
 *
 * foreground.c
 *	  A worker's work in a client's session: run_tasks().
 *
 * The CALL's transaction is ended first, as a COMMIT in a procedure would do
 * it; then the session works like a worker, with transactions of its own; in
 * the end a new one is started for the rest of the CALL.  That is possible only
 * where nothing else is under way in the session: no SPI, no transaction block.
 *
 * What differs from a worker: tasks are taken from the table, only those of
 * roles that the caller may become; a task of another role than his runs as a
 * security-restricted operation, since it must leave nothing in his session;
 * and his cancel ends the call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "bgw/execution.h"
#include "bgw/foreground.h"
#include "bgw/pool.h"
#include "bgw/transaction.h"
#include "bgw/upkeep.h"
#include "run/claim.h"
#include "run/serve.h"
#include "shmem/shmem.h"
#include "store/maintain.h"

#define PROMOTE_BATCH	1000

typedef struct Foreground
{
	const char *queue;			/* NULL: all */
	Oid			user;
	int			sec_context;
	MemoryContext context;		/* of this call */
	MemoryContext scratch;		/* of one task */
	int64	   *taken;			/* tasks that somebody else holds */
	int			ntaken;
	int			taken_size;
	List	   *full_queues;	/* names of those that had no room since the last execution */
	bool		gave_up;		/* the task found could not be claimed: look for another one */
	TqReadyKey	key;
} Foreground;

static void
note_taken(Foreground *foreground, int64 task_id)
{
	if (foreground->ntaken == foreground->taken_size)
	{
		foreground->taken_size = Max(16, 2 * foreground->taken_size);
		if (foreground->taken == NULL)
			foreground->taken = MemoryContextAlloc(foreground->context,
												   foreground->taken_size * sizeof(int64));
		else
			foreground->taken = repalloc(foreground->taken,
										 foreground->taken_size * sizeof(int64));
	}
	foreground->taken[foreground->ntaken++] = task_id;
}

static void
note_full(Foreground *foreground, const char *queue)
{
	MemoryContext old = MemoryContextSwitchTo(foreground->context);

	foreground->full_queues = lappend(foreground->full_queues, pstrdup(queue));
	MemoryContextSwitchTo(old);
}

static TqServed *
lanes_with_room(Foreground *foreground)
{
	TqServed   *served = tq_serve_lanes(TQ_INLINE_WORKER, foreground->queue, true);
	ListCell   *cell;

	foreach(cell, foreground->full_queues)
		tq_serve_remove_queue(served, lfirst(cell));
	return served;
}

static bool
lock_first(Foreground *foreground, TqTask **task)
{
	TqServed   *served = lanes_with_room(foreground);
	TqTaskFilter filter = {
		.excluded = foreground->taken,
		.nexcluded = foreground->ntaken,
		.caller = foreground->user
	};

	return tq_task_lock_next(served->lanes, served->count, &filter, 1, task) == 1;
}

/*
 * A task that cannot be claimed is let go of by an abort, which puts its id
 * back into the ready index should a worker have dropped it meanwhile.
 */
static void
give_up(Foreground *foreground, const TqTask *task, TqClaimResult reason)
{
	if (reason == TQ_CLAIM_NO_ROOM)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("out of room for running tasks"),
				 errhint("Increase task_queue.lease_capacity.")));
	if (reason == TQ_CLAIM_TAKEN)
		note_taken(foreground, task->task_id);
	else
		note_full(foreground, task->queue);
	foreground->gave_up = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("task " INT64_FORMAT " cannot be claimed", task->task_id)));
}

static bool
take_next(TqWork *execution)
{
	Foreground *foreground = execution->take_arg;
	TqTask	   *task;
	TqClaimResult result;

	if (!lock_first(foreground, &task))
		return false;
	result = tq_run_claim(task, execution->worker, true);
	if (result != TQ_CLAIM_OK)
		give_up(foreground, task, result);
	execution->task = task;
	execution->claimed = true;
	execution->lane = task->lane;
	foreground->key.task_id = task->task_id;
	foreground->key.priority = task->priority;
	foreground->key.run_at = task->run_at;
	return true;
}

static void
promote_batch(void *arg)
{
	(void) tq_maintain_promote_due(PROMOTE_BATCH, arg);
}

/* Scheduled tasks that are due; otherwise the scheduler does this. */
static ErrorData *
promote_due(void)
{
	ErrorData  *error;
	bool		left;

	do
	{
		error = tq_transaction_run(promote_batch, &left);
	} while (error == NULL && left);
	return error;
}

/*
 * False: nothing is left to run, or *error, in the task's memory, says what
 * went wrong.  *executed is whether an attempt was made.
 */
static bool
run_next(Foreground *foreground, bool *executed, ErrorData **error)
{
	TqWork execution = {
		.worker = TQ_INLINE_WORKER,
		.foreground = true,
		.take = take_next,
		.take_arg = foreground,
		.user = foreground->user,
		.sec_context = foreground->sec_context,
		.key = &foreground->key,
		.alone = true,
		.context = foreground->scratch
	};

	*executed = false;
	foreground->gave_up = false;
	tq_execution_run(&execution);
	if (foreground->gave_up)
		return true;
	*error = execution.raised;
	if (*error != NULL || execution.task == NULL)
		return false;
	*executed = execution.state != '\0';
	list_free_deep(foreground->full_queues);
	foreground->full_queues = NIL;
	return true;
}

static ErrorData *
run_all(Foreground *foreground, int64 max_tasks)
{
	ErrorData  *error = promote_due();
	int64		executions = 0;

	while (error == NULL && (max_tasks < 0 || executions < max_tasks))
	{
		bool		executed;
		bool		left;

		MemoryContextSwitchTo(foreground->scratch);
		left = run_next(foreground, &executed, &error);
		MemoryContextSwitchTo(foreground->context);
		if (!left)
			break;
		MemoryContextReset(foreground->scratch);
		if (executed)
			executions++;
		if (error == NULL && !tq_shmem_available())
			error = promote_due();
	}
	return error;
}

static void
check_adopted(void *arg)
{
	if (!tq_maintain_is_adopted())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the tasks of this database belong to another server or database"),
				 errhint("If this copy is to run them, call task_queue.adopt_database().")));
}

static ErrorData *
work(Foreground *foreground, int64 max_tasks)
{
	ErrorData  *error = tq_transaction_run(check_adopted, NULL);

	if (error != NULL)
		return error;
	tq_chore_run_now(&tq_pool_recover);
	error = run_all(foreground, max_tasks);
	if (error == NULL && !tq_shmem_available())
		(void) tq_upkeep();		/* where there is no scheduler */
	return error;
}

static void
end_callers_transaction(MemoryContext context)
{
	HoldPinnedPortals();
	ForgetPortalSnapshots();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

static void
start_callers_transaction(MemoryContext context)
{
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
}

void
tq_foreground_run(const char *queue, int64 max_tasks)
{
	MemoryContext old = CurrentMemoryContext;
	Foreground	foreground = {.queue = queue};
	ErrorData  *error;

	foreground.context = AllocSetContextCreate(PortalContext, "task_queue run_tasks",
											   ALLOCSET_DEFAULT_SIZES);
	foreground.scratch = AllocSetContextCreate(foreground.context, "task_queue task",
											   ALLOCSET_DEFAULT_SIZES);
	if (queue != NULL)
		foreground.queue = MemoryContextStrdup(foreground.context, queue);
	GetUserIdAndSecContext(&foreground.user, &foreground.sec_context);
	end_callers_transaction(foreground.context);
	error = work(&foreground, max_tasks);
	start_callers_transaction(old);
	if (error != NULL)
		ReThrowError(error);
	MemoryContextDelete(foreground.context);
}
