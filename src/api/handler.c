/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  SQL functions about handlers.
 *
 * The role that calls is taken before anything else.  Arguments are in the
 * order of sql/21_handler.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "api/arg.h"
#include "api/params.h"
#include "base/clock.h"
#include "base/errors.h"
#include "handler/args.h"
#include "handler/call.h"
#include "handler/registry.h"
#include "store/queue.h"

PG_FUNCTION_INFO_V1(tq_register_handler);
PG_FUNCTION_INFO_V1(tq_register_external);
PG_FUNCTION_INFO_V1(tq_unregister_handler);
PG_FUNCTION_INFO_V1(tq_canonical_name);
PG_FUNCTION_INFO_V1(tq_describe);
PG_FUNCTION_INFO_V1(tq_validate_args);
PG_FUNCTION_INFO_V1(tq_call_handler);
PG_FUNCTION_INFO_V1(tq_raise_error);

static Interval *
interval_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : PG_GETARG_INTERVAL_P(i);
}

static Jsonb *
json_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : PG_GETARG_JSONB_P(i);
}

/* Null elements become NULL pointers. */
static void
aliases_argument(FunctionCallInfo fcinfo, int i, TqRegistration *registration)
{
	Datum	   *texts;
	bool	   *nulls;

	if (PG_ARGISNULL(i))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), TEXTOID, -1, false, TYPALIGN_INT,
					  &texts, &nulls, &registration->naliases);
	registration->aliases = palloc(Max(1, registration->naliases) * sizeof(char *));
	for (int j = 0; j < registration->naliases; j++)
		registration->aliases[j] = nulls[j] ? NULL : TextDatumGetCString(texts[j]);
}

static void
types_argument(FunctionCallInfo fcinfo, int i, TqRegistration *registration)
{
	Datum	   *types;
	bool	   *nulls;

	registration->any_args = PG_ARGISNULL(i);
	if (registration->any_args)
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(i), REGTYPEOID, sizeof(Oid), true, TYPALIGN_INT,
					  &types, &nulls, &registration->nargs);
	registration->arg_types = palloc(Max(1, registration->nargs) * sizeof(Oid));
	for (int j = 0; j < registration->nargs; j++)
	{
		if (nulls[j])
			tq_error_null_argument("arg_types");
		registration->arg_types[j] = DatumGetObjectId(types[j]);
		tq_signature_check_type(registration->arg_types[j], psprintf("argument %d", j + 1));
	}
}

/* The arguments from aliases on up to keep_done, which both calls have in common. */
static void
common_arguments(FunctionCallInfo fcinfo, TqRegistration *registration)
{
	aliases_argument(fcinfo, 2, registration);
	registration->queue = PG_ARGISNULL(3) ? TQ_DEFAULT_QUEUE : tq_arg_text(fcinfo, 3);
	registration->retry_policy = PG_ARGISNULL(4) ? (Datum) 0 :
		PointerGetDatum(PG_GETARG_HEAPTUPLEHEADER(4));
	registration->timeout = interval_argument(fcinfo, 5);
	registration->keep_done = interval_argument(fcinfo, 6);
	registration->batch_size = 1;
}

Datum
tq_register_handler(PG_FUNCTION_ARGS)
{
	TqRegistration registration = {.role = GetUserId()};

	tq_require_admin(registration.role, "register a handler");
	registration.function = tq_arg_required_oid(fcinfo, 0, "function");
	registration.kind = tq_signature_of_function(registration.function)->kind;
	registration.name = tq_arg_text(fcinfo, 1);
	common_arguments(fcinfo, &registration);
	registration.batch_size = tq_arg_int32(fcinfo, 7, 1);
	registration.or_replace = tq_arg_bool(fcinfo, 8, false);
	PG_RETURN_TEXT_P(cstring_to_text(tq_handler_register(&registration)));
}

Datum
tq_register_external(PG_FUNCTION_ARGS)
{
	TqRegistration registration = {.role = GetUserId(), .kind = TQ_HANDLER_EXTERNAL};

	tq_require_admin(registration.role, "register a handler");
	registration.name = tq_arg_required_text(fcinfo, 0, "name");
	types_argument(fcinfo, 1, &registration);
	common_arguments(fcinfo, &registration);
	registration.or_replace = tq_arg_bool(fcinfo, 7, false);
	PG_RETURN_TEXT_P(cstring_to_text(tq_handler_register(&registration)));
}

Datum
tq_unregister_handler(PG_FUNCTION_ARGS)
{
	tq_require_admin(GetUserId(), "unregister a handler");
	PG_RETURN_BOOL(tq_handler_unregister(tq_arg_required_text(fcinfo, 0, "name")));
}

Datum
tq_canonical_name(PG_FUNCTION_ARGS)
{
	Oid			function = tq_arg_required_oid(fcinfo, 0, "function");

	PG_RETURN_TEXT_P(cstring_to_text(tq_handler_canonical_name(function)));
}

Datum
tq_describe(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			function = tq_arg_required_oid(fcinfo, 0, "function");
	TqSignature *signature = tq_signature_of_function(function);
	Datum		values[7];
	bool		nulls[7] = {false};

	InitMaterializedSRF(fcinfo, 0);
	values[0] = CStringGetTextDatum(tq_handler_canonical_name(function));
	values[1] = CStringGetTextDatum(signature->kind == TQ_HANDLER_PROCEDURE ?
									"procedure" : "function");
	values[2] = tq_params_names(signature);
	values[3] = tq_params_types(signature);
	values[4] = Int32GetDatum(signature->required);
	values[5] = BoolGetDatum(signature->has_result);
	values[6] = ObjectIdGetDatum(signature->result_type);
	nulls[6] = !signature->has_result;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

Datum
tq_validate_args(PG_FUNCTION_ARGS)
{
	TqHandler  *handler = tq_handler_find(tq_arg_required_text(fcinfo, 0, "handler"), false);

	PG_TRY();
	{
		tq_handler_require_function(handler);
		tq_args_check(&handler->signature, json_argument(fcinfo, 1), NULL);
	}
	PG_FINALLY();
	{
		tq_handler_unpin(handler);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

Datum
tq_call_handler(PG_FUNCTION_ARGS)
{
	TqHandler  *handler = tq_handler_find(tq_arg_required_text(fcinfo, 0, "handler"), false);
	Jsonb	   *volatile result = NULL;

	PG_TRY();
	{
		result = tq_handler_call(handler, json_argument(fcinfo, 1), GetUserId(),
								 TQ_CALL_DIRECT, CurrentMemoryContext);
	}
	PG_FINALLY();
	{
		tq_handler_unpin(handler);
	}
	PG_END_TRY();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

Datum
tq_raise_error(PG_FUNCTION_ARGS)
{
	int64		retry_in = tq_arg_interval(fcinfo, 3, "retry_in", TQ_NO_RETRY_IN);

	tq_call_raise(tq_arg_required_text(fcinfo, 0, "kind"), tq_arg_required_text(fcinfo, 1, "message"),
				  tq_arg_bool(fcinfo, 2, false), retry_in,
				  tq_arg_text(fcinfo, 4), tq_arg_text(fcinfo, 5));
}
