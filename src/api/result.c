/*-------------------------------------------------------------------------
 *
 * result.c
 *	  await(), wait() and get_task().
 *
 * A waiting call registers first and looks then, so an end that commits in
 * between wakes it.  Before an outcome is returned its commit is made safe:
 * workers commit asynchronously, and a caller must never act on a result that
 * a crash can take back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/access.h"
#include "api/waiting.h"
#include "base/clock.h"
#include "base/errors.h"
#include "handler/registry.h"
#include "shmem/claims.h"
#include "shmem/databases.h"
#include "shmem/wait.h"
#include "store/outcome.h"

/* Refuse what would never end. */
static void
check_wait(const TqOutcome *outcome, int64 timeout_us)
{
	TqClaim		claim;

	if (TransactionIdIsCurrentTransactionId(outcome->xmin))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("task " INT64_FORMAT " was enqueued or changed by this transaction", outcome->task_id),
				 errdetail("It cannot run before the transaction commits."),
				 errhint("Commit first, then wait for it.")));
	if (timeout_us != TQ_WAIT_FOREVER)
		return;
	if (outcome->state != TQ_TASK_RUNNING && !tq_claim_find(outcome->task_id, &claim) &&
		!tq_database_is_served() && !tq_handler_is_external(outcome->handler))
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("no workers serve this database"),
				 errdetail("Task " INT64_FORMAT " would be waited for without end.", outcome->task_id),
				 errhint("Run it with task_queue.drain() or task_queue.run_tasks(), give a timeout, or see task_queue.health() for why there are no workers.")));
}

/* False at the end of the timeout; the outcome is then that of a live task. */
static bool
wait_for_end(int64 task_id, int64 timeout_us, TqOutcome *outcome)
{
	Oid			caller = GetUserId();
	int64		until = tq_waiting_until(timeout_us);
	bool		first = true;

	tq_wait_begin(TQ_WAIT_TASK, task_id);
	for (;;)
	{
		tq_access_find_task(task_id, caller, outcome);
		if (!outcome->live)
			break;
		if (first)
			check_wait(outcome, timeout_us);
		first = false;
		if (!tq_waiting_sleep(timeout_us, until))
			break;
	}
	tq_wait_end();
	if (!outcome->live)
		tq_waiting_secure(outcome->xmin, outcome->finished_at);
	return !outcome->live;
}

static pg_noreturn void
raise_failure(const TqOutcome *outcome)
{
	int			code = ERRCODE_TQ_TASK_FAILED;

	if (strcmp(outcome->error_kind, TQ_KIND_DEADLINE) == 0)
		code = ERRCODE_TQ_DEADLINE;
	else if (strcmp(outcome->error_kind, TQ_KIND_LEASE_LOST) == 0)
		code = ERRCODE_TQ_LEASE_LOST;
	ereport(ERROR,
			(errcode(code),
			 errmsg_internal("%s", outcome->error_message),
			 errdetail_internal("%s", outcome->error_kind)));
	pg_unreachable();
}

PG_FUNCTION_INFO_V1(tq_await);

Datum
tq_await(PG_FUNCTION_ARGS)
{
	int64		timeout_us = tq_waiting_timeout(fcinfo, 1);
	TqOutcome	outcome;
	int64		task_id;

	if (PG_ARGISNULL(0))
		tq_error_null_argument("task_id");
	task_id = PG_GETARG_INT64(0);
	if (!wait_for_end(task_id, timeout_us, &outcome))
		ereport(ERROR,
				(errcode(ERRCODE_TQ_WAIT_TIMEOUT),
				 errmsg("task " INT64_FORMAT " has not ended within the timeout", task_id)));
	if (outcome.state == TQ_TASK_CANCELED)
		ereport(ERROR,
				(errcode(ERRCODE_TQ_TASK_CANCELED),
				 errmsg("task " INT64_FORMAT " was canceled", task_id),
				 outcome.cancel_reason ? errdetail_internal("%s", outcome.cancel_reason) : 0));
	if (outcome.state == TQ_TASK_FAILED)
		raise_failure(&outcome);
	if (outcome.result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(outcome.result);
}

static void
put_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = (text == NULL);
	if (text != NULL)
		values[i] = CStringGetTextDatum(text);
}

PG_FUNCTION_INFO_V1(tq_wait);

Datum
tq_wait(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int64		timeout_us = tq_waiting_timeout(fcinfo, 1);
	TqOutcome	outcome;
	TqClaim		claim;
	Datum		values[5] = {0};
	bool		nulls[5] = {false};

	if (PG_ARGISNULL(0))
		tq_error_null_argument("task_id");
	if (!wait_for_end(PG_GETARG_INT64(0), timeout_us, &outcome) &&
		tq_claim_find(outcome.task_id, &claim))
		outcome.state = TQ_TASK_RUNNING;
	InitMaterializedSRF(fcinfo, 0);
	put_text(values, nulls, 0, tq_task_state_name(outcome.state));
	nulls[1] = (outcome.result == NULL);
	values[1] = PointerGetDatum(outcome.result);
	nulls[2] = !outcome.has_error;
	values[2] = outcome.error;
	put_text(values, nulls, 3, outcome.error_kind);
	put_text(values, nulls, 4, outcome.error_message);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(tq_get_task);

/* Others than those who may see the task get 42501, as from every call that names it. */
Datum
tq_get_task(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	TqOutcome	outcome;
	Jsonb	   *document;

	if (PG_ARGISNULL(0))
		tq_error_null_argument("task_id");
	if (!tq_access_look_up(PG_GETARG_INT64(0), &outcome))
		PG_RETURN_NULL();
	if (!tq_access_may_see(caller, outcome.enqueuer))
		tq_access_find_task(outcome.task_id, caller, &outcome);
	document = tq_outcome_document(outcome.task_id,
								   tq_access_may_read(caller, outcome.enqueuer));
	if (document == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(document);
}
