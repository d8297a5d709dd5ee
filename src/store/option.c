/*-------------------------------------------------------------------------
 *
 * option.c
 *	  Checks of options that tasks, steps and DAGs share.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "store/option.h"

static void
check_not_empty(const char *option, const char *value)
{
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must not be empty", option)));
}

void
tq_option_check_target(const char *target)
{
	check_not_empty("target", target);
}

/* The limit is that of NOTIFY. */
void
tq_option_check_reply_to(const char *reply_to)
{
	check_not_empty("reply_to", reply_to);
	if (strlen(reply_to) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is too long", "reply_to"),
				 errdetail("It has %zu bytes; a channel name has at most %d.",
						   strlen(reply_to), NAMEDATALEN - 1)));
}

void
tq_option_check_trace_ctx(Jsonb *trace_ctx)
{
	if (!JB_ROOT_IS_OBJECT(trace_ctx))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a JSON object", "trace_ctx")));
}

void
tq_option_check_timeout(const Interval *timeout)
{
	if (tq_clock_interval_us(timeout) < 0)
		tq_error_negative_argument("timeout");
}

static bool
is_duplicate(Datum *elements, int n)
{
	text	   *label = DatumGetTextPP(elements[n]);

	for (int i = 0; i < n; i++)
	{
		text	   *other = DatumGetTextPP(elements[i]);

		if (VARSIZE_ANY_EXHDR(other) == VARSIZE_ANY_EXHDR(label) &&
			memcmp(VARDATA_ANY(other), VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label)) == 0)
			return true;
	}
	return false;
}

static void
check_label(Datum label)
{
	if (VARSIZE_ANY_EXHDR(DatumGetTextPP(label)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("label must not be empty")));
}

/* Without nulls and duplicates, as all lists of names. */
Datum
tq_option_clean_labels(Datum labels)
{
	ArrayType  *array = DatumGetArrayTypeP(labels);
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			kept = 0;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be a one-dimensional array", "labels")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		check_label(elements[i]);
		elements[kept] = elements[i];
		if (!is_duplicate(elements, kept))
			kept++;
	}
	if (kept == n)
		return PointerGetDatum(array);
	return PointerGetDatum(construct_array(elements, kept, TEXTOID, -1, false, TYPALIGN_INT));
}
