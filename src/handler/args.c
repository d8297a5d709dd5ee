/*-------------------------------------------------------------------------
 *
 * args.c
 *	  From a JSON document to the arguments of a call.
 *
 * First the values of the document are told apart by parameter, by position
 * or by name; then each is checked or converted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "handler/args.h"
#include "handler/call.h"
#include "handler/convert.h"

/* The values of one document, by parameter. */
typedef struct Mapping
{
	const TqSignature *signature;
	JsonbValue *values;			/* of each parameter, */
	bool	   *given;			/* if it is given */
	JsonbValue *elements;		/* of the VARIADIC parameter, given one by one */
	int			nelements;
} Mapping;

/* What is done with them, under guard. */
typedef struct Work
{
	const Mapping *mapping;
	TqConversion conversion;
	TqIsReference is_reference; /* checking only */
	Datum	   *results;		/* converting only */
	bool	   *nulls;
} Work;

static const TqParam *
variadic_param(const TqSignature *signature)
{
	const TqParam *last;

	if (signature->nparams == 0)
		return NULL;
	last = &signature->params[signature->nparams - 1];
	return last->variadic ? last : NULL;
}

static pg_noreturn void
raise_count(const TqSignature *signature, int given)
{
	char	   *wanted;

	if (variadic_param(signature) != NULL)
		wanted = psprintf("at least %d", signature->required);
	else if (signature->required < signature->nparams)
		wanted = psprintf("%d to %d", signature->required, signature->nparams);
	else
		wanted = psprintf("%d", signature->nparams);
	ereport(ERROR,
			(errcode(ERRCODE_TQ_ARG_COUNT),
			 errmsg("wrong number of arguments for handler \"%s\"", signature->handler),
			 errdetail("Number of arguments: wanted %s, given %d.", wanted, given)));
	pg_unreachable();
}

/* A document given to a handler that takes one would be read by parameter name. */
static bool
takes_one_document(const TqSignature *signature)
{
	return signature->nparams == 1 &&
		(signature->params[0].type == JSONBOID || signature->params[0].type == JSONOID);
}

static pg_noreturn void
raise_names(const TqSignature *signature, const char *message, char *detail, char *hint)
{
	if (takes_one_document(signature))
		hint = "An object is read by parameter name; to pass the object itself, wrap it: jsonb_build_array(...).";
	ereport(ERROR,
			(errcode(ERRCODE_TQ_ARG_COUNT),
			 errmsg("%s for handler \"%s\"", message, signature->handler),
			 errdetail_internal("%s", detail),
			 hint != NULL ? errhint("%s", hint) : 0));
	pg_unreachable();
}

static pg_noreturn void
raise_unknown_name(const TqSignature *signature, const char *name)
{
	const char **known = palloc(Max(1, signature->nparams) * sizeof(char *));
	int			n = 0;
	const char *closest;

	for (int i = 0; i < signature->nparams; i++)
		if (signature->params[i].name != NULL)
			known[n++] = signature->params[i].name;
	closest = tq_error_closest(name, known, n);
	raise_names(signature, "unknown argument name",
				psprintf("The handler has no parameter named \"%s\".", name),
				closest != NULL ? psprintf("Did you mean \"%s\"?", closest) : NULL);
}

static pg_noreturn void
raise_missing(const TqSignature *signature, int i)
{
	const TqParam *param = &signature->params[i];

	raise_names(signature, "missing argument",
				param->name != NULL ?
				psprintf("Parameter %d, \"%s\", has no default and is not given.", i + 1, param->name) :
				psprintf("Parameter %d has no default and is not given; it has no name, so the arguments must be an array.", i + 1),
				NULL);
}

static pg_noreturn void
raise_shape(const TqSignature *signature, const char *wanted, const char *given)
{
	ereport(ERROR,
			(errcode(ERRCODE_TQ_DECODE),
			 errmsg("arguments of handler \"%s\" must be a JSON %s, not a JSON %s",
					signature->handler, wanted, given)));
	pg_unreachable();
}

static bool
is_array(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
}

/* Values at and after the place of a VARIADIC parameter, of which there are n. */
static void
map_variadic(Mapping *mapping, JsonbValue *values, int n)
{
	const TqSignature *signature = mapping->signature;
	int			last = signature->nparams - 1;
	Oid			element = get_element_type(signature->params[last].type);

	if (n == 1 && is_array(&values[0]) && getBaseType(element) != JSONBOID &&
		getBaseType(element) != JSONOID)
	{
		mapping->values[last] = values[0];
		mapping->given[last] = true;
		return;
	}
	mapping->elements = values;
	mapping->nelements = n;
}

