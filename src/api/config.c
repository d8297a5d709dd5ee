/*-------------------------------------------------------------------------
 *
 * config.c
 *	  Trigger of the tables that backends keep caches of.
 *
 * It fires after every statement, whoever runs it: our own functions, but
 * also the restore of a dump, an upgrade script or an administrator at work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "base/owner.h"
#include "shmem/xact.h"
#include "store/lane.h"

PG_FUNCTION_INFO_V1(tq_config_changed);

Datum
tq_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *table;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function can be called only as a trigger")));
	table = RelationGetRelationName(trigger->tg_relation);
	if (strcmp(table, "lane") == 0)
		tq_lane_note_change(RelationGetRelid(trigger->tg_relation));
	else if (strcmp(table, "handler_name") == 0)
		CacheInvalidateRelcacheByRelid(tq_relation_oid("handler"));
	else
		CacheInvalidateRelcache(trigger->tg_relation);
	tq_xact_note_config();
	return PointerGetDatum(NULL);
}
