/*-------------------------------------------------------------------------
 *
 * misfit.c
 *	  What is said of a JSON value that does not fit its parameter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "handler/convert.h"

#define SHOWN_BYTES		100

static char *
show_value(JsonbValue *value)
{
	Jsonb	   *document;
	char	   *text;
	int			len;

	if (value == NULL)
		return pstrdup("NULL, its default");
	document = JsonbValueToJsonb(value);
	text = JsonbToCString(NULL, &document->root, VARSIZE(document));
	len = strlen(text);
	if (len <= SHOWN_BYTES)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, len, SHOWN_BYTES), text);
}

char *
tq_conversion_detail(const TqConversion *conversion)
{
	const TqParam *param = conversion->param;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "Parameter %d", conversion->position);
	if (param->name != NULL)
		appendStringInfo(&text, " (\"%s\")", param->name);
	appendStringInfo(&text, " of type %s was given %s.",
					 format_type_be(param->type), show_value(conversion->value));
	return text.data;
}

void
tq_convert_misfit(TqConversion *conversion, TqType *type, JsonbValue *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_TQ_ARG_TYPE),
			 errmsg("JSON %s does not fit type %s",
					JsonbTypeName(value), format_type_be(type->oid)),
			 errdetail_internal("%s", tq_conversion_detail(conversion))));
	pg_unreachable();
}

void
tq_convert_out_of_range(TqConversion *conversion, TqType *type, JsonbValue *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_TQ_ARG_TYPE),
			 errmsg("value \"%s\" is out of range for type %s",
					show_value(value), format_type_be(type->oid)),
			 errdetail_internal("%s", tq_conversion_detail(conversion))));
	pg_unreachable();
}

void
tq_convert_bad_array(TqConversion *conversion, TqType *type, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_TQ_ARG_TYPE),
			 errmsg("JSON array does not fit type %s: %s", format_type_be(type->oid), why),
			 errdetail_internal("%s", tq_conversion_detail(conversion))));
	pg_unreachable();
}
