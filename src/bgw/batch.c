/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Several tasks of a handler in one transaction (batch_size).
 *
 * No subtransactions: more than 64 of them overflow every backend's cache.  If
 * one fails, all are rolled back, and each is run alone; only that run counts.
 * The claims of the whole batch stand until then, so nobody else takes its
 * tasks meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "bgw/bgw.h"
#include "bgw/execution.h"
#include "run/claim.h"
#include "shmem/held.h"
#include "shmem/slots.h"
#include "store/leaf.h"
#include "store/task.h"

/*
 * May the task join the batch?  It must be for the same handler and role, so
 * that nothing of one role is left to another within the transaction.
 */
static bool
joins_batch(const TqTask *task, void *arg)
{
	const TqWork *execution = arg;
	const TqTask *first = execution->task;

	return task->state == TQ_TASK_READY && task->lane == execution->lane &&
		task->enqueuer == first->enqueuer && strcmp(task->handler, first->handler) == 0;
}

/* The task that did not fit goes back in the end: its row is locked until then. */
static void
note_misfit(TqWork *execution, const TqReadyKey *key, bool taken)
{
	execution->misfit = *key;
	execution->has_misfit = true;
	if (taken)
		tq_execution_give_up(execution);
}

/*
 * More tasks of the lane, after the first one was executed.  A batch counts as
 * one against its queue's max_running.  The first task that does not fit ends
 * it.
 */
void
tq_batch_execute(TqWork *execution, int batch_size)
{
	execution->batch = palloc(batch_size * sizeof(TqReadyKey));
	tq_task_keep_open();
	(void) tq_leaf_collect();
	while (execution->nbatch < batch_size - 1)
	{
		TqReadyKey	key;
		int			index;
		bool		more;
		TqTask	   *task;
		TqLockResult result;

		CHECK_FOR_INTERRUPTS();
		tq_held_reserve();
		if (tq_ready_pop(MyDatabaseId, &execution->lane, 1, -1, &key, &index, &more) != TQ_POP_GOT)
			break;
		tq_held_add(execution->lane, &key);
		result = tq_task_take(key.task_id, joins_batch, execution, &task);
		if (result == TQ_LOCK_BUSY)
			tq_held_refuse(key.task_id);
		else if (result != TQ_LOCKED)
			tq_held_drop(key.task_id);
		if (result != TQ_LOCKED)
			continue;
		if (!task->taken || tq_run_claim_in_batch(task, execution->worker) != TQ_CLAIM_OK)
		{
			note_misfit(execution, &key, task->taken);
			break;
		}
		execution->batch[execution->nbatch++] = key;
		tq_run_end(&execution->run);
		tq_slot_end_task();
		execution->task = task;
		tq_execution_call_function(execution);
	}
	tq_leaf_insert_collected();
	tq_task_close_kept();
}

static void
run_alone(const TqWork *batch, const TqReadyKey *key)
{
	TqWork		execution = {.worker = batch->worker, .user = batch->user,
		.lane = batch->lane, .key = key, .claimed = true, .alone = true,
	.context = batch->context};

	(void) tq_bgw_check_interrupts();
	tq_execution_run(&execution);
}

void
tq_batch_run_alone(TqWork *execution)
{
	tq_run_end(&execution->run);
	tq_slot_end_task();
	tq_session_reset(false);
	if (execution->has_misfit)
	{
		tq_ready_push(MyDatabaseId, execution->lane, &execution->misfit);
		tq_held_drop(execution->misfit.task_id);
	}
	run_alone(execution, execution->key);
	for (int i = 0; i < execution->nbatch; i++)
		run_alone(execution, &execution->batch[i]);
}
