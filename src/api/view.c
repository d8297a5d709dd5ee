/*-------------------------------------------------------------------------
 *
 * view.c
 *	  health(), and the functions that views call.
 *
 * A view calls its functions as the user who reads it, so everybody may
 * execute them; they tell no more than the views do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "api/access.h"
#include "api/params.h"
#include "base/guc.h"
#include "handler/registry.h"
#include "run/execute.h"
#include "shmem/claims.h"
#include "shmem/databases.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
#include "store/health.h"

PG_FUNCTION_INFO_V1(tq_may_see);
PG_FUNCTION_INFO_V1(tq_may_read);

Datum
tq_may_see(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tq_access_may_see(GetUserId(), PG_GETARG_OID(0)));
}

Datum
tq_may_read(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tq_access_may_read(GetUserId(), PG_GETARG_OID(0)));
}

PG_FUNCTION_INFO_V1(tq_executing);

Datum
tq_executing(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const TqRun *run = tq_current_run; run != NULL; run = run->outer)
	{
		if (run->task->taken && tq_access_may_read(GetUserId(), run->task->enqueuer))
			tuplestore_putvalues(result->setResult, result->setDesc,
								 run->task->values, run->task->nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(tq_handler_signature);

Datum
tq_handler_signature(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TqHandler  *handler = tq_handler_find(name, true);
	Datum		values[3] = {0};
	bool		nulls[3] = {true, true, true};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (handler != NULL && !handler->function_missing)
	{
		const TqSignature *signature = &handler->signature;

		nulls[0] = nulls[1] = (handler->kind == TQ_HANDLER_EXTERNAL);
		nulls[2] = signature->any_args;
		values[0] = ObjectIdGetDatum(signature->function);
		values[1] = nulls[1] ? (Datum) 0 : tq_params_names(signature);
		values[2] = nulls[2] ? (Datum) 0 : tq_params_types(signature);
	}
	if (handler != NULL)
		tq_handler_unpin(handler);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(tq_preloaded);

Datum
tq_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tq_shmem_available());
}

static void
collect_facts(TqHealthFacts *facts)
{
	char	   *database_name = get_database_name(MyDatabaseId);
	TqDatabase	database = {0};

	facts->preloaded = tq_shmem_available();
	facts->workers = tq_workers;
	facts->enabled = tq_enabled;
	facts->listed = database_name != NULL && tq_database_is_listed(database_name);
	(void) tq_database_get(MyDatabaseId, &database);
	facts->out_of_slots = (database.flags & TQ_DATABASE_OUT_OF_SLOTS) != 0 || database.state == TQ_DATABASE_NO_SLOTS;
	facts->start_failed = (database.flags & TQ_DATABASE_START_FAILED) != 0 || database.state == TQ_DATABASE_BACKOFF;
	facts->idle_workers = 0;
	if (facts->preloaded)
		(void) tq_slot_count_workers(MyDatabaseId, &facts->idle_workers);
	facts->claims = tq_claims ? tq_claims : "";
	facts->ready_capacity = tq_ready_capacity;
	facts->leases = tq_claim_count_external();
	facts->lease_capacity = tq_lease_capacity;
	facts->home = tq_home ? tq_home : "";
}

PG_FUNCTION_INFO_V1(tq_health);

Datum
tq_health(PG_FUNCTION_ARGS)
{
	TqHealthFacts facts;

	if (!tq_access_may_see(GetUserId(), InvalidOid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see the health of the task queue"),
				 errhint("Administrators of the task queue and members of pg_monitor and pg_read_all_data may see it.")));
	InitMaterializedSRF(fcinfo, 0);
	collect_facts(&facts);
	tq_health_check(&facts, ((ReturnSetInfo *) fcinfo->resultinfo)->setResult);
	return (Datum) 0;
}
