/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  From one JSON value to a value of a type.
 *
 * When only checking, everything is looked at, but arrays and rows are not
 * put together and domain constraints are left alone, except NOT NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "handler/convert.h"

/* An array under construction, its elements in storage order. */
typedef struct ArrayBuild
{
	TqConversion *conversion;
	TqType	   *array;
	TqType	   *element;
	int32		typmod;			/* of the elements */
	int			ndim;
	int			dims[MAXDIM];
	Datum	   *values;
	bool	   *nulls;
	int			n;
	int			allocated;
} ArrayBuild;

/* What domain_check() remembers between calls. */
typedef struct DomainState
{
	Oid			domain;
	void	   *extra;
} DomainState;

static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

static char *
number_text(const JsonbValue *value)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out,
											   NumericGetDatum(value->val.numeric)));
}

static char *
string_text(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static Datum
from_text(TqType *type, int32 typmod, char *text)
{
	return InputFunctionCall(&type->input, text, type->input_param, typmod);
}

/*
 * The whole number that a text like -123 stands for; false: out of the range
 * of bigint.  Negative numbers reach one further, so count downwards.
 */
static bool
parse_whole(const char *digits, int64 *number)
{
	bool		negative = (*digits == '-');
	int64		sum = 0;

	for (digits += negative; *digits != '\0'; digits++)
	{
		if (pg_mul_s64_overflow(sum, 10, &sum) ||
			pg_sub_s64_overflow(sum, *digits - '0', &sum))
			return false;
	}
	if (!negative && sum == PG_INT64_MIN)
		return false;
	*number = negative ? sum : -sum;
	return true;
}

/* Takes what jsonb prints without a decimal point. */
static int64
whole_number(TqConversion *conversion, TqType *type, JsonbValue *value, int64 low, int64 high)
{
	char	   *text = number_text(value);
	int64		number;

	if (strchr(text, '.') != NULL)
		tq_convert_misfit(conversion, type, value);
	if (!parse_whole(text, &number) || number < low || number > high)
		tq_convert_out_of_range(conversion, type, value);
	return number;
}

static Datum
to_integer(TqConversion *conversion, TqType *type, JsonbValue *value)
{
	if (value->type != jbvNumeric)
		tq_convert_misfit(conversion, type, value);
	switch (type->oid)
	{
		case INT2OID:
			return Int16GetDatum((int16) whole_number(conversion, type, value,
													  PG_INT16_MIN, PG_INT16_MAX));
		case INT4OID:
			return Int32GetDatum((int32) whole_number(conversion, type, value,
													  PG_INT32_MIN, PG_INT32_MAX));
		default:
			return Int64GetDatum(whole_number(conversion, type, value,
											  PG_INT64_MIN, PG_INT64_MAX));
	}
}

static bool
is_special_number(const char *text)
{
	return strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
		strcmp(text, "-Infinity") == 0;
}

/* Floating point and numeric. */
static Datum
to_number(TqConversion *conversion, TqType *type, int32 typmod, JsonbValue *value)
{
	char	   *text;

	if (value->type == jbvNumeric)
	{
		if (type->class == TQ_TYPE_NUMERIC && typmod < 0)
			return datumCopy(NumericGetDatum(value->val.numeric), false, -1);
		return from_text(type, typmod, number_text(value));
	}
	if (value->type != jbvString)
		tq_convert_misfit(conversion, type, value);
	text = string_text(value);
	if (!is_special_number(text))
		tq_convert_misfit(conversion, type, value);
	return from_text(type, typmod, text);
}

static Datum
json_value(TqType *type, JsonbValue *value)
{
	Jsonb	   *document = JsonbValueToJsonb(value);

	if (type->class == TQ_TYPE_JSONB)
		return JsonbPGetDatum(document);
	return CStringGetTextDatum(JsonbToCString(NULL, &document->root, VARSIZE(document)));
}

static Datum
to_text(TqConversion *conversion, TqType *type, int32 typmod, JsonbValue *value)
{
	if (value->type != jbvString)
		tq_convert_misfit(conversion, type, value);
	if (type->class == TQ_TYPE_TEXT)
		return PointerGetDatum(cstring_to_text_with_len(value->val.string.val,
														value->val.string.len));
	return from_text(type, typmod, string_text(value));
}

/* oid and reg*: also their number. */
static Datum
to_oid(TqConversion *conversion, TqType *type, int32 typmod, JsonbValue *value)
{
	if (value->type == jbvNumeric)
		return ObjectIdGetDatum((Oid) whole_number(conversion, type, value, 0, PG_UINT32_MAX));
	return to_text(conversion, type, typmod, value);
}

static void
add_element(ArrayBuild *build, JsonbValue *value)
{
	bool		isnull;
	Datum		datum = tq_convert_value(build->conversion, build->element,
										 build->typmod, value, &isnull);

	if (isnull && build->array->class == TQ_TYPE_VECTOR)
		tq_convert_bad_array(build->conversion, build->array, "it takes no null");
	if (build->conversion->check_only)
		return;
	if (build->n == build->allocated)
	{
		build->allocated = Max(16, build->allocated * 2);
		if (build->values == NULL)
		{
			build->values = palloc_extended(build->allocated * sizeof(Datum), MCXT_ALLOC_HUGE);
			build->nulls = palloc_extended(build->allocated * sizeof(bool), MCXT_ALLOC_HUGE);
		}
		else
		{
			build->values = repalloc_huge(build->values, build->allocated * sizeof(Datum));
			build->nulls = repalloc_huge(build->nulls, build->allocated * sizeof(bool));
		}
	}
	build->values[build->n] = datum;
	build->nulls[build->n++] = isnull;
}

static Datum
finish_array(ArrayBuild *build)
{
	int			lower[MAXDIM];
	TqType	   *element = build->element;
	int			base = 1;

	if (build->conversion->check_only)
		return (Datum) 0;
	if (build->array->class == TQ_TYPE_VECTOR)
		base = 0;
	else if (build->n == 0)
		return PointerGetDatum(construct_empty_array(element->oid));
	for (int i = 0; i < build->ndim; i++)
		lower[i] = base;
	return PointerGetDatum(construct_md_array(build->values, build->nulls, build->ndim,
											  build->dims, lower, element->oid,
											  element->len, element->by_value,
											  element->align));
}

static void
begin_array(ArrayBuild *build, TqConversion *conversion, TqType *array, int32 typmod)
{
	MemSet(build, 0, sizeof(ArrayBuild));
	build->conversion = conversion;
	build->array = array;
	build->typmod = typmod;
	build->element = tq_type_get(array->related);
}

/* The dimensions are those of the first elements; whether the others agree is seen when they are read. */
static void
measure_array(ArrayBuild *build, JsonbValue *value)
{
	bool		nested = !tq_type_takes_array(build->element);
	JsonbContainer *container = value->val.binary.data;

	for (;;)
	{
		JsonbValue *first;

		if (build->ndim == MAXDIM)
			tq_convert_bad_array(build->conversion, build->array, "it has too many dimensions");
		build->dims[build->ndim++] = JsonContainerSize(container);
		if (!nested || JsonContainerSize(container) == 0)
			return;
		first = getIthJsonbValueFromContainer(container, 0);
		if (!is_array(first))
			return;
		container = first->val.binary.data;
	}
}

static void
read_array(ArrayBuild *build, JsonbContainer *container, int level)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbValue	value;

	if (JsonContainerSize(container) != build->dims[level])
		tq_convert_bad_array(build->conversion, build->array,
						"nested arrays must be of equal length");
	(void) JsonbIteratorNext(&iterator, &value, true);
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
	{
		if (level == build->ndim - 1)
			add_element(build, &value);
		else if (is_array(&value))
			read_array(build, value.val.binary.data, level + 1);
		else
			tq_convert_bad_array(build->conversion, build->array,
							"nested arrays must be of equal depth");
	}
}

