/*-------------------------------------------------------------------------
 *
 * errors.c
 *	  Errors as values, and the wording shared by all entry points.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#include "base/errors.h"
#include "base/owner.h"

TqError *
tq_error_make(const char *kind, const char *message, bool retryable)
{
	TqError    *error = palloc0(sizeof(TqError));

	error->kind = pstrdup(kind);
	error->message = pstrdup(message);
	error->retryable = retryable;
	error->retry_in = TQ_NO_RETRY_IN;
	return error;
}

static void
set_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = (text == NULL || text[0] == '\0');
	if (!nulls[i])
		values[i] = CStringGetTextDatum(text);
}

Datum
tq_error_to_datum(const TqError *error)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(tq_type_oid("task_error"), -1);
	Datum		values[7] = {0};
	bool		nulls[7] = {false};
	HeapTuple	tuple;

	values[0] = CStringGetTextDatum(error->kind);
	values[1] = CStringGetTextDatum(error->message ? error->message : "");
	values[2] = BoolGetDatum(error->retryable);
	set_text(values, nulls, 3, error->sqlstate);
	set_text(values, nulls, 4, error->detail);
	set_text(values, nulls, 5, error->hint);
	set_text(values, nulls, 6, error->context);
	tuple = heap_form_tuple(desc, values, nulls);
	ReleaseTupleDesc(desc);
	return HeapTupleGetDatum(tuple);
}

/* At most a third of the name may differ, and never all of it; case hardly counts. */
const char *
tq_error_closest(const char *name, const char *const *candidates, int n)
{
	const char *best = NULL;
	int			limit = Max(1, (int) strlen(name) / 3) + 1;

	if (strlen(name) > 255)
		return NULL;
	for (int i = 0; i < n; i++)
	{
		int			distance;

		if (strlen(candidates[i]) > 255)
			continue;
		distance = varstr_levenshtein_less_equal(name, strlen(name),
												 candidates[i], strlen(candidates[i]),
												 1, 1, 1, limit - 1, true);
		if (pg_strcasecmp(name, candidates[i]) == 0)
			distance = 0;
		if (distance < limit && distance < strlen(name))
		{
			limit = distance;
			best = candidates[i];
		}
		if (limit == 0)
			break;
	}
	return best;
}

void
tq_error_null_argument(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" must not be null", argument)));
	pg_unreachable();
}

void
tq_error_negative_argument(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" must not be negative", argument)));
	pg_unreachable();
}

void
tq_error_if_empty(const char *value, const char *what)
{
	if (value != NULL && value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
}

void
tq_error_reserved_argument(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("argument \"%s\" is not supported yet", argument)));
	pg_unreachable();
}
