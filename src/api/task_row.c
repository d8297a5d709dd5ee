/*-------------------------------------------------------------------------
 *
 * task_row.c
 *	  The one way in which user input becomes a row of table task.
 *
 * enqueue(), enqueue_many(), INSERT and COPY all come through here, so they
 * check the same and have the same effect.
 *
 * Rows of a bulk load mostly name the same handler and queue: the last ones
 * are kept resolved, until any invalidation is received that could concern
 * them.  An entry is used only if none came since its lookup began.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api/task_row.h"
#include "base/clock.h"
#include "base/errors.h"
#include "handler/call.h"
#include "handler/registry.h"
#include "shmem/xact.h"
#include "store/option.h"
#include "store/policy.h"
#include "store/queue.h"

/* What the last row named. */
typedef struct Resolved
{
	uint64		stamp;			/* value of invalidations when the lookup began */
	Oid			enqueuer;		/* may call the handler */
	text	   *handler_name;
	text	   *queue_name;		/* as given; NULL: the handler's */
	TqHandler  *handler;		/* pinned */
	char	   *handler_cstring;
	char	   *queue_cstring;
	text	   *queue;			/* for the row */
	MemoryContext context;		/* holds the strings */
} Resolved;

static Resolved last;
static uint64 invalidations = 1;

static void
forget_relation(Datum arg, Oid relid)
{
	invalidations++;
}

static void
forget_catalog(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidations++;
}

void
tq_task_row_init(void)
{
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_catalog, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_catalog, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_catalog, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_catalog, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_catalog, (Datum) 0);
}

static bool
same_text(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static text *
copy_text(const text *source)
{
	return source ? cstring_to_text_with_len(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source)) :
		NULL;
}

static void
forget_last(void)
{
	TqHandler  *handler = last.handler;

	last.stamp = 0;
	last.handler = NULL;
	if (handler != NULL)
		tq_handler_unpin(handler);
	if (last.context == NULL)
		last.context = AllocSetContextCreate(TopMemoryContext, "task_queue enqueue",
											 ALLOCSET_SMALL_SIZES);
	MemoryContextReset(last.context);
}

/* Look up handler and queue, check the enqueuer's right to the former. */
static void
resolve(text *handler_name, text *queue_name, Oid enqueuer)
{
	uint64		stamp = invalidations;
	MemoryContext old_context;

	if (last.stamp == stamp && last.enqueuer == enqueuer &&
		same_text(last.handler_name, handler_name) &&
		same_text(last.queue_name, queue_name))
		return;

	forget_last();
	old_context = MemoryContextSwitchTo(last.context);
	last.enqueuer = enqueuer;
	last.handler_name = copy_text(handler_name);
	last.queue_name = copy_text(queue_name);
	last.handler_cstring = text_to_cstring(handler_name);
	MemoryContextSwitchTo(old_context);

	last.handler = tq_handler_find(last.handler_cstring, false);
	tq_handler_require_function(last.handler);
	tq_handler_check_permission(last.handler, enqueuer);

	old_context = MemoryContextSwitchTo(last.context);
	last.queue_cstring = queue_name ? text_to_cstring(queue_name) : pstrdup(last.handler->queue);
	last.queue = cstring_to_text(last.queue_cstring);
	MemoryContextSwitchTo(old_context);
	(void) tq_queue_find(last.queue_cstring, false);
	last.stamp = stamp;
}

/* Columns that only the extension fills. */
static void
check_private_columns(const TqTaskRow *row)
{
	static const struct
	{
		TqTaskColumn column;
		const char *name;
	}			private_columns[] = {
		{TQ_COL_ENQUEUED_AT, "enqueued_at"}, {TQ_COL_LANE, "lane"},
		{TQ_COL_ATTEMPT, "attempt"}, {TQ_COL_GEN, "gen"},
		{TQ_COL_ENQUEUER, "enqueuer"}, {TQ_COL_STATE, "state"},
		{TQ_COL_DAG_KEY, "dag_key"}, {TQ_COL_STEP_NO, "step_no"},
		{TQ_COL_FIRE_TIME, "fire_time"}, {TQ_COL_STARTED_AT, "started_at"},
		{TQ_COL_WORKER, "worker"}, {TQ_COL_CLAIMED_BY, "claimed_by"},
		{TQ_COL_LEASE_TOKEN, "lease_token"}, {TQ_COL_LEASE_UNTIL, "lease_until"}
	};

	for (int i = 0; i < lengthof(private_columns); i++)
	{
		if (tq_task_row_has(row, private_columns[i].column))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("column \"%s\" of a task cannot be given", private_columns[i].name),
					 errdetail("It is filled by the extension.")));
	}
}

static void
check_reserved_columns(const TqTaskRow *row)
{
	if (tq_task_row_has(row, TQ_COL_UNIQUE_KEY))
		tq_error_reserved_argument("unique_key");
	if (tq_task_row_has(row, TQ_COL_ON_CONFLICT))
		tq_error_reserved_argument("on_conflict");
	if (tq_task_row_has(row, TQ_COL_ORDER_KEY))
		tq_error_reserved_argument("order_key");
	if (tq_task_row_has(row, TQ_COL_LIMIT_KEY))
		tq_error_reserved_argument("limit_key");
}

