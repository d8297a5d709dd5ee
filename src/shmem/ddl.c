/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Stepping aside for DDL.
 *
 * DROP DATABASE fails while anybody is connected, and waits five seconds for
 * nobody but autovacuum.  So the database is blocked (no process of ours
 * starts there), and the running ones are told to stop and waited for.  The
 * same goes for RENAME, SET TABLESPACE and for the template of CREATE DATABASE,
 * and for the current database when the extension is dropped or altered, also
 * as part of its schema or of what its owner owns.
 *
 * The block lasts until the end of the transaction, whatever its outcome: who
 * came back before the commit would find what is about to go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/owner.h"
#include "shmem/databases.h"
#include "shmem/ddl.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"

#define STOP_TIMEOUT_MS		20000
#define STOP_POLL_MS		10

/* The databases that are blocked until the end of this transaction. */
static List *blocked = NIL;
static int	nblocked = 0;
static bool made_extension = false;
static bool dropped_extension = false;
static bool changed_databases = false;

static const char *
template_of(CreatedbStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

static bool
moves_tablespace(AlterDatabaseStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		if (strcmp(((DefElem *) lfirst(cell))->defname, "tablespace") == 0)
			return true;
	}
	return false;
}

/* The database that must be free of connections for the statement; NULL: none. */
static const char *
database_to_clear(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) stmt)->dbname;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) stmt)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			if (moves_tablespace((AlterDatabaseStmt *) stmt))
				return ((AlterDatabaseStmt *) stmt)->dbname;
			return NULL;
		case T_CreatedbStmt:
			return template_of((CreatedbStmt *) stmt);
		default:
			return NULL;
	}
}

static bool
names_one(List *objects, const char *name)
{
	ListCell   *cell;

	foreach(cell, objects)
	{
		if (strcmp(strVal(lfirst(cell)), name) == 0)
			return true;
	}
	return false;
}

/* Directly, or with what it depends on. */
static bool
touches_extension(Node *stmt)
{
	if (IsA(stmt, AlterExtensionStmt))
		return strcmp(((AlterExtensionStmt *) stmt)->extname, TQ_EXTENSION) == 0;
	if (IsA(stmt, DropOwnedStmt))
		return true;
	if (!IsA(stmt, DropStmt))
		return false;
	switch (((DropStmt *) stmt)->removeType)
	{
		case OBJECT_EXTENSION:
			return names_one(((DropStmt *) stmt)->objects, TQ_EXTENSION);
		case OBJECT_SCHEMA:
			return names_one(((DropStmt *) stmt)->objects, TQ_SCHEMA);
		default:
			return false;
	}
}

/* Who may not do it interrupts nobody. */
static bool
may_touch_extension(void)
{
	Oid			extension = get_extension_oid(TQ_EXTENSION, true);

	return OidIsValid(extension) &&
		object_ownercheck(ExtensionRelationId, extension, GetUserId());
}

static bool
may_touch_database(Oid database)
{
	TqDatabase	entry;

	return OidIsValid(database) && tq_database_get(database, &entry) &&
		object_ownercheck(DatabaseRelationId, database, GetUserId());
}

/* How many of our processes are connected; each is told to stop. */
static int
stop_processes(Oid database)
{
	TqDatabase	entry;
	int			n = 0;

	for (int i = 0; i < tq_slot_count(); i++)
	{
		TqSlot	   *slot = tq_slot(i);
		int			pid = 0;

		SpinLockAcquire(&slot->mutex);
		if (slot->database == database && slot->state != TQ_SLOT_FREE && slot->state != TQ_SLOT_DEAD)
		{
			pid = slot->pid;
			slot->stopped = true;
			n++;
		}
		SpinLockRelease(&slot->mutex);
		if (pid != 0)
			kill(pid, SIGTERM);
	}
	if (tq_database_get(database, &entry) && entry.scheduler_pid != 0)
	{
		kill(entry.scheduler_pid, SIGTERM);
		n++;
	}
	return n;
}

/*
 * Block the database until the end of this transaction, and empty it.  Gives
 * up in the end: then the command fails as it would for any connection.
 */
static void
clear_database(Oid database)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	List	   *longer = list_append_unique_oid(blocked, database);

	MemoryContextSwitchTo(old);
	if (list_length(longer) > nblocked)
		tq_database_block(database);
	blocked = longer;
	nblocked = list_length(blocked);
	for (int waited = 0; waited < STOP_TIMEOUT_MS; waited += STOP_POLL_MS)
	{
		if (stop_processes(database) == 0)
			return;
		tq_clock_sleep(STOP_POLL_MS, tq_shmem_wait_event());
	}
}

void
tq_ddl_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
			   ProcessUtilityContext context, ParamListInfo params,
			   QueryEnvironment *environment, DestReceiver *dest,
			   QueryCompletion *completion, ProcessUtility_hook_type next)
{
	Node	   *stmt = pstmt->utilityStmt;
	const char *name = database_to_clear(stmt);
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;
	bool		touches = touches_extension(stmt) && may_touch_extension();
	bool		commits_prepared = IsA(stmt, TransactionStmt) &&
		((TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED;

	if (IsA(stmt, CreateExtensionStmt) &&
		strcmp(((CreateExtensionStmt *) stmt)->extname, TQ_EXTENSION) == 0)
		made_extension = true;
	if (touches)
		clear_database(MyDatabaseId);
	if (may_touch_database(database))
		clear_database(database);
	next(pstmt, query, read_only_tree, context, params, environment, dest, completion);
	if (touches && !OidIsValid(get_extension_oid(TQ_EXTENSION, true)))
		dropped_extension = true;
	if (commits_prepared)
	{
		tq_database_tell(MyDatabaseId, TQ_NEWS_CONFIG);
		tq_wake_all_workers(MyDatabaseId);
		tq_database_tell(MyDatabaseId, TQ_NEWS_ROWS);
	}
	if (IsA(stmt, CreatedbStmt) || IsA(stmt, RenameStmt))
		changed_databases = true;
}

static void
at_xact_end(XactEvent event, void *arg)
{
	bool		commit = event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE;
	ListCell   *cell;

	if (!commit && event != XACT_EVENT_ABORT)
		return;
	if (made_extension && commit)
		tq_database_request_probe(MyDatabaseId);
	made_extension = false;
	/* If it was made again at once, the new one begins with the ids of the old one. */
	if (dropped_extension && event == XACT_EVENT_COMMIT)
		tq_shmem_forget_database(MyDatabaseId);
	dropped_extension = false;
	if (changed_databases && commit)
		tq_database_wake_launcher();
	changed_databases = false;
	foreach(cell, blocked)
		tq_database_unblock(lfirst_oid(cell));
	list_free(blocked);
	blocked = NIL;
	nblocked = 0;
}

void
tq_ddl_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
}
