/*-------------------------------------------------------------------------
 *
 * log.c
 *	  Attempts in the server log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "policy/state.h"
#include "run/log.h"

void
tq_log_attempt(const TqRun *run, char state, const TqError *error)
{
	int64		us;

	if (tq_log_min_duration < 0)
		return;
	us = tq_clock_now() - run->attempt.started_at;
	if (us < (int64) tq_log_min_duration * TQ_USECS_PER_MS)
		return;
	ereport(LOG,
			(errmsg("task " INT64_FORMAT " handler \"%s\" attempt %d: %s after %.3f ms",
					run->task->task_id, run->task->handler, run->attempt.number,
					tq_task_state_name(state), us / 1000.0),
			 error ? errdetail_log("%s: %s", error->kind, error->message) : 0,
			 errhidestmt(true), errhidecontext(true)));
}
