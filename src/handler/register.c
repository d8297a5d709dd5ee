/*-------------------------------------------------------------------------
 *
 * register.c
 *	  The registry in writing.
 *
 * Registrations exclude each other by a lock on table handler that is held
 * until the end of the transaction, so that the checks for taken names, made
 * with the latest snapshot, hold when the rows are written.  Readers are not
 * held up.  Every change ends with an invalidation of that table, which resets
 * the caches of all backends at commit and that of this one at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/compat.h"
#include "base/owner.h"
#include "handler/registry.h"
#include "shmem/xact.h"
#include "store/plans.h"
#include "store/policy.h"
#include "store/queue.h"

static TqPlan taken_plan = TQ_PLAN(
	"SELECT h.handler_id, h.name, n.alias_no IS NULL,"
	" h.function_schema OPERATOR(pg_catalog.=) $2 AND h.function_name OPERATOR(pg_catalog.=) $3"
	" AND h.arg_types OPERATOR(pg_catalog.<>) $4"
	" FROM task_queue.handler_name AS n JOIN task_queue.handler AS h"
	" ON h.handler_id OPERATOR(pg_catalog.=) n.handler_id"
	" WHERE n.name OPERATOR(pg_catalog.=) $1",
	TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID);

/* Parameters of the two: see handler_values(). */
static TqPlan insert_plan = TQ_PLAN(
	"INSERT INTO task_queue.handler (name, kind, function_schema, function_name, arg_types,"
	" queue, retry_policy, timeout, keep_done, batch_size, registered_by)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING handler_id",
	TEXTOID, CHAROID, TEXTOID, TEXTOID, TEXTARRAYOID,
	TEXTOID, TQ_RETRY_POLICY_TYPE, INTERVALOID, INTERVALOID, INT4OID, REGROLEOID);

static TqPlan replace_plan = TQ_PLAN(
	"UPDATE task_queue.handler SET name = $1, kind = $2, function_schema = $3,"
	" function_name = $4, arg_types = $5, queue = $6, retry_policy = $7, timeout = $8,"
	" keep_done = $9, batch_size = $10, registered_by = $11,"
	" registered_at = pg_catalog.clock_timestamp()"
	" WHERE handler_id OPERATOR(pg_catalog.=) $12",
	TEXTOID, CHAROID, TEXTOID, TEXTOID, TEXTARRAYOID,
	TEXTOID, TQ_RETRY_POLICY_TYPE, INTERVALOID, INTERVALOID, INT4OID, REGROLEOID, INT4OID);

static TqPlan insert_name_plan = TQ_PLAN(
	"INSERT INTO task_queue.handler_name (name, handler_id, alias_no) VALUES ($1, $2, $3)",
	TEXTOID, INT4OID, INT4OID);

static TqPlan delete_names_plan = TQ_PLAN(
	"DELETE FROM task_queue.handler_name WHERE handler_id OPERATOR(pg_catalog.=) $1",
	INT4OID);

/* The names go with it by the foreign key. */
static TqPlan delete_plan = TQ_PLAN(
	"DELETE FROM task_queue.handler WHERE name OPERATOR(pg_catalog.=) $1",
	TEXTOID);

/* What is written of a function or a declared signature. */
typedef struct StoredFunction
{
	Datum		schema;			/* these two 0 for external handlers */
	Datum		name;
	Datum		arg_types;		/* text[], 0: any */
} StoredFunction;

/* Who has a name. */
typedef struct Owner
{
	int			handler_id;		/* 0: nobody */
	char	   *handler;
	bool		main_name;
	bool		overloaded;		/* its function has the same name and other parameters */
} Owner;

#define HANDLER_COLUMNS 11

static Datum
type_names(const Oid *types, int ntypes)
{
	Datum	   *texts = palloc(Max(1, ntypes) * sizeof(Datum));

	for (int i = 0; i < ntypes; i++)
		texts[i] = CStringGetTextDatum(tq_type_stable_name(types[i]));
	return PointerGetDatum(construct_array(texts, ntypes, TEXTOID, -1, false, TYPALIGN_INT));
}

