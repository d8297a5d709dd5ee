/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Stepping aside for DDL.
 *
 * DROP DATABASE fails while anybody is connected, and waits five seconds for
 * nobody but autovacuum.  So the database is blocked (no process of ours
 * starts there), the running ones are told to stop and waited for, and the
 * block lasts for the whole command, whatever its outcome.  The same goes for
 * RENAME, SET TABLESPACE and for the template of CREATE DATABASE.
 *
 * DROP and ALTER EXTENSION are blocked until the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"

#include "base/clock.h"
#include "base/owner.h"
#include "shmem/databases.h"
#include "shmem/ddl.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"

#define STOP_TIMEOUT_MS		20000
#define STOP_POLL_MS		10

/* The current database is blocked until the end of this transaction. */
static bool blocks_own_database = false;
static bool made_extension = false;

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
touches_extension(Node *stmt)
{
	ListCell   *cell;

	if (IsA(stmt, AlterExtensionStmt))
		return strcmp(((AlterExtensionStmt *) stmt)->extname, TQ_EXTENSION) == 0;
	if (!IsA(stmt, DropStmt) || ((DropStmt *) stmt)->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, ((DropStmt *) stmt)->objects)
	{
		if (strcmp(strVal(lfirst(cell)), TQ_EXTENSION) == 0)
			return true;
	}
	return false;
}

/* How many of our processes are connected; each is told to stop. */
static int
stop_processes(Oid database, bool scheduler_too)
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
	if (scheduler_too && tq_database_get(database, &entry) && entry.scheduler_pid != 0)
	{
		kill(entry.scheduler_pid, SIGTERM);
		n++;
	}
	return n;
}

/* Gives up in the end: then the command fails as it would for any connection. */
static void
clear_database(Oid database, bool scheduler_too)
{
	for (int waited = 0; waited < STOP_TIMEOUT_MS; waited += STOP_POLL_MS)
	{
		if (stop_processes(database, scheduler_too) == 0)
			return;
		tq_clock_sleep(STOP_POLL_MS, tq_shmem_wait_event());
	}
}

static void
run_with_database_cleared(Oid database, PlannedStmt *pstmt, const char *query, bool read_only_tree,
						  ProcessUtilityContext context, ParamListInfo params,
						  QueryEnvironment *environment, DestReceiver *dest,
						  QueryCompletion *completion, ProcessUtility_hook_type next)
{
	tq_database_block(database);
	PG_TRY();
	{
		clear_database(database, true);
		next(pstmt, query, read_only_tree, context, params, environment, dest, completion);
	}
	PG_FINALLY();
	{
		tq_database_unblock(database);
	}
	PG_END_TRY();
}

static bool
may_have_extension(Oid database)
{
	TqDatabase	entry;

	return OidIsValid(database) && tq_database_get(database, &entry);
}

static void
block_own_database(void)
{
	if (!blocks_own_database)
		tq_database_block(MyDatabaseId);
	blocks_own_database = true;
	clear_database(MyDatabaseId, true);
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
	bool		commits_prepared = IsA(stmt, TransactionStmt) &&
		((TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED;

	if (IsA(stmt, CreateExtensionStmt) &&
		strcmp(((CreateExtensionStmt *) stmt)->extname, TQ_EXTENSION) == 0)
		made_extension = true;
	if (touches_extension(stmt) && tq_extension_exists())
		block_own_database();
	if (may_have_extension(database))
		run_with_database_cleared(database, pstmt, query, read_only_tree, context, params,
								  environment, dest, completion, next);
	else
		next(pstmt, query, read_only_tree, context, params, environment, dest, completion);
	if (commits_prepared)
		tq_database_sweep(MyDatabaseId);
	if (IsA(stmt, CreatedbStmt) || IsA(stmt, RenameStmt))
		tq_database_wake_launcher();
}

static void
at_xact_end(XactEvent event, void *arg)
{
	bool		commit = event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE;

	if (!commit && event != XACT_EVENT_ABORT)
		return;
	if (made_extension && commit)
		tq_database_request_probe(MyDatabaseId);
	made_extension = false;
	if (blocks_own_database)
		tq_database_unblock(MyDatabaseId);
	blocks_own_database = false;
}

void
tq_ddl_init(void)
{
	RegisterXactCallback(at_xact_end, NULL);
}
