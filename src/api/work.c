/*-------------------------------------------------------------------------
 *
 * work.c
 *	  SQL functions about executions: drain(), what a handler may call, and
 *	  what the views show of running work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "api/arg.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "bgw/foreground.h"
#include "run/execute.h"
#include "run/inline.h"
#include "run/serve.h"
#include "shmem/claims.h"
#include "shmem/slots.h"
#include "store/plans.h"
#include "store/queue.h"

PG_FUNCTION_INFO_V1(tq_sql_drain);
PG_FUNCTION_INFO_V1(tq_sql_run_tasks);
PG_FUNCTION_INFO_V1(tq_sql_current_task);
PG_FUNCTION_INFO_V1(tq_sql_progress);
PG_FUNCTION_INFO_V1(tq_sql_snooze);
PG_FUNCTION_INFO_V1(tq_sql_running);
PG_FUNCTION_INFO_V1(tq_sql_workers);

static void
put_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL || text[0] == '\0';
	if (!nulls[i])
		values[i] = CStringGetTextDatum(text);
}

static void
report_drained(void *arg, int64 task_id, const char *handler, char state, const TqError *error)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		values[6] = {0};
	bool		nulls[6] = {false};

	values[0] = Int64GetDatum(task_id);
	put_text(values, nulls, 1, handler);
	put_text(values, nulls, 2, tq_task_state_name(state));
	nulls[3] = error == NULL;
	if (error)
		values[3] = tq_error_to_datum(error);
	nulls[4] = nulls[5] = error == NULL;
	if (error)
	{
		values[4] = CStringGetTextDatum(error->kind);
		values[5] = CStringGetTextDatum(error->message);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* queue, max_tasks, include_scheduled, this_transaction; NULL means the default. */
Datum
tq_sql_drain(PG_FUNCTION_ARGS)
{
	TqDrainOptions options = {0};

	PreventCommandIfReadOnly("drain()");
	InitMaterializedSRF(fcinfo, 0);
	options.queue = tq_arg_text(fcinfo, 0);
	if (options.queue != NULL)
		(void) tq_queue_find(options.queue, false);
	options.max_tasks = tq_arg_count(fcinfo, 1, "max_tasks", -1);
	options.include_scheduled = tq_arg_bool(fcinfo, 2, false);
	options.this_transaction = tq_arg_bool(fcinfo, 3, false);
	(void) tq_drain(&options, report_drained, fcinfo->resultinfo);
	return (Datum) 0;
}

/* NULL arguments as above. */
Datum
tq_sql_run_tasks(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	char	   *queue = tq_arg_text(fcinfo, 0);
	int			max_tasks;

	if (context == NULL || !IsA(context, CallContext) || context->atomic ||
		tq_spi_is_nested() || IsSubTransaction() || tq_run_in_handler())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("run_tasks() cannot run inside a transaction block, a function or another procedure"),
				 errdetail("It commits each task."),
				 errhint("CALL it as a statement of its own, or use drain().")));
	PreventCommandIfReadOnly("run_tasks()");
	max_tasks = tq_arg_count(fcinfo, 1, "max_tasks", -1);
	if (queue != NULL)
		(void) tq_queue_find(queue, false);
	tq_foreground_run(queue, max_tasks);
	PG_RETURN_VOID();
}

static void
put_time(Datum *values, bool *nulls, int i, TimestampTz time)
{
	nulls[i] = time == 0;
	values[i] = TimestampTzGetDatum(time);
}

static void
describe_run(TqRun *run, Datum *values, bool *nulls)
{
	const TqTask *task = run->task;

	values[0] = Int64GetDatum(task->task_id);
	put_text(values, nulls, 1, task->handler);
	put_text(values, nulls, 2, task->queue);
	values[3] = Int32GetDatum(run->attempt.number);
	put_time(values, nulls, 4, task->has_deadline ? task->deadline : 0);
	put_text(values, nulls, 5, task->target);
	put_text(values, nulls, 6, run->attempt.worker);
	nulls[7] = task->trace_ctx == NULL;
	values[7] = PointerGetDatum(task->trace_ctx);
	(void) tq_run_load_names(run);
	put_text(values, nulls, 8, run->dag_id);
	put_text(values, nulls, 9, run->step_id);
	put_time(values, nulls, 10, task->enqueued_at);
	values[11] = Int32GetDatum(tq_finish_maximum_attempts(task));
	nulls[12] = task->labels == 0;
	values[12] = task->labels;
	put_time(values, nulls, 13, task->has_fire_time ? task->fire_time : 0);
}

/* A handler that call_handler() runs has no task: only what is known of it is shown. */
static void
describe_direct(const TqHandler *handler, Datum *values, bool *nulls)
{
	memset(nulls, true, 14 * sizeof(bool));
	put_text(values, nulls, 1, handler->name);
	put_text(values, nulls, 2, handler->queue);
	values[3] = Int32GetDatum(1);
	nulls[3] = false;
	put_text(values, nulls, 6, TQ_INLINE_WORKER);
}

