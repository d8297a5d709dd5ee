/*-------------------------------------------------------------------------
 *
 * signature.c
 *	  Functions as handlers: what they take and give, and how to find them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "handler/registry.h"

static bool
is_pseudo_type(Oid type)
{
	return get_typtype(type) == TYPTYPE_PSEUDO;
}

/* Why a function cannot be a handler whatever its parameters are; NULL if it can. */
static const char *
refusal_by_kind(Form_pg_proc proc)
{
	if (proc->prokind == PROKIND_AGGREGATE)
		return "it is an aggregate function";
	if (proc->prokind == PROKIND_WINDOW)
		return "it is a window function";
	if (proc->prorettype == TRIGGEROID)
		return "it is a trigger function";
	if (proc->prorettype == EVENT_TRIGGEROID)
		return "it is an event trigger function";
	if (proc->proretset)
		return "it returns a set";
	if (isAnyTempNamespace(proc->pronamespace))
		return "it is a temporary function";
	return NULL;
}

/* The same by parameters and result; names is proargnames or NULL. */
static char *
refusal_by_types(HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

	if (!heap_attisnull(tuple, Anum_pg_proc_proargmodes, NULL))
	{
		Oid		   *types;
		char	  **names;
		char	   *modes;
		int			n = get_func_arg_info(tuple, &types, &names, &modes);

		for (int i = 0; i < n; i++)
			if (modes[i] != PROARGMODE_IN && modes[i] != PROARGMODE_VARIADIC)
				return psprintf("parameter %d is an %s parameter", i + 1,
								modes[i] == PROARGMODE_INOUT ? "INOUT" : "OUT");
	}
	for (int i = 0; i < proc->pronargs; i++)
		if (is_pseudo_type(proc->proargtypes.values[i]))
			return psprintf("parameter %d has the pseudo-type %s", i + 1,
							format_type_be(proc->proargtypes.values[i]));
	if (proc->prorettype != VOIDOID && OidIsValid(proc->prorettype) &&
		proc->prokind != PROKIND_PROCEDURE && is_pseudo_type(proc->prorettype))
		return psprintf("its result has the pseudo-type %s", format_type_be(proc->prorettype));
	return NULL;
}

/*
 * The input collation that a call with constants as arguments would have: that
 * of the parameter types; none if two differ that are not the default.
 */
static Oid
call_collation(const Oid *types, int ntypes)
{
	Oid			collation = InvalidOid;

	for (int i = 0; i < ntypes; i++)
	{
		Oid			mine = get_typcollation(types[i]);

		if (!OidIsValid(mine) || mine == collation)
			continue;
		if (!OidIsValid(collation) || collation == DEFAULT_COLLATION_OID)
			collation = mine;
		else if (mine != DEFAULT_COLLATION_OID)
			return InvalidOid;
	}
	return collation;
}

/* The defaults belong to the last parameters. */
static void
set_defaults(TqSignature *signature, HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	bool		isnull;
	Datum		stored;
	List	   *defaults;
	ListCell   *cell;
	int			i = proc->pronargs - proc->pronargdefaults;

	stored = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargdefaults, &isnull);
	if (isnull)
		return;
	defaults = castNode(List, stringToNode(TextDatumGetCString(stored)));
	foreach(cell, defaults)
	{
		signature->params[i].has_default = true;
		signature->params[i++].default_expr = lfirst(cell);
	}
}

static void
set_params(TqSignature *signature, HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	Oid		   *types;
	char	  **names;
	char	   *modes;

	signature->nparams = get_func_arg_info(tuple, &types, &names, &modes);
	signature->params = palloc0(Max(1, signature->nparams) * sizeof(TqParam));
	for (int i = 0; i < signature->nparams; i++)
	{
		TqParam    *param = &signature->params[i];

		param->type = types[i];
		param->type_info = tq_type_get(types[i]);
		if (names != NULL && names[i][0] != '\0')
			param->name = names[i];
		param->variadic = OidIsValid(proc->provariadic) && i == signature->nparams - 1;
	}
	if (proc->pronargdefaults > 0)
		set_defaults(signature, tuple);
	for (int i = 0; i < signature->nparams; i++)
		if (!signature->params[i].has_default && !signature->params[i].variadic)
			signature->required++;
	signature->collation = call_collation(types, signature->nparams);
}

