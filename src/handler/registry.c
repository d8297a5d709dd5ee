/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Lookup of registered handlers, with a per-backend cache.
 *
 * What must stay true: an entry that can be found was read with a snapshot
 * taken after the last invalidation that concerns it.  Therefore rows are read
 * with the latest snapshot, whatever the isolation level, and an invalidation
 * that arrives while an entry is being made leaves it stale: good for this one
 * use, read again for the next.
 *
 * Invalidation callbacks only mark entries; they are removed at the next
 * lookup, or, while pinned, when the last pin goes.  A pin that an error lost
 * costs the memory of one entry at the next change of that handler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/owner.h"
#include "handler/call.h"
#include "handler/registry.h"
#include "store/plans.h"

/* A main name or alias. */
typedef struct NameEntry
{
	const char *name;			/* hash key; in memory of its own */
	TqHandler  *handler;
} NameEntry;

static HTAB *names = NULL;
static List *handlers = NIL;	/* all of this backend, stale ones too */
static bool any_stale = false;
static Oid	handler_table = InvalidOid;
static uint64 invalidations = 0;
static uint64 role_changes = 1;

static TqPlan find_plan = TQ_PLAN(
	"SELECT h.handler_id, h.name, h.kind, h.function_schema, h.function_name, h.arg_types,"
	" h.queue, h.retry_policy, h.timeout, h.keep_done, h.batch_size, h.registered_by"
	" FROM task_queue.handler_name AS n JOIN task_queue.handler AS h"
	" ON h.handler_id OPERATOR(pg_catalog.=) n.handler_id"
	" WHERE n.name OPERATOR(pg_catalog.=) $1",
	TEXTOID);

static void
mark_stale(TqHandler *handler)
{
	handler->stale = true;
	any_stale = true;
}

static void
forget_by_table(Datum arg, Oid relid)
{
	ListCell   *cell;

	if (OidIsValid(relid) && relid != handler_table)
		return;
	invalidations++;
	foreach(cell, handlers)
		mark_stale(lfirst(cell));
}

/* A missing function may have come: look again after any change. */
static bool
concerns(const TqHandler *handler, int cacheid, uint32 hashvalue)
{
	if (hashvalue == 0 || cacheid == NAMESPACEOID || handler->function_missing)
		return true;
	if (cacheid == PROCOID)
		return handler->function_hash == hashvalue;
	for (int i = 0; i < handler->ntypes; i++)
		if (handler->type_hashes[i] == hashvalue)
			return true;
	return false;
}

static void
forget_by_object(Datum arg, int cacheid, uint32 hashvalue)
{
	ListCell   *cell;

	invalidations++;
	foreach(cell, handlers)
		if (concerns(lfirst(cell), cacheid, hashvalue))
			mark_stale(lfirst(cell));
}

static void
forget_permissions(Datum arg, int cacheid, uint32 hashvalue)
{
	role_changes++;
}

void
tq_registry_init(void)
{
	tq_types_init();
	CacheRegisterRelcacheCallback(forget_by_table, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_by_object, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_by_object, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_by_object, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_permissions, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_permissions, (Datum) 0);
}

static uint32
hash_name(const void *key, Size keysize)
{
	const char *name = *(const char *const *) key;

	return hash_bytes((const unsigned char *) name, strlen(name));
}

static int
match_name(const void *a, const void *b, Size keysize)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
make_names(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(char *),
		.entrysize = sizeof(NameEntry),
		.hash = hash_name,
		.match = match_name,
		.hcxt = CacheMemoryContext
	};

	names = hash_create("task_queue handlers", 64, &ctl,
						HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static void
free_handler(TqHandler *handler)
{
	handlers = list_delete_ptr(handlers, handler);
	MemoryContextDelete(handler->context);
}

/* Names first, so that nothing can be found that is about to go. */
static void
remove_stale(void)
{
	HASH_SEQ_STATUS scan;
	NameEntry  *entry;
	ListCell   *cell;
	List	   *doomed = NIL;

	any_stale = false;
	hash_seq_init(&scan, names);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		char	   *key = unconstify(char *, entry->name);

		if (!entry->handler->stale)
			continue;
		(void) hash_search(names, &key, HASH_REMOVE, NULL);
		pfree(key);
	}
	foreach(cell, handlers)
	{
		TqHandler  *handler = lfirst(cell);

		if (handler->stale && handler->pins == 0)
			doomed = lappend(doomed, handler);
	}
	foreach(cell, doomed)
		free_handler(lfirst(cell));
	list_free(doomed);
}