static void
map_positional(Mapping *mapping, Jsonb *args)
{
	const TqSignature *signature = mapping->signature;
	bool		variadic = variadic_param(signature) != NULL;
	int			fixed = signature->nparams - variadic;
	int			n = JB_ROOT_COUNT(args);
	JsonbIterator *iterator;
	JsonbValue *rest = NULL;
	JsonbValue	value;

	if (n < signature->required || (n > fixed && !variadic))
		raise_count(signature, n);
	if (n > fixed)
		rest = palloc_extended((n - fixed) * sizeof(JsonbValue), MCXT_ALLOC_HUGE);
	iterator = JsonbIteratorInit(&args->root);
	(void) JsonbIteratorNext(&iterator, &value, true);
	for (int i = 0; i < n; i++)
	{
		(void) JsonbIteratorNext(&iterator, i < fixed ? &mapping->values[i] : &rest[i - fixed], true);
		if (i < fixed)
			mapping->given[i] = true;
	}
	if (n > fixed)
		map_variadic(mapping, rest, n - fixed);
}

static int
param_named(const TqSignature *signature, const JsonbValue *key)
{
	for (int i = 0; i < signature->nparams; i++)
	{
		const char *name = signature->params[i].name;

		if (name != NULL && strlen(name) == key->val.string.len &&
			memcmp(name, key->val.string.val, key->val.string.len) == 0)
			return i;
	}
	return -1;
}

static void
map_by_name(Mapping *mapping, Jsonb *args)
{
	const TqSignature *signature = mapping->signature;
	JsonbIterator *iterator = JsonbIteratorInit(&args->root);
	JsonbValue	key;

	(void) JsonbIteratorNext(&iterator, &key, true);
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		int			i = param_named(signature, &key);

		if (i < 0)
			raise_unknown_name(signature, pnstrdup(key.val.string.val, key.val.string.len));
		(void) JsonbIteratorNext(&iterator, &mapping->values[i], true);
		mapping->given[i] = true;
	}
	for (int i = 0; i < signature->nparams; i++)
		if (!mapping->given[i] && !signature->params[i].has_default &&
			!signature->params[i].variadic)
			raise_missing(signature, i);
}

static bool
is_nothing(Jsonb *args)
{
	JsonbValue	value;

	return args == NULL ||
		(JB_ROOT_IS_SCALAR(args) && JsonbExtractScalar(&args->root, &value) &&
		 value.type == jbvNull);
}

/* Raises unless args is an array, or an object where one is possible. */
static void
check_shape(const TqSignature *signature, Jsonb *args)
{
	if (JB_ROOT_IS_SCALAR(args))
	{
		JsonbValue	value;

		(void) JsonbExtractScalar(&args->root, &value);
		raise_shape(signature, "array or object", JsonbTypeName(&value));
	}
	if (JB_ROOT_IS_OBJECT(args) && signature->kind == TQ_HANDLER_EXTERNAL && !signature->any_args)
		raise_shape(signature, "array", "object");
}

static void
map(Mapping *mapping, const TqSignature *signature, Jsonb *args)
{
	int			n = Max(1, signature->nparams);

	mapping->signature = signature;
	mapping->values = palloc(n * sizeof(JsonbValue));
	mapping->given = palloc0(n * sizeof(bool));
	mapping->elements = NULL;
	mapping->nelements = 0;
	if (is_nothing(args))
	{
		if (signature->required > 0)
			raise_count(signature, 0);
		return;
	}
	check_shape(signature, args);
	if (signature->any_args)
		return;
	if (JB_ROOT_IS_OBJECT(args))
		map_by_name(mapping, args);
	else
		map_positional(mapping, args);
}

static void
raise_strict(const TqConversion *conversion)
{
	ereport(ERROR,
			(errcode(ERRCODE_TQ_ARG_TYPE),
			 errmsg("a strict function does not accept null"),
			 errdetail_internal("%s", tq_conversion_detail(conversion))));
}

/* Input functions and domain constraints say what they do not like, but not where. */
static void
name_argument(ErrorData *edata, void *arg)
{
	Work	   *work = arg;
	char	   *detail = tq_conversion_detail(&work->conversion);

	edata->sqlerrcode = ERRCODE_TQ_ARG_TYPE;
	edata->detail = edata->detail != NULL ? psprintf("%s\n%s", detail, edata->detail) : detail;
}

