/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Who the extension's own SQL runs as.
 *
 * See owner.h.  The owner and the schema are looked up once per backend and
 * again after any change to pg_namespace or to the class entry of the task
 * table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/owner.h"

#define PINNED_SEARCH_PATH	"pg_catalog, pg_temp"

static Oid	cached_schema = InvalidOid;
static Oid	cached_owner = InvalidOid;

static void
forget_owner(Datum arg, int cacheid, uint32 hashvalue)
{
	cached_schema = InvalidOid;
	cached_owner = InvalidOid;
}

void
tq_owner_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_owner, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_owner, (Datum) 0);
}

Oid
tq_schema_oid(void)
{
	if (!OidIsValid(cached_schema))
		cached_schema = get_namespace_oid(TQ_SCHEMA, false);
	return cached_schema;
}

Oid
tq_relation_oid(const char *relname)
{
	Oid			relid = get_relname_relid(relname, tq_schema_oid());

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", TQ_SCHEMA, relname),
				 errhint("Is the extension \"%s\" installed in this database?", TQ_EXTENSION)));
	return relid;
}

Oid
tq_type_oid(const char *typname)
{
	Oid			typid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										PointerGetDatum(typname),
										ObjectIdGetDatum(tq_schema_oid()));

	if (!OidIsValid(typid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type \"%s.%s\" does not exist", TQ_SCHEMA, typname)));
	return typid;
}

/* The owner of the task table: it was made by the install script. */
Oid
tq_owner_oid(void)
{
	HeapTuple	tuple;

	if (OidIsValid(cached_owner))
		return cached_owner;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(tq_relation_oid("task")));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation \"task\"");
	cached_owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return cached_owner;
}

void
tq_owner_enter(TqOwnerScope *scope)
{
	Oid			owner = tq_owner_oid();

	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	scope->guc_level = 0;
	if (namespace_search_path == NULL ||
		strcmp(namespace_search_path, PINNED_SEARCH_PATH) != 0)
	{
		scope->guc_level = NewGUCNestLevel();
		(void) set_config_option("search_path", PINNED_SEARCH_PATH,
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	SetUserIdAndSecContext(owner, scope->sec_context | SECURITY_LOCAL_USERID_CHANGE);
}

void
tq_owner_leave(TqOwnerScope *scope)
{
	if (scope->guc_level != 0)
		AtEOXact_GUC(true, scope->guc_level);
	SetUserIdAndSecContext(scope->user, scope->sec_context);
}

bool
tq_role_may_become(Oid member, Oid role)
{
	return is_member_of_role(member, role);
}

char *
tq_role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name ? name : psprintf("(dropped role %u)", role);
}