static Datum
to_array(TqConversion *conversion, TqType *type, int32 typmod, JsonbValue *value)
{
	ArrayBuild	build;

	if (!is_array(value))
		tq_convert_misfit(conversion, type, value);
	begin_array(&build, conversion, type, typmod);
	measure_array(&build, value);
	if (type->class == TQ_TYPE_VECTOR && build.ndim > 1)
		tq_convert_bad_array(conversion, type, "it has one dimension");
	read_array(&build, value->val.binary.data, 0);
	return finish_array(&build);
}

Datum
tq_convert_elements(TqConversion *conversion, TqType *array, JsonbValue *values, int nvalues)
{
	ArrayBuild	build;

	tq_type_refresh(array);
	begin_array(&build, conversion, array, -1);
	build.ndim = 1;
	build.dims[0] = nvalues;
	for (int i = 0; i < nvalues; i++)
	{
		conversion->value = &values[i];
		add_element(&build, &values[i]);
	}
	return finish_array(&build);
}

static Datum
to_composite(TqConversion *conversion, TqType *type, JsonbValue *value)
{
	TupleDesc	desc;
	Datum	   *values;
	bool	   *nulls;
	Datum		row = (Datum) 0;

	if (!is_object(value))
		tq_convert_misfit(conversion, type, value);
	desc = lookup_rowtype_tupdesc(type->oid, -1);
	values = palloc0(desc->natts * sizeof(Datum));
	nulls = palloc(desc->natts * sizeof(bool));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		char	   *name = NameStr(attr->attname);
		JsonbValue *field = NULL;

		nulls[i] = true;
		if (attr->attisdropped)
			continue;
		field = getKeyJsonValueFromContainer(value->val.binary.data, name, strlen(name), NULL);
		values[i] = tq_convert_value(conversion, tq_type_get(attr->atttypid),
									 attr->atttypmod, field, &nulls[i]);
	}
	if (!conversion->check_only)
		row = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	ReleaseTupleDesc(desc);
	return row;
}

