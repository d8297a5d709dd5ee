/*-------------------------------------------------------------------------
 *
 * log.c
 *	  Attempts in the server log and in the statistics.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "policy/state.h"
#include "run/log.h"
#include "shmem/xact.h"

static TqCounter
counter_of(char state)
{
	switch (state)
	{
		case TQ_TASK_DONE:
			return TQ_COUNT_DONE;
		case TQ_TASK_FAILED:
			return TQ_COUNT_FAILED;
		case TQ_TASK_CANCELED:
			return TQ_COUNT_CANCELED;
		default:
			return TQ_COUNT_RETRIED;
	}
}

static void
write_log(const TqTask *task, const TqAttempt *attempt, char state, int64 us, const TqError *error)
{
	const char *outcome = tq_task_state_name(state);

	ereport(LOG,
			(errmsg("task " INT64_FORMAT " handler \"%s\" attempt %d: %s after %.3f ms",
					task->task_id, task->handler, attempt->number,
					error && !tq_task_state_is_final(state) ? "retried" : outcome, us / 1000.0),
			 error ? errdetail_log("%s: %s", error->kind, error->message) : 0,
			 errhidestmt(true), errhidecontext(true)));
}

/* The wait is from when the attempt was due to its start. */
void
tq_log_end(const TqTask *task, const TqAttempt *attempt, char state,
		   TimestampTz finished_at, const TqError *error)
{
	TqMeasure	measure = {.counter = counter_of(state), .wait_us = -1, .run_us = -1};

	if (attempt->started_at != 0)
	{
		measure.wait_us = Max(0, attempt->started_at - task->run_at);
		measure.run_us = Max(0, finished_at - attempt->started_at);
		if (tq_log_min_duration >= 0 &&
			measure.run_us >= (int64) tq_log_min_duration * TQ_USECS_PER_MS)
			write_log(task, attempt, state, measure.run_us, error);
	}
	tq_xact_note_measure(task->handler, &measure);
}
