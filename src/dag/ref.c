/*-------------------------------------------------------------------------
 *
 * ref.c
 *	  References to the results of steps and to signals, in arguments.
 *
 * The form of a reference is {"$task_queue_ref": [kind, names, …]}, where
 * names is an array of step ids (as stored: numbers) or of one signal, and a
 * default follows as third element.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "dag/ref.h"

#define RESERVED_KEY	"$task_queue_ref"
#define RESERVED_LEN	(sizeof(RESERVED_KEY) - 1)

static const char *const kind_names[] = {
	[TQ_REF_STEP] = "ref",
	[TQ_REF_DEFAULT] = "ref_or_default",
	[TQ_REF_STEPS] = "refs",
	[TQ_REF_SIGNAL] = "signal_ref"
};

static void
set_string(JsonbValue *value, const char *string)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = strlen(string);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *string)
{
	JsonbValue	value;

	set_string(&value, string);
	(void) pushJsonbValue(state, token, &value);
}

static void
push_number(JsonbParseState **state, int32 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	(void) pushJsonbValue(state, WJB_ELEM, &value);
}

Jsonb *
tq_ref_make(const TqRef *ref)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, WJB_KEY, RESERVED_KEY);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	push_string(&state, WJB_ELEM, kind_names[ref->kind]);
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < ref->n; i++)
	{
		if (ref->names != NULL)
			push_string(&state, WJB_ELEM, ref->names[i]);
		else
			push_number(&state, ref->step_nos[i]);
	}
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	if (ref->kind == TQ_REF_DEFAULT)
		(void) pushJsonbValue(&state, WJB_ELEM, ref->fallback);
	(void) pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
tq_ref_value(JsonbValue *value)
{
	return JsonbValueToJsonb(value);
}

Jsonb *
tq_ref_null(void)
{
	JsonbValue	value = {.type = jbvNull};

	return JsonbValueToJsonb(&value);
}

static pg_noreturn void
malformed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed reference in arguments"),
			 errhint("Make references with task_queue.ref(), ref_or_default(), refs() and signal_ref().")));
}

bool
tq_ref_is_reference(JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
		getKeyJsonValueFromContainer(value->val.binary.data, RESERVED_KEY, RESERVED_LEN, NULL) != NULL;
}

/* Is the reserved key anywhere in there? */
static bool
has_reserved_key(JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY && value.val.string.len == RESERVED_LEN &&
			memcmp(value.val.string.val, RESERVED_KEY, RESERVED_LEN) == 0)
			return true;
	}
	return false;
}

static bool
contains_reference(JsonbValue *value)
{
	return value->type == jbvBinary && has_reserved_key(value->val.binary.data);
}

static bool
parse_kind(JsonbValue *value, TqRefKind *kind)
{
	if (value == NULL || value->type != jbvString)
		return false;
	for (int i = 0; i < lengthof(kind_names); i++)
	{
		if (value->val.string.len == strlen(kind_names[i]) &&
			memcmp(value->val.string.val, kind_names[i], value->val.string.len) == 0)
		{
			*kind = i;
			return true;
		}
	}
	return false;
}

static void
parse_names(JsonbValue *value, TqRef *ref)
{
	JsonbContainer *names;

	if (value == NULL || value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		malformed();
	names = value->val.binary.data;
	ref->n = JsonContainerSize(names);
	ref->names = palloc0((ref->n + 1) * sizeof(char *));
	ref->step_nos = palloc0((ref->n + 1) * sizeof(int32));
	for (int i = 0; i < ref->n; i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(names, i);

		if (name->type == jbvString)
			ref->names[i] = pnstrdup(name->val.string.val, name->val.string.len);
		else if (name->type == jbvNumeric)
			ref->step_nos[i] = numeric_int4_opt_error(name->val.numeric, NULL);
		else
			malformed();
	}
	if (ref->n > 0 && ref->names[0] == NULL)
		ref->names = NULL;
}

/* A top-level element that is a reference. */
static void
parse_reference(JsonbValue *value, TqRef *ref)
{
	JsonbContainer *object = value->val.binary.data;
	JsonbValue *body = getKeyJsonValueFromContainer(object, RESERVED_KEY, RESERVED_LEN, NULL);
	JsonbContainer *parts;
	int			size;

	if (JsonContainerSize(object) != 1 || body->type != jbvBinary ||
		!JsonContainerIsArray(body->val.binary.data))
		malformed();
	parts = body->val.binary.data;
	size = JsonContainerSize(parts);
	memset(ref, 0, sizeof(TqRef));
	if (size < 2 || !parse_kind(getIthJsonbValueFromContainer(parts, 0), &ref->kind) ||
		size != (ref->kind == TQ_REF_DEFAULT ? 3 : 2))
		malformed();
	parse_names(getIthJsonbValueFromContainer(parts, 1), ref);
	if (ref->kind != TQ_REF_STEPS && ref->n != 1)
		malformed();
	if (ref->kind == TQ_REF_DEFAULT)
	{
		ref->fallback = getIthJsonbValueFromContainer(parts, 2);
		if (contains_reference(ref->fallback))
			malformed();
	}
}

static void
check_element(JsonbValue *value)
{
	TqRef		ref;

	if (tq_ref_is_reference(value))
	{
		parse_reference(value, &ref);
		if (ref.names == NULL && ref.n > 0)
			malformed();		/* numbers are for us only */
	}
	else if (contains_reference(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reference below the top level of arguments"),
				 errhint("A reference must be an element of the args array, or a value of the args object.")));
}

bool
tq_ref_check(Jsonb *args)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;

	/* Most arguments have none. */
	if (!has_reserved_key(&args->root))
		return false;
	if (JsonContainerIsObject(&args->root) &&
		getKeyJsonValueFromContainer(&args->root, RESERVED_KEY, RESERVED_LEN, NULL) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments must not be a reference themselves"),
				 errhint("Wrap it: jsonb_build_array(task_queue.ref(...)).")));

	it = JsonbIteratorInit(&args->root);
	(void) JsonbIteratorNext(&it, &value, false);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM || token == WJB_VALUE)
			check_element(&value);
	}
	return true;
}

void
tq_ref_visit(Jsonb *args, TqRefVisit visit, void *arg)
{
	JsonbIterator *it = JsonbIteratorInit(&args->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	TqRef		ref;

	(void) JsonbIteratorNext(&it, &value, false);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if ((token == WJB_ELEM || token == WJB_VALUE) && tq_ref_is_reference(&value))
		{
			parse_reference(&value, &ref);
			visit(&ref, arg);
		}
	}
}

Jsonb *
tq_ref_rewrite(Jsonb *args, TqRefReplace replace, void *arg)
{
	JsonbIterator *it = JsonbIteratorInit(&args->root);
	JsonbParseState *state = NULL;
	JsonbValue *result;
	JsonbIteratorToken token;
	JsonbValue	value;
	TqRef		ref;

	token = JsonbIteratorNext(&it, &value, false);
	(void) pushJsonbValue(&state, token, NULL);
	for (;;)
	{
		token = JsonbIteratorNext(&it, &value, true);
		if ((token == WJB_ELEM || token == WJB_VALUE) && tq_ref_is_reference(&value))
		{
			parse_reference(&value, &ref);
			JsonbToJsonbValue(replace(&ref, arg), &value);
		}
		result = pushJsonbValue(&state, token,
								token == WJB_END_ARRAY || token == WJB_END_OBJECT ? NULL : &value);
		if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			return JsonbValueToJsonb(result);
	}
}