static void
resolve_external(TqHandler *handler, char **type_names, int ntypes)
{
	Oid		   *types = palloc(Max(1, ntypes) * sizeof(Oid));

	for (int i = 0; i < ntypes; i++)
	{
		types[i] = tq_type_of_stable_name(type_names[i]);
		if (!OidIsValid(types[i]))
		{
			handler->function_missing = true;
			return;
		}
	}
	handler->signature = *tq_signature_of_external(types, ntypes);
}

/* Leaves function_missing set unless there is such a function that can be a handler of this kind. */
static void
resolve_function(TqHandler *handler, const char *schema, const char *name,
				 char **type_names, int ntypes)
{
	Oid		   *types = palloc(Max(1, ntypes) * sizeof(Oid));
	Oid			function;
	TqSignature *signature;
	char	   *reason;

	handler->function_missing = true;
	for (int i = 0; i < ntypes; i++)
	{
		types[i] = tq_type_of_stable_name(type_names[i]);
		if (!OidIsValid(types[i]))
			return;
	}
	function = tq_function_find(schema, name, types, ntypes);
	if (!OidIsValid(function))
		return;
	signature = tq_signature_try(function, &reason);
	if (signature == NULL || signature->kind != handler->kind)
		return;
	handler->signature = *signature;
	handler->function_missing = false;
}

static void
set_hashes(TqHandler *handler)
{
	TqSignature *signature = &handler->signature;

	if (OidIsValid(signature->function))
		handler->function_hash = GetSysCacheHashValue1(PROCOID,
													   ObjectIdGetDatum(signature->function));
	handler->type_hashes = palloc((signature->nparams + 1) * sizeof(uint32));
	for (int i = 0; i < signature->nparams; i++)
		handler->type_hashes[handler->ntypes++] =
			GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(signature->params[i].type));
	if (signature->has_result)
		handler->type_hashes[handler->ntypes++] =
			GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(signature->result_type));
}

static int64
interval_column(int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(0, column, &isnull);

	return isnull ? -1 : tq_clock_interval_us(DatumGetIntervalP(value));
}

static TqHandler *
handler_of_row(MemoryContext context)
{
	TqHandler  *handler = MemoryContextAllocZero(context, sizeof(TqHandler));
	char	   *schema = tq_row_text(0, 3, context);
	char	   *function = tq_row_text(0, 4, context);
	bool		no_policy;
	bool		isnull;
	Datum		types = tq_row_copy(0, 5, context, &isnull);
	MemoryContext old = MemoryContextSwitchTo(context);
	Datum	   *type_names = NULL;
	int			ntypes = 0;
	char	  **texts;

	handler->context = context;
	handler->handler_id = tq_row_int32(0, 0);
	handler->name = tq_row_text(0, 1, context);
	handler->kind = tq_row_char(0, 2);
	handler->queue = tq_row_text(0, 6, context);
	handler->retry_policy = tq_row_copy(0, 7, context, &no_policy);
	handler->has_policy = !no_policy;
	handler->timeout_us = interval_column(8);
	handler->keep_done_us = interval_column(9);
	handler->batch_size = tq_row_int32(0, 10);
	handler->registered_by = tq_row_oid(0, 11);

	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(types), TEXTOID, -1, false, TYPALIGN_INT,
						  &type_names, NULL, &ntypes);
	texts = palloc(Max(1, ntypes) * sizeof(char *));
	for (int i = 0; i < ntypes; i++)
		texts[i] = TextDatumGetCString(type_names[i]);
	handler->signature.kind = handler->kind;
	if (handler->kind != TQ_HANDLER_EXTERNAL)
		resolve_function(handler, schema, function, texts, ntypes);
	else if (isnull)
		handler->signature.any_args = true;
	else
		resolve_external(handler, texts, ntypes);
	handler->signature.handler = handler->name;
	set_hashes(handler);
	MemoryContextSwitchTo(old);
	return handler;
}

/* Reads an entry; NULL if there is no such name.  Its memory is the caller's until it is taken into the cache. */
static TqHandler *
read_handler(const char *name)
{
	TqSpi		spi;
	Datum		values[1];
	Snapshot	snapshot;
	MemoryContext context;
	TqHandler  *handler = NULL;

	tq_spi_begin(&spi);
	handler_table = tq_relation_oid("handler");
	values[0] = CStringGetTextDatum(name);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (tq_plan_query(&find_plan, values, NULL, snapshot) > 0)
	{
		context = AllocSetContextCreate(spi.caller, "task_queue handler",
										ALLOCSET_SMALL_SIZES);
		handler = handler_of_row(context);
		MemoryContextCopyAndSetIdentifier(context, handler->name);
	}
	UnregisterSnapshot(snapshot);
	tq_spi_end(&spi);
	return handler;
}

