/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  dequeue(), complete(), complete_many(), fail(), release() and
 *	  heartbeat(): what external workers call.
 *
 * Nothing depends on the session: any call may come through another
 * connection.  Everything is part of the caller's transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/access.h"
#include "api/arg.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/owner.h"
#include "run/dequeue.h"
#include "run/lease.h"
#include "shmem/lease.h"
#include "shmem/seen.h"
#include "shmem/xact.h"
#include "store/queue.h"

#define DEFAULT_LEASE_US	(30 * USECS_PER_SEC)
#define MAX_WAIT_US			(60 * USECS_PER_SEC)
#define MAX_TASKS			100000
#define DATABASE_WORKER		"db/"

/* queue NULL: any. */
static void
require_worker(Oid role, const char *queue)
{
	char	   *grant;

	if (tq_role_serves_queue(role, queue))
		return;
	grant = quote_literal_cstr(tq_role_name(role));
	if (queue != NULL)
		grant = psprintf("%s, %s", grant, quote_literal_cstr(queue));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 queue != NULL ? errmsg("permission denied to serve queue \"%s\"", queue) :
			 errmsg("permission denied to serve any queue"),
			 errhint("An administrator can run SELECT task_queue.grant_worker(%s).", grant)));
}

/* NULL: the caller did not say who he is. */
static char *
worker_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *worker = tq_arg_text(fcinfo, n);

	if (worker == NULL || strcmp(worker, TQ_ANONYMOUS_WORKER) == 0)
		return NULL;
	if (worker[0] == '\0' || strlen(worker) >= TQ_CLAIM_NAME_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the name of a worker must have 1 to %d bytes", TQ_CLAIM_NAME_LEN - 1)));
	if (strncmp(worker, DATABASE_WORKER, strlen(DATABASE_WORKER)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("worker name \"%s\" is reserved", worker),
				 errdetail("Names that start with \"%s\" are those of the server's own workers.",
						   DATABASE_WORKER)));
	return worker;
}

static int64
lease_argument(FunctionCallInfo fcinfo, int n)
{
	int64		us = tq_arg_interval(fcinfo, n, "lease", DEFAULT_LEASE_US);

	if (us == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lease must be positive")));
	return us;
}

/* Blanks are trimmed, and nulls, empty names and duplicates dropped. */
static char **
names_argument(FunctionCallInfo fcinfo, int n, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	int			nelements;
	char	  **names;

	*count = 0;
	if (PG_ARGISNULL(n))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &nelements);
	names = palloc(Max(nelements, 1) * sizeof(char *));
	for (int i = 0; i < nelements; i++)
	{
		char	   *name;

		if (nulls[i])
			continue;
		name = TextDatumGetCString(DirectFunctionCall1(btrim1, elements[i]));
		if (name[0] != '\0' && !tq_offer_contains(names, *count, name))
			names[(*count)++] = name;
	}
	return names;
}

static void
resolve_handlers(FunctionCallInfo fcinfo, int n, TqDequeue *request)
{
	request->nhandlers = -1;
	if (PG_ARGISNULL(n))
		return;
	request->handlers = names_argument(fcinfo, n, &request->nhandlers);
	for (int i = 0; i < request->nhandlers; i++)
	{
		TqHandler  *handler = tq_handler_find(request->handlers[i], false);

		request->handlers[i] = pstrdup(handler->name);
		tq_handler_unpin(handler);
	}
}

static void
dequeue_arguments(FunctionCallInfo fcinfo, TqDequeue *request)
{
	char	   *worker = worker_argument(fcinfo, 4);

	memset(request, 0, sizeof(TqDequeue));
	request->caller = GetUserId();
	request->queue = tq_arg_text(fcinfo, 0);
	if (request->queue != NULL)
		(void) tq_queue_find(request->queue, false);
	require_worker(request->caller, request->queue);
	request->max_tasks = Min(tq_arg_count(fcinfo, 1, "max_tasks", 1), MAX_TASKS);
	request->lease_us = lease_argument(fcinfo, 2);
	request->anonymous = worker == NULL;
	request->worker = worker ? worker : TQ_ANONYMOUS_WORKER;
	request->claims = names_argument(fcinfo, 5, &request->nclaims);
	resolve_handlers(fcinfo, 6, request);
}

static void
note_seen(const TqDequeue *request)
{
	TqSeenNames claims;
	TqSeenNames handlers;

	tq_seen_names_set(&claims, request->claims, request->nclaims);
	tq_seen_names_set(&handlers, request->handlers, request->nhandlers);
	tq_seen_note(request->worker, request->caller, &claims, &handlers);
}

