/*-------------------------------------------------------------------------
 *
 * arg.h
 *	  Arguments of SQL-callable functions.
 *
 * No function is STRICT: NULL means "not given".  The functions named
 * "required" raise 22023 for NULL, those that name the argument for a negative
 * value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ARG_H
#define TQ_ARG_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/errors.h"

/* NULL if not given. */
static inline char *
tq_arg_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static inline char *
tq_arg_required_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		tq_error_null_argument(name);
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* An argument called name, of what is called kind. */
static inline char *
tq_arg_required_name(FunctionCallInfo fcinfo, int n, const char *kind, int max_bytes)
{
	char	   *name = tq_arg_required_text(fcinfo, n, "name");

	tq_error_if_empty(name, psprintf("name of a %s", kind));
	if (strlen(name) > max_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a %s is too long", kind),
				 errdetail("It has %zu bytes; at most %d are allowed.", strlen(name), max_bytes)));
	return name;
}

static inline Oid
tq_arg_required_oid(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		tq_error_null_argument(name);
	return PG_GETARG_OID(n);
}

static inline bool
tq_arg_bool(FunctionCallInfo fcinfo, int n, bool not_given)
{
	return PG_ARGISNULL(n) ? not_given : PG_GETARG_BOOL(n);
}

static inline int32
tq_arg_int32(FunctionCallInfo fcinfo, int n, int32 not_given)
{
	return PG_ARGISNULL(n) ? not_given : PG_GETARG_INT32(n);
}

static inline int32
tq_arg_count(FunctionCallInfo fcinfo, int n, const char *name, int32 not_given)
{
	if (PG_ARGISNULL(n))
		return not_given;
	if (PG_GETARG_INT32(n) < 0)
		tq_error_negative_argument(name);
	return PG_GETARG_INT32(n);
}

/* In microseconds. */
static inline int64
tq_arg_interval(FunctionCallInfo fcinfo, int n, const char *name, int64 not_given)
{
	int64		us;

	if (PG_ARGISNULL(n))
		return not_given;
	us = tq_clock_interval_us(PG_GETARG_INTERVAL_P(n));
	if (us < 0)
		tq_error_negative_argument(name);
	return us;
}

static inline int64
tq_arg_required_interval(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		tq_error_null_argument(name);
	return tq_arg_interval(fcinfo, n, name, 0);
}

#endif
