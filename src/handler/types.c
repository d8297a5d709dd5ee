/*-------------------------------------------------------------------------
 *
 * types.c
 *	  What has to be known of a type to make a value of it from JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#include "handler/types.h"

static HTAB *types = NULL;

/* Rises with every invalidation, so that one that arrives during a load is noticed. */
static uint64 invalidations = 0;

static void
forget(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS scan;
	TqType	   *type;

	invalidations++;
	if (types == NULL)
		return;
	hash_seq_init(&scan, types);
	while ((type = hash_seq_search(&scan)) != NULL)
	{
		uint32		mine = (cacheid == TYPEOID) ? type->type_hash : type->input_hash;

		if (hashvalue == 0 || mine == hashvalue)
			type->valid = false;
	}
}

void
tq_types_init(void)
{
	CacheRegisterSyscacheCallback(TYPEOID, forget, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget, (Datum) 0);
}

static TqTypeClass
classify(Oid oid, char typtype)
{
	switch (oid)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return TQ_TYPE_INTEGER;
		case FLOAT4OID:
		case FLOAT8OID:
			return TQ_TYPE_FLOAT;
		case NUMERICOID:
			return TQ_TYPE_NUMERIC;
		case BOOLOID:
			return TQ_TYPE_BOOLEAN;
		case TEXTOID:
			return TQ_TYPE_TEXT;
		case JSONOID:
			return TQ_TYPE_JSON;
		case JSONBOID:
			return TQ_TYPE_JSONB;
		case OIDOID:
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
			return TQ_TYPE_OID;
		case INT2VECTOROID:
		case OIDVECTOROID:
			return TQ_TYPE_VECTOR;
		default:
			break;
	}
	if (typtype == TYPTYPE_DOMAIN)
		return TQ_TYPE_DOMAIN;
	if (typtype == TYPTYPE_COMPOSITE)
		return TQ_TYPE_COMPOSITE;
	return OidIsValid(get_element_type(oid)) ? TQ_TYPE_ARRAY : TQ_TYPE_OTHER;
}

static bool
domain_is_not_null(Oid oid)
{
	for (;;)
	{
		HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
		Form_pg_type form;
		bool		domain;
		bool		not_null;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", oid);
		form = (Form_pg_type) GETSTRUCT(tuple);
		domain = form->typtype == TYPTYPE_DOMAIN;
		not_null = form->typnotnull;
		oid = form->typbasetype;
		ReleaseSysCache(tuple);
		if (!domain || not_null)
			return domain;
	}
}

static void
load_input(TqType *type)
{
	Oid			function;

	getTypeInputInfo(type->oid, &function, &type->input_param);
	type->input_hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
	fmgr_info_cxt(function, &type->input, CacheMemoryContext);
}

void
tq_type_reload(TqType *type)
{
	uint64		before = invalidations;
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type->oid));
	Form_pg_type form;
	char		typtype;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type with OID %u does not exist", type->oid)));
	form = (Form_pg_type) GETSTRUCT(tuple);
	typtype = form->typtype;
	type->len = form->typlen;
	type->by_value = form->typbyval;
	type->align = form->typalign;
	ReleaseSysCache(tuple);

	type->type_hash = GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(type->oid));
	type->class = classify(type->oid, typtype);
	type->related = InvalidOid;
	type->base_typmod = -1;
	type->not_null = false;
	switch (type->class)
	{
		case TQ_TYPE_DOMAIN:
			type->related = getBaseTypeAndTypmod(type->oid, &type->base_typmod);
			type->not_null = domain_is_not_null(type->oid);
			break;
		case TQ_TYPE_ARRAY:
		case TQ_TYPE_VECTOR:
			type->related = get_element_type(type->oid);
			break;
		case TQ_TYPE_COMPOSITE:
			break;
		default:
			load_input(type);
			break;
	}
	type->valid = (before == invalidations);
}

TqType *
tq_type_get(Oid oid)
{
	TqType	   *type;
	bool		found;

	if (types == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(TqType),
			.hcxt = CacheMemoryContext
		};

		types = hash_create("task_queue types", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	type = hash_search(types, &oid, HASH_ENTER, &found);
	if (!found)
	{
		MemSet(type, 0, sizeof(TqType));
		type->oid = oid;
	}
	tq_type_refresh(type);
	return type;
}

bool
tq_type_takes_array(TqType *element)
{
	if (element->class == TQ_TYPE_DOMAIN)
		element = tq_type_get(element->related);
	return element->class == TQ_TYPE_JSON || element->class == TQ_TYPE_JSONB ||
		element->class == TQ_TYPE_ARRAY || element->class == TQ_TYPE_VECTOR;
}

/*
 * An array type is named after its element type: its own name is chosen by the
 * server and may be another one after a restore.
 */
char *
tq_type_stable_name(Oid oid)
{
	Oid			element = get_element_type(oid);
	bool		array = OidIsValid(element) && get_array_type(element) == oid;
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(array ? element : oid));
	Form_pg_type form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", oid);
	form = (Form_pg_type) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->typnamespace),
									  NameStr(form->typname));
	ReleaseSysCache(tuple);
	return array ? psprintf("%s[]", name) : name;
}

Oid
tq_type_of_stable_name(const char *name)
{
	char	   *copy = pstrdup(name);
	int			len = strlen(copy);
	bool		array = len > 2 && strcmp(copy + len - 2, "[]") == 0;
	List	   *parts;
	Oid			schema;
	Oid			oid;

	if (array)
		copy[len - 2] = '\0';
	if (!SplitIdentifierString(copy, '.', &parts) || list_length(parts) != 2)
		return InvalidOid;
	schema = get_namespace_oid(linitial(parts), true);
	if (!OidIsValid(schema))
		return InvalidOid;
	oid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						  CStringGetDatum(lsecond(parts)),
						  ObjectIdGetDatum(schema));
	return (array && OidIsValid(oid)) ? get_array_type(oid) : oid;
}
