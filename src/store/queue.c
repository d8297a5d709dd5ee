/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Queues and privileges, cached per backend.
 *
 * Both tables are small and read at every enqueue and every claim, so a
 * backend keeps them whole.  A relcache invalidation of the table makes it
 * read them again: a trigger registers one with every change of rows, which
 * reaches this backend's cache at the next CommandCounterIncrement, the
 * others' at commit, and takes back what an aborted (sub)transaction had
 * brought in.  They are read like catalogs, with a snapshot of now whatever
 * the isolation level: a cache outlives the transaction that filled it.
 *
 * What a reload throws away is freed at that time, not by the callback, which
 * may come at any moment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/owner.h"
#include "shmem/claims.h"
#include "store/queue.h"

#define DEFAULT_KEEP_DONE	USECS_PER_DAY
#define DEFAULT_KEEP_FAILED	(30 * USECS_PER_DAY)

/* Attribute numbers. */
enum
{
	COL_QUEUE_NAME = 1,
	COL_QUEUE_MAX_RUNNING,
	COL_QUEUE_RETRY_POLICY,
	COL_QUEUE_KEEP_DONE,
	COL_QUEUE_KEEP_FAILED,
	COL_QUEUE_PAUSED
};

enum
{
	COL_PRIVILEGE_ROLE = 1,
	COL_PRIVILEGE_KIND,
	COL_PRIVILEGE_QUEUE
};

typedef struct Privilege
{
	Oid			role;
	char		kind;
	char	   *queue;			/* NULL: every queue */
} Privilege;

/* One cached table. */
typedef struct Cache
{
	const char *table;
	Oid			relid;			/* of the rows held; invalid: never loaded */
	bool		loaded;
	bool		valid;			/* no invalidation since it was loaded */
	MemoryContext context;
} Cache;

static Cache queue_cache = {.table = "queue"};
static const TqQueue **queues = NULL;	/* ordered by name */
static int	nqueues = 0;

static Cache privilege_cache = {.table = "privilege"};
static Privilege *privileges = NULL;
static int	nprivileges = 0;

/* The last answer of tq_role_is_admin(). */
static Oid	admin_role = InvalidOid;
static bool admin_answer = false;

static void
forget_table(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == queue_cache.relid)
		queue_cache.valid = false;
	if (relid == InvalidOid || relid == privilege_cache.relid)
	{
		privilege_cache.valid = false;
		admin_role = InvalidOid;
	}
}

static void
forget_roles(Datum arg, int cacheid, uint32 hashvalue)
{
	admin_role = InvalidOid;
}

void
tq_queue_init(void)
{
	CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_roles, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_roles, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_roles, (Datum) 0);
}

/* What load functions do with each row; runs in the cache's memory context. */
typedef void (*RowReader) (List **rows, const Datum *values, const bool *nulls);

/*
 * Read a table.  The cache is marked valid before, so that an invalidation
 * that comes meanwhile is not lost; the caller marks it loaded at the end, so
 * that an error on the way leaves it unusable.
 */
static List *
read_table(Cache *cache, RowReader reader)
{
	MemoryContext old_context;
	List	   *rows = NIL;
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];

	if (cache->context == NULL)
		cache->context = AllocSetContextCreate(TopMemoryContext, "task_queue table",
											   ALLOCSET_SMALL_SIZES);
	rel = table_open(tq_relation_oid(cache->table), AccessShareLock);
	MemoryContextReset(cache->context);
	cache->loaded = false;
	cache->valid = true;
	cache->relid = RelationGetRelid(rel);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		old_context = MemoryContextSwitchTo(cache->context);
		reader(&rows, values, nulls);
		MemoryContextSwitchTo(old_context);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}

static void
read_queue(List **rows, const Datum *values, const bool *nulls)
{
	TqQueue    *queue = palloc0(sizeof(TqQueue));

	queue->name = TextDatumGetCString(values[COL_QUEUE_NAME - 1]);
	if (!nulls[COL_QUEUE_MAX_RUNNING - 1])
		queue->max_running = DatumGetInt32(values[COL_QUEUE_MAX_RUNNING - 1]);
	if (!nulls[COL_QUEUE_RETRY_POLICY - 1])
		queue->retry_policy =
			PointerGetDatum(PG_DETOAST_DATUM_COPY(values[COL_QUEUE_RETRY_POLICY - 1]));
	queue->keep_done_us =
		tq_clock_interval_us(DatumGetIntervalP(values[COL_QUEUE_KEEP_DONE - 1]));
	queue->keep_failed_us =
		tq_clock_interval_us(DatumGetIntervalP(values[COL_QUEUE_KEEP_FAILED - 1]));
	queue->paused = DatumGetBool(values[COL_QUEUE_PAUSED - 1]);
	*rows = lappend(*rows, queue);
}

static int
compare_queues(const void *a, const void *b)
{
	return strcmp((*(const TqQueue *const *) a)->name,
				  (*(const TqQueue *const *) b)->name);
}

static TqQueue *
make_default_queue(void)
{
	TqQueue    *queue = palloc0(sizeof(TqQueue));

	queue->name = pstrdup(TQ_DEFAULT_QUEUE);
	queue->keep_done_us = DEFAULT_KEEP_DONE;
	queue->keep_failed_us = DEFAULT_KEEP_FAILED;
	return queue;
}