static void
visit(Work *work, int i)
{
	TqConversion *conversion = &work->conversion;

	conversion->position = i + 1;
	conversion->param = &work->mapping->signature->params[i];
	conversion->value = &work->mapping->values[i];
}

static bool
is_reference(const Work *work, JsonbValue *value)
{
	return work->is_reference != NULL && work->is_reference(value);
}

static void
check_elements(Work *work)
{
	const Mapping *mapping = work->mapping;

	for (int i = 0; i < mapping->nelements; i++)
	{
		if (is_reference(work, &mapping->elements[i]))
			continue;
		visit(work, mapping->signature->nparams - 1);
		(void) tq_convert_elements(&work->conversion, work->conversion.param->type_info,
								   &mapping->elements[i], 1);
	}
}

static void
check_work(void *arg)
{
	Work	   *work = arg;
	const Mapping *mapping = work->mapping;
	bool		isnull;

	for (int i = 0; i < mapping->signature->nparams; i++)
	{
		if (!mapping->given[i] || is_reference(work, &mapping->values[i]))
			continue;
		visit(work, i);
		(void) tq_convert_value(&work->conversion, work->conversion.param->type_info, -1,
								&mapping->values[i], &isnull);
		if (isnull && mapping->signature->strict)
			raise_strict(&work->conversion);
	}
	check_elements(work);
}

static void
convert_work(void *arg)
{
	Work	   *work = arg;
	const Mapping *mapping = work->mapping;

	for (int i = 0; i < mapping->signature->nparams; i++)
	{
		TqType	   *type = mapping->signature->params[i].type_info;

		if (mapping->given[i])
		{
			visit(work, i);
			work->results[i] = tq_convert_value(&work->conversion, type, -1,
												&mapping->values[i], &work->nulls[i]);
		}
		else if (mapping->signature->params[i].variadic &&
				 (mapping->nelements > 0 || !mapping->signature->params[i].has_default))
		{
			visit(work, i);
			work->results[i] = tq_convert_elements(&work->conversion, type,
												   mapping->elements, mapping->nelements);
			work->nulls[i] = false;
		}
	}
}

/* Most defaults are constants; the others are planned and evaluated each time. */
static Datum
evaluate_default(const TqParam *param, bool *isnull)
{
	int16		len;
	bool		by_value;
	EState	   *estate;
	ExprState  *state;
	Datum		value;

	if (IsA(param->default_expr, Const))
	{
		Const	   *constant = (Const *) param->default_expr;

		*isnull = constant->constisnull;
		return constant->constvalue;
	}
	get_typlenbyval(param->type, &len, &by_value);
	estate = CreateExecutorState();
	state = ExecPrepareExpr((Expr *) param->default_expr, estate);
	value = ExecEvalExprSwitchContext(state, GetPerTupleExprContext(estate), isnull);
	if (!*isnull)
		value = datumCopy(value, by_value, len);
	FreeExecutorState(estate);
	return value;
}

static void
fill_defaults(Work *work)
{
	const Mapping *mapping = work->mapping;
	const TqSignature *signature = mapping->signature;

	for (int i = 0; i < signature->nparams; i++)
	{
		const TqParam *param = &signature->params[i];

		if (!mapping->given[i] && param->has_default &&
			!(param->variadic && mapping->nelements > 0))
		{
			work->results[i] = evaluate_default(param, &work->nulls[i]);
			visit(work, i);
			work->conversion.value = NULL;
		}
		else
			visit(work, i);
		if (work->nulls[i] && signature->strict)
			raise_strict(&work->conversion);
	}
}

void
tq_args_check(const TqSignature *signature, Jsonb *args, TqIsReference is_reference)
{
	Mapping		mapping;
	Work		work = {.mapping = &mapping, .is_reference = is_reference};

	map(&mapping, signature, args);
	work.conversion.check_only = true;
	tq_call_guard(check_work, name_argument, &work);
}

void
tq_args_convert(const TqSignature *signature, Jsonb *args, Datum *values, bool *nulls)
{
	Mapping		mapping;
	Work		work = {.mapping = &mapping, .results = values, .nulls = nulls};

	map(&mapping, signature, args);
	tq_call_guard(convert_work, name_argument, &work);
	fill_defaults(&work);
}
