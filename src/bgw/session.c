/*-------------------------------------------------------------------------
 *
 * session.c
 *	  What a task may leave behind in its worker's session.
 *
 * A handler's settings are undone by the call itself, except a procedure's,
 * whose commits make them the session's; our own have a source that RESET ALL
 * keeps.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/portal.h"

#include "bgw/session.h"
#include "bgw/transaction.h"

static void
drop_temp_tables(void *arg)
{
	ResetTempTableNamespace();
}

void
tq_session_reset(bool after_procedure)
{
	Oid			temp_namespace;
	Oid			toast_namespace;

	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetSequenceCaches();
	if (after_procedure)
		ResetAllOptions();
	GetTempNamespaceState(&temp_namespace, &toast_namespace);
	if (OidIsValid(temp_namespace))
	{
		ErrorData  *error = tq_transaction_run(drop_temp_tables, NULL);

		if (error != NULL)
			tq_transaction_log(error, "dropping the temporary tables of a task");
	}
}
