/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  SQL functions for queues and for the rights that the extension grants.
 *
 * All of them are for administrators.  They raise 42501 for others, 22023 for
 * a bad value, 42704 for an unknown queue or role.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api/arg.h"
#include "base/clock.h"
#include "base/owner.h"
#include "run/cancel.h"
#include "store/policy.h"
#include "store/queue.h"

PG_FUNCTION_INFO_V1(tq_create_queue);
PG_FUNCTION_INFO_V1(tq_alter_queue);
PG_FUNCTION_INFO_V1(tq_drop_queue);
PG_FUNCTION_INFO_V1(tq_pause_queue);
PG_FUNCTION_INFO_V1(tq_resume_queue);
PG_FUNCTION_INFO_V1(tq_grant_worker);
PG_FUNCTION_INFO_V1(tq_revoke_worker);
PG_FUNCTION_INFO_V1(tq_grant_admin);
PG_FUNCTION_INFO_V1(tq_revoke_admin);

/* A queue name has to fit where names are kept in shared memory. */
#define MAX_NAME_BYTES		63

#define CANCEL_BATCH		1000

static Interval *
keep_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	(void) tq_arg_interval(fcinfo, n, name, 0);
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_INTERVAL_P(n);
}

/* Arguments 1 to 4 of create_queue() and alter_queue(). */
static void
options_arguments(FunctionCallInfo fcinfo, TqQueueOptions *options)
{
	options->max_running = tq_arg_count(fcinfo, 1, "max_running", -1);
	options->retry_policy = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	if (options->retry_policy != (Datum) 0)
		tq_policy_check(options->retry_policy);
	options->keep_done = keep_argument(fcinfo, 3, "keep_done");
	options->keep_failed = keep_argument(fcinfo, 4, "keep_failed");
}

Datum
tq_create_queue(PG_FUNCTION_ARGS)
{
	char	   *name = tq_arg_required_name(fcinfo, 0, "queue", MAX_NAME_BYTES);
	TqQueueOptions options;

	PreventCommandIfReadOnly("create_queue()");
	tq_require_admin(GetUserId(), "create a queue");
	options_arguments(fcinfo, &options);
	if (!tq_queue_create(name, &options, tq_arg_bool(fcinfo, 5, false)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("queue \"%s\" already exists", name),
				 errhint("Use or_replace => true to replace its options.")));
	PG_RETURN_VOID();
}

Datum
tq_alter_queue(PG_FUNCTION_ARGS)
{
	char	   *name = tq_arg_required_text(fcinfo, 0, "name");
	TqQueueOptions options;

	PreventCommandIfReadOnly("alter_queue()");
	tq_require_admin(GetUserId(), "alter a queue");
	options_arguments(fcinfo, &options);
	tq_queue_alter(name, &options);
	PG_RETURN_VOID();
}

static Datum
set_paused(FunctionCallInfo fcinfo, bool paused)
{
	char	   *name = tq_arg_required_text(fcinfo, 0, "name");

	PreventCommandIfReadOnly(paused ? "pause_queue()" : "resume_queue()");
	tq_require_admin(GetUserId(), paused ? "pause a queue" : "resume a queue");
	tq_queue_set_paused(name, paused);
	PG_RETURN_VOID();
}

Datum
tq_pause_queue(PG_FUNCTION_ARGS)
{
	return set_paused(fcinfo, true);
}

Datum
tq_resume_queue(PG_FUNCTION_ARGS)
{
	return set_paused(fcinfo, false);
}

/*
 * The end of a step can make others ready in the same queue: their tasks have
 * higher ids, so going on above the last one finds them.
 */
static void
cancel_live_tasks(const char *name, Oid role)
{
	int64		last = 0;
	int64	   *ids;
	int			n;

	while ((n = tq_queue_live_tasks(name, last, CANCEL_BATCH, &ids)) > 0)
	{
		for (int i = 0; i < n; i++)
			(void) tq_cancel_task(ids[i], "queue dropped", role);
		last = ids[n - 1];
		pfree(ids);
	}
}

Datum
tq_drop_queue(PG_FUNCTION_ARGS)
{
	char	   *name = tq_arg_required_text(fcinfo, 0, "name");
	bool		force = tq_arg_bool(fcinfo, 1, false);
	Oid			role = GetUserId();
	int64	   *ids;

	PreventCommandIfReadOnly("drop_queue()");
	tq_require_admin(role, "drop a queue");
	(void) tq_queue_find(name, false);
	if (strcmp(name, TQ_DEFAULT_QUEUE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" cannot be dropped", name)));
	if (force)
		cancel_live_tasks(name, role);
	else if (tq_queue_live_tasks(name, 0, 1, &ids) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("queue \"%s\" has live tasks", name),
				 errhint("Use force => true to cancel them.")));
	tq_queue_delete(name);
	PG_RETURN_VOID();
}

static Oid
role_argument(FunctionCallInfo fcinfo, int n)
{
	Oid			role = tq_arg_required_oid(fcinfo, n, "role");

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	return role;
}

Datum
tq_grant_worker(PG_FUNCTION_ARGS)
{
	Oid			role = role_argument(fcinfo, 0);
	char	   *queue = tq_arg_text(fcinfo, 1);

	PreventCommandIfReadOnly("grant_worker()");
	tq_require_admin(GetUserId(), "grant rights on queues");
	if (queue != NULL)
		(void) tq_queue_find(queue, false);
	tq_privilege_add(role, TQ_PRIVILEGE_WORKER, queue);
	PG_RETURN_VOID();
}

/* A role that no longer exists can still lose what it had. */
Datum
tq_revoke_worker(PG_FUNCTION_ARGS)
{
	Oid			role = tq_arg_required_oid(fcinfo, 0, "role");
	char	   *queue = tq_arg_text(fcinfo, 1);

	PreventCommandIfReadOnly("revoke_worker()");
	tq_require_admin(GetUserId(), "revoke rights on queues");
	if (queue != NULL)
		(void) tq_queue_find(queue, false);
	tq_privilege_remove(role, TQ_PRIVILEGE_WORKER, queue);
	if (queue != NULL && tq_role_serves_queue(role, queue))
		ereport(WARNING,
				(errmsg("role \"%s\" can still work on queue \"%s\"",
						tq_role_name(role), queue),
				 errdetail("It holds a right on every queue, itself or through a role that it is a member of.")));
	PG_RETURN_VOID();
}

Datum
tq_grant_admin(PG_FUNCTION_ARGS)
{
	Oid			role = role_argument(fcinfo, 0);

	PreventCommandIfReadOnly("grant_admin()");
	tq_require_admin(GetUserId(), "grant administration");
	tq_privilege_add(role, TQ_PRIVILEGE_ADMIN, NULL);
	PG_RETURN_VOID();
}

Datum
tq_revoke_admin(PG_FUNCTION_ARGS)
{
	Oid			role = tq_arg_required_oid(fcinfo, 0, "role");

	PreventCommandIfReadOnly("revoke_admin()");
	tq_require_admin(GetUserId(), "revoke administration");
	tq_privilege_remove(role, TQ_PRIVILEGE_ADMIN, NULL);
	PG_RETURN_VOID();
}