static TqSignature *
analyse(Oid function, HeapTuple tuple)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	bool		procedure = (proc->prokind == PROKIND_PROCEDURE);
	TqSignature *signature = palloc0(sizeof(TqSignature));

	signature->function = function;
	signature->kind = procedure ? TQ_HANDLER_PROCEDURE : TQ_HANDLER_FUNCTION;
	signature->strict = proc->proisstrict;
	if (!procedure && proc->prorettype != VOIDOID)
	{
		signature->has_result = true;
		signature->result_type = proc->prorettype;
	}
	/* The server allows no COMMIT where it has to restore settings or the user at the end. */
	signature->may_commit = procedure && !proc->prosecdef &&
		heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	set_params(signature, tuple);
	return signature;
}

TqSignature *
tq_signature_try(Oid function, char **reason)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	const char *refusal;
	TqSignature *signature = NULL;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	refusal = refusal_by_kind((Form_pg_proc) GETSTRUCT(tuple));
	*reason = refusal != NULL ? pstrdup(refusal) : refusal_by_types(tuple);
	if (*reason == NULL)
		signature = analyse(function, tuple);
	ReleaseSysCache(tuple);
	return signature;
}

TqSignature *
tq_signature_of_function(Oid function)
{
	char	   *reason;
	TqSignature *signature = tq_signature_try(function, &reason);

	if (signature == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s cannot be a handler: %s", format_procedure(function), reason)));
	return signature;
}

TqSignature *
tq_signature_of_external(const Oid *types, int ntypes)
{
	TqSignature *signature = palloc0(sizeof(TqSignature));

	signature->kind = TQ_HANDLER_EXTERNAL;
	signature->nparams = ntypes;
	signature->required = ntypes;
	signature->params = palloc0(Max(1, ntypes) * sizeof(TqParam));
	for (int i = 0; i < ntypes; i++)
	{
		signature->params[i].type = types[i];
		signature->params[i].type_info = tq_type_get(types[i]);
	}
	return signature;
}

void
tq_signature_check_type(Oid type, const char *what)
{
	if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type with OID %u does not exist", type)));
	if (is_pseudo_type(type) || !get_typisdefined(type))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s cannot be of type %s", what, format_type_be(type))));
}

char *
tq_handler_canonical_name(Oid function)
{
	char	   *name = get_func_name(function);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	return psprintf("%s.%s", get_namespace_name(get_func_namespace(function)), name);
}

Oid
tq_function_find(const char *schema, const char *name, const Oid *types, int ntypes)
{
	Oid			namespace = get_namespace_oid(schema, true);

	if (!OidIsValid(namespace))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(types, ntypes)),
						   ObjectIdGetDatum(namespace));
}

/* One of the functions of that name, in that schema or (InvalidOid) visible, that can be a handler. */
static Oid
any_function(Oid namespace, const char *name)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);
		char	   *reason;

		if (OidIsValid(namespace) ? proc->pronamespace != namespace : !FunctionIsVisible(proc->oid))
			continue;
		if (tq_signature_try(proc->oid, &reason) != NULL)
			found = proc->oid;
	}
	ReleaseSysCacheList(list);
	return found;
}

/* Canonical names are not quoted, so any dot may be the one between the two parts. */
Oid
tq_function_named(const char *name)
{
	Oid			found;

	if (strlen(name) < NAMEDATALEN)
	{
		found = any_function(InvalidOid, name);
		if (OidIsValid(found))
			return found;
	}
	for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
	{
		Oid			namespace;

		if (dot - name >= NAMEDATALEN || strlen(dot + 1) >= NAMEDATALEN)
			continue;
		namespace = get_namespace_oid(pnstrdup(name, dot - name), true);
		if (!OidIsValid(namespace))
			continue;
		found = any_function(namespace, dot + 1);
		if (OidIsValid(found))
			return found;
	}
	return InvalidOid;
}