Datum
tq_sql_current_task(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	const TqHandler *direct = tq_call_direct_handler();
	TqRun *run = tq_run_in_handler();
	Datum		values[14] = {0};
	bool		nulls[14] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (direct != NULL)
		describe_direct(direct, values, nulls);
	else if (run != NULL)
		describe_run(run, values, nulls);
	else
		return (Datum) 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

Datum
tq_sql_progress(PG_FUNCTION_ARGS)
{
	double		fraction;

	if (PG_ARGISNULL(0))
		tq_error_null_argument("fraction");
	fraction = PG_GETARG_FLOAT8(0);
	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("progress fraction must be between 0 and 1")));
	if (tq_run_in_handler() && tq_call_direct_handler() == NULL)
		tq_slot_progress(fraction, tq_arg_text(fcinfo, 1));
	PG_RETURN_VOID();
}

Datum
tq_sql_snooze(PG_FUNCTION_ARGS)
{
	TqRun	   *run = tq_run_in_handler();
	int64		delay;

	delay = tq_arg_required_interval(fcinfo, 0, "delay");
	if (tq_call_direct_handler() != NULL)
		PG_RETURN_VOID();
	if (run == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("snooze() can be called only inside a handler")));
	run->snoozed = true;
	run->snooze_us = delay;
	PG_RETURN_VOID();
}

/* Whether the caller may see what a role's task does. */
static bool
may_see(Oid enqueuer)
{
	Oid			caller = GetUserId();

	return tq_role_may_become(caller, enqueuer) || tq_role_is_admin(caller) ||
		tq_role_may_become(caller, ROLE_PG_MONITOR) ||
		tq_role_may_become(caller, ROLE_PG_READ_ALL_DATA);
}

static TqSlot
copy_slot(int index)
{
	TqSlot	   *slot = tq_slot(index);
	TqSlot		copy;

	SpinLockAcquire(&slot->mutex);
	copy = *slot;
	SpinLockRelease(&slot->mutex);
	return copy;
}

static const TqSlot *
slot_of_claim(const TqSlot *slots, int n, const TqClaim *claim)
{
	for (int i = 0; i < n; i++)
	{
		if (slots[i].state == TQ_SLOT_BUSY && slots[i].task_id == claim->task_id)
			return &slots[i];
	}
	return NULL;
}

static TqSlot *
copy_busy_slots(int *n)
{
	TqSlot	   *copies = palloc(Max(1, tq_slot_count()) * sizeof(TqSlot));

	*n = 0;
	for (int i = 0; i < tq_slot_count(); i++)
	{
		TqSlot		copy = copy_slot(i);

		if (copy.database == MyDatabaseId && copy.state != TQ_SLOT_FREE)
			copies[(*n)++] = copy;
	}
	return copies;
}

/* The lease's end on the wall clock. */
static TimestampTz
lease_end(const TqClaim *claim)
{
	if (!claim->external)
		return 0;
	return tq_clock_add(tq_clock_now(), claim->lease_until - tq_clock_monotonic());
}

/*
 * One row per claim: task_id, pid, worker, kind, attempt, started_at,
 * lease_until, cancel_requested, progress, message, handler, queue, enqueuer.
 */
Datum
tq_sql_running(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			nslots;
	int			nclaims;
	TqSlot	   *slots;
	TqClaim    *claims;

	InitMaterializedSRF(fcinfo, 0);
	slots = copy_busy_slots(&nslots);
	claims = tq_claim_list(NULL, NULL, &nclaims);
	for (int i = 0; i < nclaims; i++)
	{
		TqClaim    *claim = &claims[i];
		const TqSlot *slot = slot_of_claim(slots, nslots, claim);
		Datum		values[13] = {0};
		bool		nulls[13] = {false};

		/* What this transaction has reported is over, as far as it can see. */
		if (!may_see(claim->enqueuer) || claim->ending == MyProcPid)
			continue;
		values[0] = Int64GetDatum(claim->task_id);
		nulls[1] = claim->external;
		values[1] = Int32GetDatum(claim->pid);
		put_text(values, nulls, 2, claim->worker);
		put_text(values, nulls, 3, claim->external ? "external" : "db");
		values[4] = Int32GetDatum(claim->attempt);
		put_time(values, nulls, 5, claim->started_at);
		put_time(values, nulls, 6, lease_end(claim));
		values[7] = BoolGetDatum(claim->cancel_requested);
		nulls[8] = slot == NULL || slot->progress < 0;
		values[8] = Float8GetDatum(slot ? slot->progress : 0);
		put_text(values, nulls, 9, slot ? slot->message : NULL);
		put_text(values, nulls, 10, claim->handler);
		put_text(values, nulls, 11, claim->queue);
		values[12] = ObjectIdGetDatum(claim->enqueuer);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* In-database workers: worker, pid, state, last_seen (when it got into the state). */
Datum
tq_sql_workers(PG_FUNCTION_ARGS)
{
	static const char *const state_names[] = {"free", "starting", "idle", "idle", "running", "dead"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			nslots;
	TqSlot	   *slots;

	InitMaterializedSRF(fcinfo, 0);
	slots = copy_busy_slots(&nslots);
	for (int i = 0; i < nslots; i++)
	{
		Datum		values[4] = {0};
		bool		nulls[4] = {false};

		put_text(values, nulls, 0, psprintf("db/%d", slots[i].number));
		nulls[1] = slots[i].pid == 0;
		values[1] = Int32GetDatum(slots[i].pid);
		put_text(values, nulls, 2, state_names[slots[i].state]);
		put_time(values, nulls, 3, slots[i].since);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
