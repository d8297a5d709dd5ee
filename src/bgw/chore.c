/*-------------------------------------------------------------------------
 *
 * chore.c
 *	  Work of the scheduler on tasks that somebody may have locked.
 *
 * All of a database depends on its scheduler, so nobody's lock may hold it up,
 * be it of a task, of a DAG or of its steps.  A wait for a lock soon ends in an
 * error, and a round that has met a few such locks is over.  What is left is
 * tried again after a pause that grows; the next round goes on behind the
 * last id, so that those that stay locked keep nobody else from his turn.
 *
 * Ids are handled many to a transaction.  After an error those of that
 * transaction go one by one, so that one that makes trouble keeps none of the
 * others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/clock.h"
#include "bgw/chore.h"
#include "bgw/transaction.h"
#include "shmem/databases.h"

#define FOUND_MAX		1000	/* ids looked up at once */
#define BATCH			100		/* of which so many are handled in one transaction */
#define TROUBLE_MAX		10		/* errors that end a round */
#define FIRST_PAUSE_MS	50
#define LONGEST_PAUSE_MS 1000

typedef struct Round
{
	TqChore    *chore;
	MemoryContext context;		/* of one transaction */
	int64		ids[FOUND_MAX];
	int			found;
	bool		left;			/* something was locked, or in trouble */
	int			trouble;
} Round;

typedef struct Batch
{
	Round	   *round;
	const int64 *ids;
	int			n;
	bool		left;
} Batch;

static void
find_ids(void *arg)
{
	Round	   *round = arg;

	round->found = round->chore->find(round->chore->after, round->ids, FOUND_MAX);
}

static void
handle_ids(void *arg)
{
	Batch	   *batch = arg;

	for (int i = 0; i < batch->n; i++)
	{
		if (!batch->round->chore->handle(batch->ids[i]))
			batch->left = true;
	}
}

static void
note_trouble(Round *round, const ErrorData *error)
{
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		tq_transaction_log(error, round->chore->doing);
	round->left = true;
	round->trouble++;
}

static void
run_batch(Round *round, const int64 *ids, int n)
{
	TqChore    *chore = round->chore;
	Batch		batch = {.round = round, .ids = ids, .n = n};
	ErrorData  *error = tq_transaction_try(handle_ids, &batch);

	if (error != NULL && n > 1)
	{
		for (int i = 0; i < n && round->trouble < TROUBLE_MAX; i++)
			run_batch(round, &ids[i], 1);
		return;
	}
	if (error != NULL)
		note_trouble(round, error);
	else if (batch.left)
		round->left = true;
	else if (chore->handled != NULL)
		chore->handled(ids[0]);
	chore->after = ids[n - 1];
	MemoryContextReset(round->context);
}

/* False: nothing more was found. */
static bool
run_found(Round *round)
{
	int			size = round->chore->handled != NULL ? 1 : BATCH;
	ErrorData  *error = tq_transaction_try(find_ids, round);

	if (error != NULL)
	{
		note_trouble(round, error);
		return false;
	}
	for (int i = 0; i < round->found && round->trouble < TROUBLE_MAX; i += size)
		run_batch(round, &round->ids[i], Min(size, round->found - i));
	return round->found == FOUND_MAX;
}

static void
pause_chore(TqChore *chore)
{
	int64		pause = Min(FIRST_PAUSE_MS << Min(chore->failures, 8), LONGEST_PAUSE_MS);

	chore->failures++;
	chore->wanted = true;
	chore->retry_at = tq_clock_add(tq_clock_now(), pause * TQ_USECS_PER_MS);
}

static void
run_round(TqChore *chore)
{
	Round		round = {.chore = chore};
	bool		whole = !chore->resumed;
	bool		more = true;
	MemoryContext old = CurrentMemoryContext;

	round.context = AllocSetContextCreate(old, "task_queue chore", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(round.context);
	if (whole)
		chore->after = PG_INT64_MIN;
	while (more && round.trouble < TROUBLE_MAX)
		more = run_found(&round);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(round.context);
	chore->resumed = round.trouble >= TROUBLE_MAX;
	chore->wanted = !whole;		/* what lies before the start of this round */
	if (round.left)
	{
		pause_chore(chore);
		return;
	}
	chore->failures = 0;
	chore->retry_at = 0;
}

void
tq_chore_want(TqChore *chore)
{
	chore->wanted = true;
}

void
tq_chore_run(TqChore *chore)
{
	if (!chore->wanted && chore->is_due != NULL)
		chore->wanted = chore->is_due();
	if (chore->wanted && chore->retry_at <= tq_clock_now())
		run_round(chore);
}

void
tq_chore_run_now(TqChore *chore)
{
	chore->resumed = false;
	run_round(chore);
}

TimestampTz
tq_chore_next(const TqChore *chore)
{
	return chore->wanted ? chore->retry_at : TQ_NEVER;
}
