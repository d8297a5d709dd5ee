/*-------------------------------------------------------------------------
 *
 * step.c
 *	  step(), and references to the results of steps and to signals.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api/arg.h"
#include "dag/digest.h"
#include "dag/ref.h"

PG_FUNCTION_INFO_V1(tq_step);
PG_FUNCTION_INFO_V1(tq_ref);
PG_FUNCTION_INFO_V1(tq_ref_or_default);
PG_FUNCTION_INFO_V1(tq_refs);
PG_FUNCTION_INFO_V1(tq_signal_ref);

/* The arguments become the fields of the composite; submit_dag() and add_step() check them. */
Datum
tq_step(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[TQ_STEP_NFIELDS];
	bool		nulls[TQ_STEP_NFIELDS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != TQ_STEP_NFIELDS || PG_NARGS() != TQ_STEP_NFIELDS)
		elog(ERROR, "unexpected definition of type step");
	for (int i = 0; i < TQ_STEP_NFIELDS; i++)
	{
		nulls[i] = PG_ARGISNULL(i);
		values[i] = nulls[i] ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	if (nulls[TQ_STEP_ID])
		tq_error_null_argument("id");
	if (nulls[TQ_STEP_HANDLER])
		tq_error_null_argument("handler");
	if (!nulls[TQ_STEP_RUN_IF])
		tq_error_reserved_argument("run_if");
	if (!nulls[TQ_STEP_FOR_EACH])
		tq_error_reserved_argument("for_each");
	if (!nulls[TQ_STEP_UNDO])
		tq_error_reserved_argument("undo");
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

static void
require_name(TqRefKind kind, const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", kind == TQ_REF_SIGNAL ? "signal name" : "step id")));
}

static Jsonb *
make_reference(TqRefKind kind, char *name, JsonbValue *fallback)
{
	TqRef		ref = {.kind = kind, .n = 1, .names = &name, .fallback = fallback};

	require_name(kind, name);
	return tq_ref_make(&ref);
}

Datum
tq_ref(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(make_reference(TQ_REF_STEP, tq_arg_required_text(fcinfo, 0, "step_id"), NULL));
}

/* A default that is not given is JSON null. */
Datum
tq_ref_or_default(PG_FUNCTION_ARGS)
{
	JsonbValue	fallback = {.type = jbvNull};

	if (!PG_ARGISNULL(1))
		JsonbToJsonbValue(PG_GETARG_JSONB_P(1), &fallback);
	PG_RETURN_JSONB_P(make_reference(TQ_REF_DEFAULT, tq_arg_required_text(fcinfo, 0, "step_id"), &fallback));
}

/* The same step may be there several times. */
Datum
tq_refs(PG_FUNCTION_ARGS)
{
	TqRef		ref = {.kind = TQ_REF_STEPS};
	Datum	   *elements;
	bool	   *nulls;

	if (PG_ARGISNULL(0))
		tq_error_null_argument("step_ids");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &ref.n);
	ref.names = palloc((ref.n + 1) * sizeof(char *));
	for (int i = 0; i < ref.n; i++)
	{
		if (nulls[i])
			tq_error_null_argument("step_ids");
		ref.names[i] = TextDatumGetCString(elements[i]);
		require_name(ref.kind, ref.names[i]);
	}
	PG_RETURN_JSONB_P(tq_ref_make(&ref));
}

Datum
tq_signal_ref(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(make_reference(TQ_REF_SIGNAL, tq_arg_required_text(fcinfo, 0, "name"), NULL));
}
