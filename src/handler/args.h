/*-------------------------------------------------------------------------
 *
 * args.h
 *	  From a JSON document to the arguments of a call.
 *
 * Errors: 22023-class ones never; TQ001 wrong number or names, TQ002 a value
 * that does not fit, TQ003 neither array nor object.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ARGS_H
#define TQ_ARGS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "handler/registry.h"

/*
 * Check shape, count, names and castability without running user code.
 * is_reference (may be NULL) says that a top-level value stands for a value
 * that is not known yet: it counts as an argument and is not checked.
 */
typedef bool (*TqIsReference) (JsonbValue *value);

extern void tq_args_check(const TqSignature *signature, Jsonb *args,
						  TqIsReference is_reference);

/*
 * Convert for a call: fills values and nulls for all declared parameters,
 * defaults evaluated, VARIADIC elements collected into an array.  Runs user
 * code (domain checks, defaults), so call it as the task's role.
 */
extern void tq_args_convert(const TqSignature *signature, Jsonb *args,
							Datum *values, bool *nulls);

#endif
