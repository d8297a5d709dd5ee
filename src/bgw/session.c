/*-------------------------------------------------------------------------
 *
 * session.c
 *	  What a task may leave behind in the session that it ran in.
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
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/portal.h"

#include "base/compat.h"
#include "bgw/session.h"
#include "bgw/transaction.h"

typedef struct Setting
{
	char	   *name;
	char	   *value;
} Setting;

struct TqSessionSettings
{
	Setting    *list;
	int			count;
};

static bool spoiled = false;

static void
drop_temp_tables(void *arg)
{
	ResetTempTableNamespace();
}

/* Or else a task that calls setseed() makes the random numbers of the next ones. */
static void
reseed_random(void)
{
	double		seed = 2 * pg_prng_double(&pg_global_prng_state) - 1;

	DirectFunctionCall1(setseed, Float8GetDatum(seed));
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
	reseed_random();
	if (after_procedure)
		ResetAllOptions();
	GetTempNamespaceState(&temp_namespace, &toast_namespace);
	if (OidIsValid(temp_namespace))
	{
		ErrorData  *error = tq_transaction_run(drop_temp_tables, NULL);

		spoiled = error != NULL;
		if (spoiled)
			tq_transaction_log(error, "dropping the temporary tables of a task");
	}
}

bool
tq_session_is_spoiled(void)
{
	return spoiled;
}

/* Those that RESET ALL would change. */
static bool
is_session_setting(const struct config_generic *setting)
{
	return setting->source == PGC_S_SESSION && !(setting->flags & GUC_NO_RESET_ALL);
}

TqSessionSettings *
tq_session_save_settings(void)
{
	TqSessionSettings *settings = palloc(sizeof(TqSessionSettings));
	int			n;
	struct config_generic **all = TQ_GUC_VARIABLES(n);

	settings->list = palloc(n * sizeof(Setting));
	settings->count = 0;
	for (int i = 0; i < n; i++)
	{
		const char *value;

		if (!is_session_setting(all[i]))
			continue;
		value = GetConfigOption(all[i]->name, true, false);
		if (value == NULL)
			continue;
		settings->list[settings->count].name = pstrdup(all[i]->name);
		settings->list[settings->count++].value = pstrdup(value);
	}
	return settings;
}

/* A value that is refused by now, as the name of a role that was dropped may be, is reported and left out. */
static void
restore_settings(void *arg)
{
	TqSessionSettings *settings = arg;

	ResetAllOptions();
	for (int i = 0; i < settings->count; i++)
		(void) set_config_option(settings->list[i].name, settings->list[i].value,
								 superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SET, true, WARNING, false);
}

void
tq_session_restore_settings(TqSessionSettings *settings)
{
	ErrorData  *error = tq_transaction_run(restore_settings, settings);

	if (error != NULL)
		tq_transaction_log(error, "restoring the settings of a session");
}
