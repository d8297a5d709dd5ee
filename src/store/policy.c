/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  Retry policies as SQL values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/clock.h"
#include "store/policy.h"

/* Attribute numbers of type retry_policy. */
enum
{
	COL_INITIAL_INTERVAL = 1,
	COL_BACKOFF_COEFFICIENT,
	COL_MAXIMUM_INTERVAL,
	COL_MAXIMUM_ATTEMPTS,
	COL_NON_RETRYABLE_ERROR_KINDS,
	COL_JITTER
};

/* Attribute numbers of type task_error. */
enum
{
	COL_KIND = 1,
	COL_RETRYABLE = 3,
	COL_SQLSTATE = 4
};

#define MAX_FIELDS	7

/* A composite value taken apart; fields that it does not have are null. */
typedef struct Fields
{
	Datum		values[MAX_FIELDS];
	bool		nulls[MAX_FIELDS];
} Fields;

static void
take_apart(Datum datum, Fields *fields)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(datum);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple;
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	int			n = Min(desc->natts, MAX_FIELDS);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);

	memset(fields->nulls, true, sizeof(fields->nulls));
	memcpy(fields->values, values, sizeof(Datum) * n);
	memcpy(fields->nulls, nulls, sizeof(bool) * n);
}

static bool
has(const Fields *fields, int column)
{
	return !fields->nulls[column - 1];
}

static Datum
get(const Fields *fields, int column)
{
	return fields->values[column - 1];
}

/* Null elements match nothing. */
static void
read_kinds(Datum array, TqRetryPolicy *policy)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	const char **kinds;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	kinds = palloc(sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		kinds[i] = nulls[i] ? NULL : TextDatumGetCString(elements[i]);
	policy->nkinds = n;
	policy->kinds = kinds;
}

void
tq_policy_from_datum(Datum datum, TqRetryPolicy *policy)
{
	Fields		fields;

	tq_retry_default_policy(policy);
	if (datum == (Datum) 0)
		return;
	take_apart(datum, &fields);
	if (has(&fields, COL_INITIAL_INTERVAL))
		policy->initial_us =
			tq_clock_interval_us(DatumGetIntervalP(get(&fields, COL_INITIAL_INTERVAL)));
	if (has(&fields, COL_BACKOFF_COEFFICIENT))
		policy->coefficient = DatumGetFloat8(get(&fields, COL_BACKOFF_COEFFICIENT));
	if (has(&fields, COL_MAXIMUM_INTERVAL))
		policy->maximum_us =
			tq_clock_interval_us(DatumGetIntervalP(get(&fields, COL_MAXIMUM_INTERVAL)));
	if (has(&fields, COL_MAXIMUM_ATTEMPTS))
		policy->maximum_attempts = DatumGetInt32(get(&fields, COL_MAXIMUM_ATTEMPTS));
	if (has(&fields, COL_NON_RETRYABLE_ERROR_KINDS))
		read_kinds(get(&fields, COL_NON_RETRYABLE_ERROR_KINDS), policy);
	if (has(&fields, COL_JITTER))
		policy->jitter = DatumGetFloat8(get(&fields, COL_JITTER));
}

/* Written so that NaN is refused as well. */
void
tq_policy_check_jitter(double jitter)
{
	if (!(jitter >= 0.0 && jitter < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jitter of a retry policy is out of range"),
				 errdetail("It is %g; it must be at least 0 and less than 1.", jitter)));
}

void
tq_policy_check(Datum datum)
{
	Fields		fields;

	take_apart(datum, &fields);
	if (has(&fields, COL_JITTER))
		tq_policy_check_jitter(DatumGetFloat8(get(&fields, COL_JITTER)));
}

void
tq_policy_error_from_datum(Datum datum, TqRetryError *error)
{
	Fields		fields;

	take_apart(datum, &fields);
	error->kind = has(&fields, COL_KIND) ? TextDatumGetCString(get(&fields, COL_KIND)) : NULL;
	error->sqlstate = has(&fields, COL_SQLSTATE) ?
		TextDatumGetCString(get(&fields, COL_SQLSTATE)) : NULL;
	error->retryable = has(&fields, COL_RETRYABLE) && DatumGetBool(get(&fields, COL_RETRYABLE));
}