static void
check_options(TqTaskRow *row)
{
	if (tq_task_row_has(row, TQ_COL_TIMEOUT))
		tq_option_check_timeout(DatumGetIntervalP(tq_task_row_get(row, TQ_COL_TIMEOUT)));
	if (tq_task_row_has(row, TQ_COL_RETRY_POLICY))
		tq_policy_check(tq_task_row_get(row, TQ_COL_RETRY_POLICY));
	if (tq_task_row_has(row, TQ_COL_REPLY_TO))
		tq_option_check_reply_to(TextDatumGetCString(tq_task_row_get(row, TQ_COL_REPLY_TO)));
	if (tq_task_row_has(row, TQ_COL_TRACE_CTX))
		tq_option_check_trace_ctx(DatumGetJsonbP(tq_task_row_get(row, TQ_COL_TRACE_CTX)));
	if (tq_task_row_has(row, TQ_COL_LABELS))
		tq_task_row_set(row, TQ_COL_LABELS,
						tq_option_clean_labels(tq_task_row_get(row, TQ_COL_LABELS)));
}

/* What a task without arguments has in its row. */
static Jsonb *
empty_args(void)
{
	static Jsonb *empty = NULL;

	if (empty == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		empty = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
		MemoryContextSwitchTo(old_context);
	}
	return empty;
}

static void
check_args(TqTaskRow *row, Oid enqueuer)
{
	if (!tq_task_row_has(row, TQ_COL_ARGS))
		tq_task_row_set(row, TQ_COL_ARGS, JsonbPGetDatum(empty_args()));
	tq_call_check_args(last.handler, DatumGetJsonbP(tq_task_row_get(row, TQ_COL_ARGS)), enqueuer);
}

static int64
find_lane(const TqTaskRow *row)
{
	char	   *target = NULL;

	if (tq_task_row_has(row, TQ_COL_TARGET))
	{
		target = TextDatumGetCString(tq_task_row_get(row, TQ_COL_TARGET));
		tq_option_check_target(target);
	}
	return tq_task_lane(last.handler->kind == TQ_HANDLER_EXTERNAL,
						last.handler_cstring, last.queue_cstring, target);
}

/*
 * A time in the past is kept, since it decides about the order, unless it is
 * no time at all.
 */
static void
fill_times(TqTaskRow *row)
{
	TimestampTz now = tq_clock_now();
	TimestampTz run_at = now;

	if (tq_task_row_has(row, TQ_COL_RUN_AT))
		run_at = DatumGetTimestampTz(tq_task_row_get(row, TQ_COL_RUN_AT));
	if (TIMESTAMP_IS_NOBEGIN(run_at))
		run_at = now;
	tq_task_row_set(row, TQ_COL_RUN_AT, TimestampTzGetDatum(run_at));
	tq_task_row_set(row, TQ_COL_ENQUEUED_AT, TimestampTzGetDatum(now));
	tq_task_row_set(row, TQ_COL_STATE,
					CharGetDatum(run_at > now ? TQ_TASK_SCHEDULED : TQ_TASK_READY));
}

void
tq_task_row_check(TqTaskRow *row, Oid enqueuer)
{
	check_private_columns(row);
	check_reserved_columns(row);
	if (!tq_task_row_has(row, TQ_COL_HANDLER))
		tq_error_null_argument("handler");
	resolve(DatumGetTextPP(tq_task_row_get(row, TQ_COL_HANDLER)),
			tq_task_row_has(row, TQ_COL_QUEUE) ?
			DatumGetTextPP(tq_task_row_get(row, TQ_COL_QUEUE)) : NULL,
			enqueuer);
	check_options(row);
}

void
tq_task_row_prepare(TqTaskRow *row, Oid enqueuer)
{
	tq_task_row_check(row, enqueuer);
	check_args(row, enqueuer);

	tq_task_row_set(row, TQ_COL_QUEUE, PointerGetDatum(last.queue));
	if (!tq_task_row_has(row, TQ_COL_PRIORITY))
		tq_task_row_set(row, TQ_COL_PRIORITY, Int32GetDatum(0));
	tq_task_row_set(row, TQ_COL_ATTEMPT, Int32GetDatum(0));
	tq_task_row_set(row, TQ_COL_GEN, Int32GetDatum(0));
	tq_task_row_set(row, TQ_COL_ENQUEUER, ObjectIdGetDatum(enqueuer));
	tq_task_row_set(row, TQ_COL_LANE, Int64GetDatum(find_lane(row)));
	fill_times(row);
}

void
tq_task_row_note(const TqTaskRow *row, int64 task_id)
{
	TimestampTz run_at = DatumGetTimestampTz(tq_task_row_get(row, TQ_COL_RUN_AT));

	if (DatumGetChar(tq_task_row_get(row, TQ_COL_STATE)) == TQ_TASK_SCHEDULED)
		tq_xact_note_due(run_at);
	else
		tq_xact_note_ready(DatumGetInt64(tq_task_row_get(row, TQ_COL_LANE)),
						   DatumGetInt32(tq_task_row_get(row, TQ_COL_PRIORITY)),
						   run_at, task_id);
}
