/*-------------------------------------------------------------------------
 *
 * complete.c
 *	  External workers report that tasks are done.
 *
 * Rows are taken in the order of their ids, so that two such calls cannot
 * deadlock.  What has to be written is written for all of them together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "run/lease.h"
#include "run/own.h"
#include "shmem/seen.h"
#include "shmem/xact.h"
#include "store/leaf.h"

typedef struct Reports
{
	Oid			caller;
	TqCompletion **sorted;
	TqAttempt  *attempts;
	bool	   *owned;			/* found out before the row was looked at */
} Reports;

static int
compare_completions(const void *a, const void *b)
{
	int64		left = (*(TqCompletion *const *) a)->task_id;
	int64		right = (*(TqCompletion *const *) b)->task_id;

	return left < right ? -1 : left > right;
}

static bool
own_unlocked(int i, void *arg)
{
	Reports    *reports = arg;
	const TqCompletion *completion = reports->sorted[i];

	reports->owned[i] = tq_lease_own_unlocked(reports->caller, completion->task_id,
											  completion->token, &reports->attempts[i]);
	return reports->owned[i];
}

/* The first of several for one task counts. */
static bool
complete_one(Reports *reports, int i, TqTask *task)
{
	TqCompletion *completion = reports->sorted[i];
	TqAttempt  *attempt = &reports->attempts[i];

	if (i > 0 && reports->sorted[i - 1]->task_id == completion->task_id && reports->sorted[i - 1]->done)
		return false;
	if (!reports->owned[i] && !tq_lease_own(reports->caller, task, completion->token, attempt))
		return false;
	if (tq_lease_is_orphan(task))
		return false;
	return tq_finish_done(task, attempt, completion->result);
}

static void
complete_all(Reports *reports, TqTask **tasks, const TqLockResult *results, int n)
{
	const char *worker = NULL;
	bool		collecting = n > 1 && tq_leaf_collect();

	for (int i = 0; i < n; i++)
	{
		reports->sorted[i]->done = results[i] == TQ_LOCKED && complete_one(reports, i, tasks[i]);
		if (reports->sorted[i]->done && reports->attempts[i].worker != NULL)
			worker = reports->attempts[i].worker;
	}
	if (collecting)
		tq_leaf_insert_collected();
	if (worker != NULL)
		tq_seen_note(worker, reports->caller, NULL, NULL);
}

void
tq_lease_complete_many(Oid caller, TqCompletion *completions, int n)
{
	Reports		reports = {.caller = caller};
	int64	   *ids = palloc(Max(n, 1) * sizeof(int64));
	TqTask	  **tasks = palloc(Max(n, 1) * sizeof(TqTask *));
	TqLockResult *results = palloc(Max(n, 1) * sizeof(TqLockResult));

	tq_xact_forbid_prepare("reported on tasks");
	reports.sorted = palloc(Max(n, 1) * sizeof(TqCompletion *));
	reports.attempts = palloc0(Max(n, 1) * sizeof(TqAttempt));
	reports.owned = palloc0(Max(n, 1) * sizeof(bool));
	for (int i = 0; i < n; i++)
		reports.sorted[i] = &completions[i];
	qsort(reports.sorted, n, sizeof(TqCompletion *), compare_completions);
	for (int i = 0; i < n; i++)
		ids[i] = reports.sorted[i]->task_id;
	tq_task_take_many(ids, n, own_unlocked, &reports, tasks, results);
	complete_all(&reports, tasks, results, n);
}

bool
tq_lease_complete(Oid caller, int64 task_id, int64 token, Jsonb *result)
{
	TqCompletion completion = {.task_id = task_id, .token = token, .result = result};

	tq_lease_complete_many(caller, &completion, 1);
	return completion.done;
}