static StoredFunction
stored_function(const TqRegistration *registration)
{
	StoredFunction stored = {0};
	Oid			function = registration->function;
	Oid		   *types;
	int			ntypes;

	if (!OidIsValid(function))
	{
		if (!registration->any_args)
			stored.arg_types = type_names(registration->arg_types, registration->nargs);
		return stored;
	}
	stored.schema = CStringGetTextDatum(get_namespace_name(get_func_namespace(function)));
	stored.name = CStringGetTextDatum(get_func_name(function));
	(void) get_func_signature(function, &types, &ntypes);
	stored.arg_types = type_names(types, ntypes);
	return stored;
}

static void
check_name(const char *name, const char *what)
{
	if (name == NULL || name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a handler must not be %s", what, name == NULL ? "null" : "empty")));
}

static void
check_names(const TqRegistration *registration)
{
	check_name(registration->name, "the name");
	for (int i = 0; i < registration->naliases; i++)
	{
		const char *alias = registration->aliases[i];
		bool		twice;

		check_name(alias, "an alias");
		twice = strcmp(alias, registration->name) == 0;
		for (int j = 0; j < i && !twice; j++)
			twice = strcmp(alias, registration->aliases[j]) == 0;
		if (twice)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("name \"%s\" is given twice", alias)));
	}
}

static void
check_interval(const Interval *interval, const char *argument)
{
	if (interval != NULL && tq_clock_interval_us(interval) < 0)
		tq_error_negative_argument(argument);
}

static void
check_options(const TqRegistration *registration)
{
	check_names(registration);
	check_interval(registration->timeout, "timeout");
	check_interval(registration->keep_done, "keep_done");
	if (registration->retry_policy != (Datum) 0)
		tq_policy_check(registration->retry_policy);
	if (registration->batch_size < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size must be at least 1")));
	if (registration->batch_size > 1 && registration->kind != TQ_HANDLER_FUNCTION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_size above 1 is possible for functions only")));
	(void) tq_queue_find(registration->queue, false);
}

static Owner
owner_of_name(const char *name, const StoredFunction *stored)
{
	Owner		owner = {0};
	Datum		values[4] = {CStringGetTextDatum(name), stored->schema, stored->name,
	stored->arg_types};
	bool		nulls[4] = {false, stored->schema == 0, stored->name == 0,
	stored->arg_types == 0};
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	if (tq_plan_query(&taken_plan, values, nulls, snapshot) > 0)
	{
		owner.handler_id = tq_row_int32(0, 0);
		owner.handler = tq_row_text(0, 1, CurrentMemoryContext);
		owner.main_name = tq_row_bool(0, 2);
		owner.overloaded = tq_row_bool(0, 3);
	}
	UnregisterSnapshot(snapshot);
	return owner;
}

/* alias: it was to be an alias, which replaces nothing. */
static pg_noreturn void
raise_taken(const char *name, bool alias, const Owner *owner)
{
	if (alias || !owner->main_name)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("name \"%s\" is taken", name),
				 owner->main_name ?
				 errdetail("It is the name of a handler.") :
				 errdetail("It is an alias of handler \"%s\".", owner->handler),
				 owner->main_name ?
				 errhint("Remove that handler with unregister_handler().") :
				 errhint("Register that handler again without it, with or_replace => true.")));
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("handler \"%s\" already exists", name),
			 owner->overloaded ?
			 errhint("The function is overloaded: give this one an explicit name (name => ...), or replace the other with or_replace => true.") :
			 errhint("Replace it with or_replace => true.")));
	pg_unreachable();
}