static void
put_text(Datum *values, bool *nulls, int i, const char *text)
{
	nulls[i] = text == NULL;
	if (text != NULL)
		values[i] = CStringGetTextDatum(text);
}

static void
put_handout(ReturnSetInfo *rsinfo, const TqHandout *handout)
{
	const TqTask *task = handout->task;
	Datum		values[15] = {0};
	bool		nulls[15] = {false};

	values[0] = Int64GetDatum(task->task_id);
	values[1] = Int64GetDatum(handout->token);
	put_text(values, nulls, 2, task->handler);
	values[3] = JsonbPGetDatum(task->args);
	values[4] = Int32GetDatum(handout->attempt);
	nulls[5] = !task->has_deadline;
	values[5] = TimestampTzGetDatum(task->deadline);
	values[6] = TimestampTzGetDatum(handout->lease_until);
	put_text(values, nulls, 7, task->target);
	nulls[8] = task->trace_ctx == NULL;
	values[8] = PointerGetDatum(task->trace_ctx);
	put_text(values, nulls, 9, handout->dag_id);
	put_text(values, nulls, 10, handout->step_id);
	put_text(values, nulls, 11, task->queue);
	nulls[12] = task->labels == 0;
	values[12] = task->labels;
	values[13] = Int32GetDatum(tq_finish_maximum_attempts(task));
	values[14] = TimestampTzGetDatum(task->enqueued_at);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(tq_sql_dequeue);

Datum
tq_sql_dequeue(PG_FUNCTION_ARGS)
{
	TqDequeue	request;
	TqHandout  *handouts;
	int64		wait_us;
	int			n;

	PreventCommandIfReadOnly("dequeue()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dequeue() cannot run at isolation level REPEATABLE READ or SERIALIZABLE"),
				 errdetail("It would not see the tasks that come, and fail on those that others have taken."),
				 errhint("Call it in a transaction at READ COMMITTED.")));
	dequeue_arguments(fcinfo, &request);
	wait_us = Min(tq_arg_interval(fcinfo, 3, "wait", 0), MAX_WAIT_US);
	InitMaterializedSRF(fcinfo, 0);
	tq_xact_forbid_prepare("dequeued tasks");
	note_seen(&request);
	if (request.max_tasks == 0)
		return (Datum) 0;
	n = tq_dequeue(&request, wait_us, &handouts);
	for (int i = 0; i < n; i++)
		put_handout((ReturnSetInfo *) fcinfo->resultinfo, &handouts[i]);
	return (Datum) 0;
}

static int64
required_int64(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		tq_error_null_argument(name);
	return PG_GETARG_INT64(n);
}

PG_FUNCTION_INFO_V1(tq_sql_complete);

Datum
tq_sql_complete(PG_FUNCTION_ARGS)
{
	int64		task_id = required_int64(fcinfo, 0, "task_id");
	int64		token = required_int64(fcinfo, 1, "lease_token");
	Jsonb	   *result = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);

	PreventCommandIfReadOnly("complete()");
	require_worker(GetUserId(), NULL);
	PG_RETURN_BOOL(tq_lease_complete(GetUserId(), task_id, token, result));
}

PG_FUNCTION_INFO_V1(tq_sql_fail);

Datum
tq_sql_fail(PG_FUNCTION_ARGS)
{
	int64		task_id = required_int64(fcinfo, 0, "task_id");
	int64		token = required_int64(fcinfo, 1, "lease_token");
	char	   *kind = tq_arg_text(fcinfo, 2);
	char	   *message = tq_arg_text(fcinfo, 3);
	TqError    *error = tq_error_make(kind ? kind : TQ_KIND_HANDLER, message ? message : "",
									  tq_arg_bool(fcinfo, 4, true));
	char		state;

	PreventCommandIfReadOnly("fail()");
	require_worker(GetUserId(), NULL);
	error->retry_in = tq_arg_interval(fcinfo, 5, "retry_in", TQ_NO_RETRY_IN);
	error->detail = tq_arg_text(fcinfo, 6);
	state = tq_lease_fail(GetUserId(), task_id, token, error);
	PG_RETURN_TEXT_P(cstring_to_text(state ? tq_task_state_name(state) : TQ_KIND_LEASE_LOST));
}

PG_FUNCTION_INFO_V1(tq_sql_release);

