/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  SQL functions of the retry policy.
 *
 * They are immutable and look at nothing but their arguments: the arithmetic
 * is that of policy/retry.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "api/arg.h"
#include "store/policy.h"

PG_FUNCTION_INFO_V1(tq_retry_policy);
PG_FUNCTION_INFO_V1(tq_default_retry_policy);
PG_FUNCTION_INFO_V1(tq_no_retry_policy);
PG_FUNCTION_INFO_V1(tq_next_delay);
PG_FUNCTION_INFO_V1(tq_should_retry);
PG_FUNCTION_INFO_V1(tq_task_error);

#define POLICY_FIELDS	6
#define ERROR_FIELDS	7

static Datum
interval_datum(int64 us)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = us;
	return IntervalPGetDatum(interval);
}

/* A value of the function's composite result type. */
static Datum
make_composite(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

static void
policy_values(const TqRetryPolicy *policy, Datum *values)
{
	values[0] = interval_datum(policy->initial_us);
	values[1] = Float8GetDatum(policy->coefficient);
	values[2] = interval_datum(policy->maximum_us);
	values[3] = Int32GetDatum(policy->maximum_attempts);
	values[4] = PointerGetDatum(construct_empty_array(TEXTOID));
	values[5] = Float8GetDatum(policy->jitter);
}

Datum
tq_retry_policy(PG_FUNCTION_ARGS)
{
	TqRetryPolicy policy;
	Datum		values[POLICY_FIELDS];
	bool		nulls[POLICY_FIELDS] = {false};

	tq_retry_default_policy(&policy);
	policy_values(&policy, values);
	for (int i = 0; i < POLICY_FIELDS; i++)
	{
		if (!PG_ARGISNULL(i))
			values[i] = PG_GETARG_DATUM(i);
	}
	tq_policy_check_jitter(DatumGetFloat8(values[POLICY_FIELDS - 1]));
	PG_RETURN_DATUM(make_composite(fcinfo, values, nulls));
}

Datum
tq_default_retry_policy(PG_FUNCTION_ARGS)
{
	TqRetryPolicy policy;
	Datum		values[POLICY_FIELDS];
	bool		nulls[POLICY_FIELDS] = {false};

	tq_retry_default_policy(&policy);
	policy_values(&policy, values);
	PG_RETURN_DATUM(make_composite(fcinfo, values, nulls));
}

Datum
tq_no_retry_policy(PG_FUNCTION_ARGS)
{
	TqRetryPolicy policy = {.maximum_attempts = 1};
	Datum		values[POLICY_FIELDS];
	bool		nulls[POLICY_FIELDS] = {false};

	policy_values(&policy, values);
	PG_RETURN_DATUM(make_composite(fcinfo, values, nulls));
}

static void
policy_argument(FunctionCallInfo fcinfo, int n, TqRetryPolicy *policy)
{
	tq_policy_from_datum(PG_ARGISNULL(n) ? (Datum) 0 : PG_GETARG_DATUM(n), policy);
}

Datum
tq_next_delay(PG_FUNCTION_ARGS)
{
	TqRetryPolicy policy;

	if (PG_ARGISNULL(1))
		tq_error_null_argument("attempt");
	policy_argument(fcinfo, 0, &policy);
	PG_RETURN_DATUM(interval_datum(tq_retry_next_delay(&policy, PG_GETARG_INT32(1))));
}

Datum
tq_should_retry(PG_FUNCTION_ARGS)
{
	TqRetryPolicy policy;
	TqRetryError error;

	if (PG_ARGISNULL(2))
		tq_error_null_argument("attempt");
	policy_argument(fcinfo, 0, &policy);
	if (!PG_ARGISNULL(1))
		tq_policy_error_from_datum(PG_GETARG_DATUM(1), &error);
	PG_RETURN_BOOL(tq_retry_should_retry(&policy, PG_ARGISNULL(1) ? NULL : &error,
										 PG_GETARG_INT32(2)));
}

Datum
tq_task_error(PG_FUNCTION_ARGS)
{
	Datum		values[ERROR_FIELDS];
	bool		nulls[ERROR_FIELDS];

	memset(nulls, true, sizeof(nulls));
	values[0] = CStringGetTextDatum(tq_arg_required_text(fcinfo, 0, "kind"));
	values[1] = PG_ARGISNULL(1) ? CStringGetTextDatum("") : PG_GETARG_DATUM(1);
	values[2] = BoolGetDatum(tq_arg_bool(fcinfo, 2, false));
	nulls[0] = nulls[1] = nulls[2] = false;
	PG_RETURN_DATUM(make_composite(fcinfo, values, nulls));
}
