/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  A digest over all arguments of step().
 *
 * add_step() with the id of an existing step compares the two definitions.
 * The stored row does not have the definition as it was given, so a digest of
 * it is kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "dag/digest.h"
#include "policy/retry.h"
#include "store/policy.h"

/* Enough never to meet two definitions with the same one. */
#define DIGEST_BYTES	16

static void
add_text(StringInfo buf, const char *value)
{
	appendStringInfo(buf, "%zu:%s,", strlen(value), value);
}

static void
add_list(StringInfo buf, Datum array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	appendStringInfo(buf, "%d[", n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			appendStringInfoString(buf, "-,");
		else
			add_text(buf, TextDatumGetCString(elements[i]));
	}
	appendStringInfoChar(buf, ']');
}

static void
add_policy(StringInfo buf, Datum datum)
{
	TqRetryPolicy policy;

	tq_policy_from_datum(datum, &policy);
	appendStringInfo(buf, INT64_FORMAT ":%.17g:" INT64_FORMAT ":%d:%.17g:%d[",
					 (int64) policy.initial_us, policy.coefficient, (int64) policy.maximum_us,
					 policy.maximum_attempts, policy.jitter, policy.nkinds);
	for (int i = 0; i < policy.nkinds; i++)
		add_text(buf, policy.kinds[i]);
	appendStringInfoChar(buf, ']');
}

static void
add_json(StringInfo buf, Datum datum)
{
	Jsonb	   *json = DatumGetJsonbP(datum);

	add_text(buf, JsonbToCString(NULL, &json->root, VARSIZE(json)));
}

static void
add_field(StringInfo buf, const TqStepFields *fields, TqStepField field)
{
	Datum		value = fields->values[field];

	switch (field)
	{
		case TQ_STEP_ARGS:
			add_json(buf, value);
			break;
		case TQ_STEP_AFTER:
		case TQ_STEP_AFTER_ANY:
		case TQ_STEP_WAIT_FOR:
		case TQ_STEP_BREAK_BEFORE:
		case TQ_STEP_BREAK_AFTER:
			add_list(buf, value);
			break;
		case TQ_STEP_OPTIONAL:
		case TQ_STEP_COLOCATE_HERE:
			appendStringInfoChar(buf, DatumGetBool(value) ? 't' : 'f');
			break;
		case TQ_STEP_RETRY_POLICY:
			add_policy(buf, value);
			break;
		case TQ_STEP_TIMEOUT:
		case TQ_STEP_DELAY:
			appendStringInfo(buf, INT64_FORMAT, tq_clock_interval_us(DatumGetIntervalP(value)));
			break;
		case TQ_STEP_PRIORITY:
			appendStringInfo(buf, "%d", DatumGetInt32(value));
			break;
		default:
			add_text(buf, TextDatumGetCString(value));
			break;
	}
}

/* Is it the default, though given? */
static bool
is_default(const TqStepFields *fields, TqStepField field)
{
	Datum		value = fields->values[field];
	Jsonb	   *args;

	switch (field)
	{
		case TQ_STEP_ARGS:
			args = DatumGetJsonbP(value);
			return JB_ROOT_IS_ARRAY(args) && JB_ROOT_COUNT(args) == 0;
		case TQ_STEP_OPTIONAL:
		case TQ_STEP_COLOCATE_HERE:
			return !DatumGetBool(value);
		case TQ_STEP_PRIORITY:
			return DatumGetInt32(value) == 0;
		default:
			return false;
	}
}

Datum
tq_digest_step(const TqStepFields *fields)
{
	StringInfoData buf;
	uint8		hash[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	bytea	   *digest = palloc(VARHDRSZ + DIGEST_BYTES);

	initStringInfo(&buf);
	for (int field = 0; field < TQ_STEP_NFIELDS; field++)
	{
		if (fields->nulls[field] || is_default(fields, field))
			continue;
		appendStringInfo(&buf, "%d=", field);
		add_field(&buf, fields, field);
		appendStringInfoChar(&buf, ';');
	}
	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (uint8 *) buf.data, buf.len) < 0 ||
		pg_cryptohash_final(context, hash, sizeof(hash)) < 0)
		elog(ERROR, "could not compute the digest of a step");
	pg_cryptohash_free(context);
	pfree(buf.data);

	SET_VARSIZE(digest, VARHDRSZ + DIGEST_BYTES);
	memcpy(VARDATA(digest), hash, DIGEST_BYTES);
	return PointerGetDatum(digest);
}