Datum
tq_sql_release(PG_FUNCTION_ARGS)
{
	int64		task_id = required_int64(fcinfo, 0, "task_id");
	int64		token = required_int64(fcinfo, 1, "lease_token");
	int64		delay_us = tq_arg_interval(fcinfo, 2, "delay", 0);

	PreventCommandIfReadOnly("release()");
	require_worker(GetUserId(), NULL);
	PG_RETURN_BOOL(tq_lease_release(GetUserId(), task_id, token, delay_us));
}

/* A one-dimensional array; elements may be null only if nulls is not NULL. */
static int
elements_of(FunctionCallInfo fcinfo, int n, const char *name, Oid type, Datum **elements, bool **nulls)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(n);
	int			nelements;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have one dimension", name)));
	if (nulls == NULL && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not contain nulls", name)));
	if (type == INT8OID)
		deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
						  elements, nulls, &nelements);
	else
		deconstruct_array(array, type, -1, false, TYPALIGN_INT, elements, nulls, &nelements);
	return nelements;
}

static TqCompletion *
completion_arguments(FunctionCallInfo fcinfo, int *n)
{
	Datum	   *ids;
	Datum	   *tokens;
	Datum	   *results = NULL;
	bool	   *result_nulls = NULL;
	int			ntokens;
	int			nresults;
	TqCompletion *completions;

	if (PG_ARGISNULL(0))
		tq_error_null_argument("task_ids");
	if (PG_ARGISNULL(1))
		tq_error_null_argument("lease_tokens");
	*n = nresults = elements_of(fcinfo, 0, "task_ids", INT8OID, &ids, NULL);
	ntokens = elements_of(fcinfo, 1, "lease_tokens", INT8OID, &tokens, NULL);
	if (!PG_ARGISNULL(2))
		nresults = elements_of(fcinfo, 2, "results", JSONBOID, &results, &result_nulls);
	if (ntokens != *n || nresults != *n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task_ids, lease_tokens and results must have the same length")));
	completions = palloc0(Max(*n, 1) * sizeof(TqCompletion));
	for (int i = 0; i < *n; i++)
	{
		completions[i].task_id = DatumGetInt64(ids[i]);
		completions[i].token = DatumGetInt64(tokens[i]);
		if (results != NULL && !result_nulls[i])
			completions[i].result = DatumGetJsonbP(results[i]);
	}
	return completions;
}

PG_FUNCTION_INFO_V1(tq_sql_complete_many);

Datum
tq_sql_complete_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			n;
	TqCompletion *completions = completion_arguments(fcinfo, &n);

	PreventCommandIfReadOnly("complete_many()");
	require_worker(GetUserId(), NULL);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	tq_lease_complete_many(GetUserId(), completions, n);
	for (int i = 0; i < n; i++)
	{
		Datum		value = Int64GetDatum(completions[i].task_id);
		bool		isnull = false;

		if (completions[i].done)
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(tq_sql_heartbeat);

Datum
tq_sql_heartbeat(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *worker = worker_argument(fcinfo, 0);
	int64		lease_us = lease_argument(fcinfo, 1);
	TqHeld	   *held;
	int			n;

	PreventCommandDuringRecovery("heartbeat()");
	require_worker(GetUserId(), NULL);
	InitMaterializedSRF(fcinfo, 0);
	if (worker == NULL)
		return (Datum) 0;
	held = tq_lease_heartbeat(GetUserId(), worker, lease_us, &n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		values[0] = Int64GetDatum(held[i].task_id);
		values[1] = Int64GetDatum(held[i].token);
		values[2] = TimestampTzGetDatum(held[i].lease_until);
		values[3] = BoolGetDatum(held[i].cancel_requested);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static Datum
names_to_array(const TqSeenNames *names)
{
	Datum	   *elements = palloc(Max(names->count, 1) * sizeof(Datum));
	const char *name = names->block;

	for (int i = 0; i < names->count; i++)
	{
		elements[i] = CStringGetTextDatum(name);
		name += strlen(name) + 1;
	}
	return PointerGetDatum(construct_array(elements, Max(names->count, 0), TEXTOID,
										   -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(tq_sql_external_workers);

/* A worker is seen by those who see the tasks of its role. */
Datum
tq_sql_external_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			n;
	TqSeen	   *seen = tq_seen_list(&n);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		Datum		values[4];
		bool		nulls[4] = {false};

		if (!tq_access_may_see(GetUserId(), seen[i].role))
			continue;
		values[0] = CStringGetTextDatum(seen[i].worker);
		values[1] = names_to_array(&seen[i].claims);
		nulls[2] = seen[i].handlers.count < 0;
		values[2] = nulls[2] ? (Datum) 0 : names_to_array(&seen[i].handlers);
		values[3] = TimestampTzGetDatum(seen[i].last_seen);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
