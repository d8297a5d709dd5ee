/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *	  enqueue() and enqueue_many().
 *
 * Both write rows directly, without a plan and without the table's triggers;
 * the checks are the same, see task_row.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "api/arg.h"
#include "api/task_row.h"
#include "base/clock.h"
#include "run/inline.h"

PG_FUNCTION_INFO_V1(tq_enqueue);
PG_FUNCTION_INFO_V1(tq_enqueue_many);

/* Positions of the arguments. */
enum
{
	ARG_HANDLER,
	ARG_ARGS,
	ARG_QUEUE,
	ARG_PRIORITY,
	ARG_RUN_AT,
	ARG_DELAY,
	ARG_DEADLINE,
	ARG_TIMEOUT,
	ARG_RETRY_POLICY,
	ARG_TARGET,
	ARG_REPLY_TO,
	ARG_TRACE_CTX,
	ARG_LABELS,
	ARG_UNIQUE_KEY,				/* enqueue() only; the others move up */
	ARG_ON_CONFLICT,
	ARG_ORDER_KEY,
	ARG_LIMIT_KEY
};

static void
copy_argument(FunctionCallInfo fcinfo, int n, TqTaskRow *row, TqTaskColumn column)
{
	if (!PG_ARGISNULL(n))
		tq_task_row_set(row, column, PG_GETARG_DATUM(n));
}

static void
set_start(FunctionCallInfo fcinfo, TqTaskRow *row)
{
	int64		delay;

	if (PG_ARGISNULL(ARG_DELAY))
	{
		copy_argument(fcinfo, ARG_RUN_AT, row, TQ_COL_RUN_AT);
		return;
	}
	if (!PG_ARGISNULL(ARG_RUN_AT))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" and \"%s\" must not be given together", "run_at", "delay")));
	delay = tq_arg_required_interval(fcinfo, ARG_DELAY, "delay");
	if (delay > 0)
		tq_task_row_set(row, TQ_COL_RUN_AT,
						TimestampTzGetDatum(tq_clock_add(tq_clock_now(), delay)));
}

/*
 * The options as columns; what was not given stays null.  The reserved ones
 * begin at unique_key, or, where there is none, at on_conflict.
 */
static void
options_to_row(FunctionCallInfo fcinfo, TqTaskRow *row, bool has_unique_key)
{
	int			reserved = ARG_UNIQUE_KEY;

	memset(row->nulls, true, sizeof(row->nulls));
	copy_argument(fcinfo, ARG_HANDLER, row, TQ_COL_HANDLER);
	copy_argument(fcinfo, ARG_QUEUE, row, TQ_COL_QUEUE);
	copy_argument(fcinfo, ARG_PRIORITY, row, TQ_COL_PRIORITY);
	set_start(fcinfo, row);
	copy_argument(fcinfo, ARG_DEADLINE, row, TQ_COL_DEADLINE);
	copy_argument(fcinfo, ARG_TIMEOUT, row, TQ_COL_TIMEOUT);
	copy_argument(fcinfo, ARG_RETRY_POLICY, row, TQ_COL_RETRY_POLICY);
	copy_argument(fcinfo, ARG_TARGET, row, TQ_COL_TARGET);
	copy_argument(fcinfo, ARG_REPLY_TO, row, TQ_COL_REPLY_TO);
	copy_argument(fcinfo, ARG_TRACE_CTX, row, TQ_COL_TRACE_CTX);
	copy_argument(fcinfo, ARG_LABELS, row, TQ_COL_LABELS);
	if (has_unique_key)
		copy_argument(fcinfo, reserved++, row, TQ_COL_UNIQUE_KEY);
	copy_argument(fcinfo, reserved++, row, TQ_COL_ON_CONFLICT);
	copy_argument(fcinfo, reserved++, row, TQ_COL_ORDER_KEY);
	copy_argument(fcinfo, reserved, row, TQ_COL_LIMIT_KEY);
}

Datum
tq_enqueue(PG_FUNCTION_ARGS)
{
	Oid			enqueuer = GetUserId();
	TqTaskRow	row;
	TqTaskWriter *writer;
	int64		task_id;

	PreventCommandIfReadOnly("enqueue()");
	options_to_row(fcinfo, &row, true);
	copy_argument(fcinfo, ARG_ARGS, &row, TQ_COL_ARGS);
	tq_task_row_prepare(&row, enqueuer);

	writer = tq_task_write_begin();
	task_id = tq_task_write(writer, row.values, row.nulls);
	tq_task_write_end(writer);
	tq_task_row_note(&row, task_id);
	tq_inline_run();
	PG_RETURN_INT64(task_id);
}

static int
args_elements(FunctionCallInfo fcinfo, Datum **elements, bool **nulls)
{
	ArrayType  *array;
	int			n;

	if (PG_ARGISNULL(ARG_ARGS))
		tq_error_null_argument("args");
	array = PG_GETARG_ARRAYTYPE_P(ARG_ARGS);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a one-dimensional array", "args")));
	deconstruct_array(array, JSONBOID, -1, false, TYPALIGN_INT, elements, nulls, &n);
	return n;
}

/* Each element in memory of its own, which goes when the row is written. */
static int64
write_element(TqTaskWriter *writer, const TqTaskRow *options, Datum args, bool isnull,
			  Oid enqueuer)
{
	TqTaskRow	row = *options;
	int64		task_id;

	if (!isnull)
		tq_task_row_set(&row, TQ_COL_ARGS, args);
	tq_task_row_prepare(&row, enqueuer);
	task_id = tq_task_write(writer, row.values, row.nulls);
	tq_task_row_note(&row, task_id);
	return task_id;
}

static void
return_id(ReturnSetInfo *result, int64 task_id)
{
	Datum		values[1] = {Int64GetDatum(task_id)};
	bool		nulls[1] = {false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
tq_enqueue_many(PG_FUNCTION_ARGS)
{
	Oid			enqueuer = GetUserId();
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TqTaskRow	options;
	TqTaskWriter *writer;
	MemoryContext row_context;
	MemoryContext old_context;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	PreventCommandIfReadOnly("enqueue_many()");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	options_to_row(fcinfo, &options, false);
	tq_task_row_check(&options, enqueuer);
	n = args_elements(fcinfo, &elements, &nulls);

	writer = tq_task_write_begin();
	row_context = AllocSetContextCreate(CurrentMemoryContext, "task_queue row",
										ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		old_context = MemoryContextSwitchTo(row_context);
		return_id(result, write_element(writer, &options, elements[i], nulls[i], enqueuer));
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	tq_task_write_end(writer);
	if (n > 0)
		tq_inline_run();
	return (Datum) 0;
}
