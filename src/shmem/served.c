/*-------------------------------------------------------------------------
 *
 * served.c
 *	  Which databases the settings want to be served.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "base/guc.h"
#include "shmem/databases.h"
#include "shmem/shmem.h"

bool
tq_database_is_listed(const char *name)
{
	char	   *list = pstrdup(tq_databases ? tq_databases : "");
	List	   *names;
	ListCell   *cell;
	bool		listed = false;

	if (SplitGUCList(list, ',', &names))
	{
		foreach(cell, names)
		{
			const char *item = lfirst(cell);

			if (strcmp(item, "*") == 0 || strcmp(item, name) == 0)
				listed = true;
		}
		list_free(names);
	}
	pfree(list);
	return listed;
}

bool
tq_database_is_served(void)
{
	TqDatabase	database;
	char	   *name;
	bool		listed;

	if (!tq_shmem_available() || tq_workers == 0 || !tq_enabled)
		return false;
	if (tq_database_get(MyDatabaseId, &database) && (database.flags & TQ_DATABASE_IS_COPY))
		return false;
	name = get_database_name(MyDatabaseId);
	listed = name != NULL && tq_database_is_listed(name);
	return listed;
}
