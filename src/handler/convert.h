/*-------------------------------------------------------------------------
 *
 * convert.h
 *	  From one JSON value to a value of a type.
 *
 * What to_jsonb() writes for a built-in type is accepted for that type.
 * Numbers never pass through floating point on their way to an exact type.
 *
 * A value that does not fit raises TQ002 if it is seen here; what an input
 * function or a domain's constraint raises passes unchanged, and args.c, which
 * knows the parameter, makes a TQ002 of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CONVERT_H
#define TQ_CONVERT_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "handler/registry.h"
#include "handler/types.h"

/* One pass over the arguments of a call, and the one it is at. */
typedef struct TqConversion
{
	bool		check_only;		/* no value is made and no user code runs, but for input functions */
	int			position;		/* counted from 1 */
	const TqParam *param;
	JsonbValue *value;			/* NULL: not given */
	List	   *domains;		/* private: what is known of the domains met */
} TqConversion;

/* palloc'd in the current context; shares nothing with the JSON document. */
extern Datum tq_convert_value(TqConversion *conversion, TqType *type, int32 typmod,
							  JsonbValue *value, bool *isnull);

/* A one-dimensional array of some values. */
extern Datum tq_convert_elements(TqConversion *conversion, TqType *array,
								 JsonbValue *values, int nvalues);

/* For messages: position, name and type of the parameter, and the value, cut. */
extern char *tq_conversion_detail(const TqConversion *conversion);

/* All raise TQ002. */
extern pg_noreturn void tq_convert_misfit(TqConversion *conversion, TqType *type, JsonbValue *value);
extern pg_noreturn void tq_convert_out_of_range(TqConversion *conversion, TqType *type, JsonbValue *value);
extern pg_noreturn void tq_convert_bad_array(TqConversion *conversion, TqType *type, const char *why);

#endif