static bool
is_limited(const char *name)
{
	TqQueue		key = {.name = unconstify(char *, name)};
	const TqQueue *key_ptr = &key;
	const TqQueue **found = bsearch(&key_ptr, queues, nqueues, sizeof(TqQueue *), compare_queues);

	return found != NULL && (*found)->max_running > 0;
}

/* What runs in a queue that is given a limit counts from the moment at which this is known. */
static void
load_queues(void)
{
	List	   *rows;
	ListCell   *lc;
	bool		has_default = false;
	bool		any_limit = false;
	MemoryContext old_context;

	rows = read_table(&queue_cache, read_queue);
	old_context = MemoryContextSwitchTo(queue_cache.context);
	queues = palloc(sizeof(TqQueue *) * (list_length(rows) + 1));
	nqueues = 0;
	foreach(lc, rows)
	{
		const TqQueue *queue = lfirst(lc);

		queues[nqueues++] = queue;
		has_default |= strcmp(queue->name, TQ_DEFAULT_QUEUE) == 0;
		any_limit |= queue->max_running > 0;
	}
	if (!has_default)
		queues[nqueues++] = make_default_queue();
	MemoryContextSwitchTo(old_context);
	qsort(queues, nqueues, sizeof(TqQueue *), compare_queues);
	if (any_limit)
		tq_claim_count_limited(is_limited);
	queue_cache.loaded = true;
}

const TqQueue *const *
tq_queue_list(int *n)
{
	if (!queue_cache.loaded || !queue_cache.valid)
		load_queues();
	*n = nqueues;
	return queues;
}

pg_noreturn static void
unknown_queue(const char *name)
{
	const char **names = palloc(sizeof(char *) * nqueues);
	const char *closest;

	for (int i = 0; i < nqueues; i++)
		names[i] = queues[i]->name;
	closest = tq_error_closest(name, names, nqueues);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("queue \"%s\" does not exist", name),
			 closest ? errhint("Did you mean \"%s\"?", closest) :
			 errhint("Create it with task_queue.create_queue(%s).",
					 quote_literal_cstr(name))));
}

const TqQueue *
tq_queue_find(const char *name, bool missing_ok)
{
	TqQueue		key = {.name = unconstify(char *, name)};
	const TqQueue *key_ptr = &key;
	const TqQueue *const *found;
	int			n;
	const TqQueue *const *list = tq_queue_list(&n);

	found = bsearch(&key_ptr, list, n, sizeof(TqQueue *), compare_queues);
	if (found != NULL)
		return *found;
	if (!missing_ok)
		unknown_queue(name);
	return NULL;
}

static void
read_privilege(List **rows, const Datum *values, const bool *nulls)
{
	Privilege  *privilege = palloc0(sizeof(Privilege));

	privilege->role = DatumGetObjectId(values[COL_PRIVILEGE_ROLE - 1]);
	privilege->kind = DatumGetChar(values[COL_PRIVILEGE_KIND - 1]);
	if (!nulls[COL_PRIVILEGE_QUEUE - 1])
		privilege->queue = TextDatumGetCString(values[COL_PRIVILEGE_QUEUE - 1]);
	*rows = lappend(*rows, privilege);
}

static void
load_privileges(void)
{
	List	   *rows = read_table(&privilege_cache, read_privilege);
	ListCell   *lc;

	privileges = MemoryContextAlloc(privilege_cache.context,
									sizeof(Privilege) * Max(list_length(rows), 1));
	nprivileges = 0;
	foreach(lc, rows)
		privileges[nprivileges++] = *(Privilege *) lfirst(lc);
	privilege_cache.loaded = true;
}

/*
 * Does the role, or one that it is a member of, hold a grant of this kind?
 * A grant to work counts for the queue if it names none or this one; queue
 * NULL asks whether there is any.
 */
static bool
holds_grant(Oid role, char kind, const char *queue)
{
	if (!privilege_cache.loaded || !privilege_cache.valid)
		load_privileges();
	for (int i = 0; i < nprivileges; i++)
	{
		const Privilege *privilege = &privileges[i];

		if (privilege->kind == kind &&
			(queue == NULL || privilege->queue == NULL ||
			 strcmp(queue, privilege->queue) == 0) &&
			tq_role_may_become(role, privilege->role))
			return true;
	}
	return false;
}

bool
tq_role_is_admin(Oid role)
{
	bool		answer;

	if (OidIsValid(admin_role) && admin_role == role)
		return admin_answer;
	answer = superuser_arg(role) ||
		has_privs_of_role(role, tq_owner_oid()) ||
		holds_grant(role, TQ_PRIVILEGE_ADMIN, NULL);

	/* An invalidation met on the way may have been about this role. */
	admin_role = InvalidOid;
	if (privilege_cache.loaded && privilege_cache.valid)
	{
		admin_role = role;
		admin_answer = answer;
	}
	return answer;
}

bool
tq_role_may_instruct(Oid role, Oid other)
{
	return tq_role_may_become(role, other) ||
		(tq_role_is_admin(role) && !superuser_arg(other));
}

void
tq_require_admin(Oid role, const char *action)
{
	if (tq_role_is_admin(role))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to %s", action),
			 errdetail("Only administrators and the owner of the extension may do this."),
			 errhint("An administrator can run SELECT task_queue.grant_admin(%s).",
					 quote_literal_cstr(tq_role_name(role)))));
}

bool
tq_role_serves_queue(Oid role, const char *queue)
{
	return tq_role_is_admin(role) || holds_grant(role, TQ_PRIVILEGE_WORKER, queue);
}