static void **
domain_state(TqConversion *conversion, Oid domain)
{
	ListCell   *cell;
	DomainState *state;

	foreach(cell, conversion->domains)
	{
		state = lfirst(cell);
		if (state->domain == domain)
			return &state->extra;
	}
	state = palloc0(sizeof(DomainState));
	state->domain = domain;
	conversion->domains = lappend(conversion->domains, state);
	return &state->extra;
}

static Datum
to_domain(TqConversion *conversion, TqType *type, JsonbValue *value, bool *isnull)
{
	Datum		datum = tq_convert_value(conversion, tq_type_get(type->related),
										 type->base_typmod, value, isnull);

	if (!conversion->check_only)
		domain_check(datum, *isnull, type->oid, domain_state(conversion, type->oid),
					 CurrentMemoryContext);
	else if (*isnull && type->not_null)
		ereport(ERROR,
				(errcode(ERRCODE_TQ_ARG_TYPE),
				 errmsg("domain %s does not allow null values", format_type_be(type->oid)),
				 errdetail_internal("%s", tq_conversion_detail(conversion))));
	return datum;
}

static Datum
to_boolean(TqConversion *conversion, TqType *type, JsonbValue *value)
{
	if (value->type != jbvBool)
		tq_convert_misfit(conversion, type, value);
	return BoolGetDatum(value->val.boolean);
}

/* value NULL stands for an absent field of a row: it is null. */
Datum
tq_convert_value(TqConversion *conversion, TqType *type, int32 typmod,
				 JsonbValue *value, bool *isnull)
{
	check_stack_depth();
	tq_type_refresh(type);
	if (type->class == TQ_TYPE_DOMAIN)
		return to_domain(conversion, type, value, isnull);

	*isnull = (value == NULL || value->type == jbvNull);
	if (*isnull)
		return (Datum) 0;
	switch (type->class)
	{
		case TQ_TYPE_INTEGER:
			return to_integer(conversion, type, value);
		case TQ_TYPE_FLOAT:
		case TQ_TYPE_NUMERIC:
			return to_number(conversion, type, typmod, value);
		case TQ_TYPE_BOOLEAN:
			return to_boolean(conversion, type, value);
		case TQ_TYPE_JSON:
		case TQ_TYPE_JSONB:
			return json_value(type, value);
		case TQ_TYPE_OID:
			return to_oid(conversion, type, typmod, value);
		case TQ_TYPE_ARRAY:
		case TQ_TYPE_VECTOR:
			return to_array(conversion, type, typmod, value);
		case TQ_TYPE_COMPOSITE:
			return to_composite(conversion, type, value);
		default:
			return to_text(conversion, type, typmod, value);
	}
}