static TqHandler *
cached_by_id(int handler_id)
{
	ListCell   *cell;

	foreach(cell, handlers)
	{
		TqHandler  *handler = lfirst(cell);

		if (handler->handler_id == handler_id && !handler->stale)
			return handler;
	}
	return NULL;
}

/* An alias shares the entry of the handler. */
static TqHandler *
load(const char *name)
{
	uint64		before = invalidations;
	TqHandler  *handler = read_handler(name);
	TqHandler  *known;
	MemoryContext old;
	char	   *key;
	NameEntry  *entry;

	if (handler == NULL)
		return NULL;
	known = cached_by_id(handler->handler_id);
	old = MemoryContextSwitchTo(CacheMemoryContext);
	if (known != NULL)
	{
		MemoryContextDelete(handler->context);
		handler = known;
	}
	else
	{
		handlers = lappend(handlers, handler);
		MemoryContextSetParent(handler->context, CacheMemoryContext);
	}
	key = pstrdup(name);
	entry = hash_search(names, &key, HASH_ENTER, NULL);
	entry->name = key;
	entry->handler = handler;
	MemoryContextSwitchTo(old);
	if (before != invalidations)
		mark_stale(handler);
	return handler;
}

TqHandler *
tq_handler_find(const char *name, bool missing_ok)
{
	NameEntry  *entry;
	TqHandler  *handler;

	/* A long transaction must hear of changes, too; costs next to nothing if there are none. */
	AcceptInvalidationMessages();
	if (unlikely(names == NULL))
		make_names();
	if (unlikely(any_stale))
		remove_stale();
	entry = hash_search(names, &name, HASH_FIND, NULL);
	handler = entry != NULL ? entry->handler : load(name);
	if (handler == NULL)
	{
		if (missing_ok)
			return NULL;
		tq_handler_unknown(name);
	}
	handler->pins++;
	return handler;
}

void
tq_handler_unpin(TqHandler *handler)
{
	Assert(handler->pins > 0);
	if (--handler->pins == 0 && handler->stale)
		any_stale = true;
}

bool
tq_handler_is_external(const char *name)
{
	TqHandler  *handler = tq_handler_find(name, true);
	bool		external = handler != NULL && handler->kind == TQ_HANDLER_EXTERNAL;

	if (handler != NULL)
		tq_handler_unpin(handler);
	return external;
}

void
tq_handler_require_function(const TqHandler *handler)
{
	if (!handler->function_missing)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 handler->kind == TQ_HANDLER_EXTERNAL ?
			 errmsg("an argument type of handler \"%s\" does not exist", handler->name) :
			 errmsg("the function of handler \"%s\" does not exist", handler->name),
			 errhint("Create it again, or register the handler again with or_replace => true."),
			 tq_call_errkind(TQ_KIND_UNKNOWN_HANDLER, false)));
}

/* Roles are recorded by oid; nothing keeps one from being dropped. */
static void
check_role(Oid role)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role),
				 tq_call_errkind(TQ_KIND_HANDLER, false)));
}

static bool
trusted_by_superusers(Oid registered_by)
{
	return superuser_arg(registered_by) || registered_by == tq_owner_oid();
}

void
tq_handler_check_permission(TqHandler *handler, Oid role)
{
	Oid			function = handler->signature.function;

	if (handler->kind == TQ_HANDLER_EXTERNAL || handler->function_missing)
		return;
	if (handler->permitted_role == role && handler->permitted_at == role_changes)
		return;

	handler->permitted_role = InvalidOid;
	check_role(role);
	if (object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   handler->kind == TQ_HANDLER_PROCEDURE ? OBJECT_PROCEDURE : OBJECT_FUNCTION,
					   get_func_name(function));
	if (superuser_arg(role) && !trusted_by_superusers(handler->registered_by))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for handler \"%s\"", handler->name),
				 errdetail("It was registered by role \"%s\"; a superuser runs only what a superuser or the extension's owner registered.",
						   tq_role_name(handler->registered_by)),
				 errhint("Register it again as a superuser, with or_replace => true.")));
	handler->permitted_role = role;
	handler->permitted_at = role_changes;
}