/* The handler that is to be replaced; 0: none.  Raises if a name is somebody else's. */
static int
check_taken(const TqRegistration *registration, const StoredFunction *stored)
{
	Owner		owner = owner_of_name(registration->name, stored);
	int			replaced = 0;

	if (owner.handler_id != 0)
	{
		if (!owner.main_name || !registration->or_replace)
			raise_taken(registration->name, false, &owner);
		replaced = owner.handler_id;
	}
	for (int i = 0; i < registration->naliases; i++)
	{
		owner = owner_of_name(registration->aliases[i], stored);
		if (owner.handler_id != 0 && owner.handler_id != replaced)
			raise_taken(registration->aliases[i], true, &owner);
	}
	return replaced;
}

static void
handler_values(const TqRegistration *registration, const StoredFunction *stored,
			   Datum *values, bool *nulls)
{
	values[0] = CStringGetTextDatum(registration->name);
	values[1] = CharGetDatum(registration->kind);
	values[2] = stored->schema;
	values[3] = stored->name;
	values[4] = stored->arg_types;
	values[5] = CStringGetTextDatum(registration->queue);
	values[6] = registration->retry_policy;
	values[7] = IntervalPGetDatum(registration->timeout);
	values[8] = IntervalPGetDatum(registration->keep_done);
	values[9] = Int32GetDatum(registration->batch_size);
	values[10] = ObjectIdGetDatum(registration->role);
	for (int i = 0; i < HANDLER_COLUMNS; i++)
		nulls[i] = i >= 2 && i <= 8 && values[i] == (Datum) 0;
}

static void
insert_name(const char *name, int handler_id, int alias_no)
{
	Datum		values[3] = {CStringGetTextDatum(name), Int32GetDatum(handler_id),
	Int32GetDatum(alias_no)};
	bool		nulls[3] = {false, false, alias_no == 0};

	(void) tq_plan_run(&insert_name_plan, values, nulls);
}

/* replaced: the handler whose row is taken over, or 0. */
static void
write_rows(const TqRegistration *registration, const StoredFunction *stored, int replaced)
{
	Datum		values[HANDLER_COLUMNS + 1];
	bool		nulls[HANDLER_COLUMNS + 1] = {false};
	int			handler_id = replaced;

	handler_values(registration, stored, values, nulls);
	if (replaced == 0)
	{
		(void) tq_plan_run(&insert_plan, values, nulls);
		handler_id = tq_row_int32(0, 0);
	}
	else
	{
		values[HANDLER_COLUMNS] = Int32GetDatum(replaced);
		(void) tq_plan_run(&replace_plan, values, nulls);
		(void) tq_plan_run(&delete_names_plan, &values[HANDLER_COLUMNS], NULL);
	}
	insert_name(registration->name, handler_id, 0);
	for (int i = 0; i < registration->naliases; i++)
		insert_name(registration->aliases[i], handler_id, i + 1);
}

/* Makes the change visible to this command's next lookup, and known to everybody. */
static void
announce(void)
{
	CacheInvalidateRelcacheByRelid(tq_relation_oid("handler"));
	CommandCounterIncrement();
	tq_xact_note_config();
}

char *
tq_handler_register(TqRegistration *registration)
{
	TqSpi		spi;
	StoredFunction stored;
	int			replaced;

	if (registration->name == NULL && OidIsValid(registration->function))
		registration->name = tq_handler_canonical_name(registration->function);
	check_options(registration);
	PreventCommandIfReadOnly("register_handler()");

	tq_spi_begin(&spi);
	LockRelationOid(tq_relation_oid("handler"), ShareRowExclusiveLock);
	stored = stored_function(registration);
	replaced = check_taken(registration, &stored);
	write_rows(registration, &stored, replaced);
	announce();
	tq_spi_end(&spi);
	return registration->name;
}

bool
tq_handler_unregister(const char *name)
{
	TqSpi		spi;
	Datum		values[1];
	bool		removed;

	PreventCommandIfReadOnly("unregister_handler()");
	tq_spi_begin(&spi);
	LockRelationOid(tq_relation_oid("handler"), ShareRowExclusiveLock);
	values[0] = CStringGetTextDatum(name);
	removed = tq_plan_run(&delete_plan, values, NULL) > 0;
	if (removed)
		announce();
	tq_spi_end(&spi);
	return removed;
}
