/*-------------------------------------------------------------------------
 *
 * call.c
 *	  Running user code.
 *
 * What must stay true:
 * - User code runs as the task's role, with SECURITY_LOCAL_USERID_CHANGE, so
 *   that it cannot become the session's user by SET ROLE or RESET ROLE.  That
 *   includes domain checks and defaults (arguments), casts to json (result),
 *   and deferred triggers and portals, which a commit would run as whoever is
 *   the current user then.
 * - A procedure that may COMMIT gets its role before its transaction starts:
 *   an abort inside restores the user that the transaction began with.
 * - Errors are not handled here: they pass on, and the caller aborts the
 *   (sub)transaction, which restores user, settings and snapshots.
 *
 * Calls nest (a handler may use call_handler() or drain()), also of the same
 * handler; what is kept for the next call is then used by the outermost only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/errors.h"
#include "handler/args.h"
#include "handler/call.h"

/* One call under way. */
typedef struct Call
{
	TqHandler  *handler;
	Jsonb	   *args;
	Oid			role;
	TqCallMode	mode;
	MemoryContext result_context;
	TqCallPhase phase;
	bool		borrowed;		/* uses the handler's call_info */
	Portal		portal;			/* of a procedure that may commit */
	Portal		outer_portal;	/* where that was called: NULL, or the CALL of run_tasks() */
	MemoryContext outer_context;
	Jsonb	   *result;
} Call;

TqCallPhase tq_call_phase = TQ_PHASE_ARGS;

/* The innermost call. */
static const Call *current_call = NULL;

const TqHandler *
tq_call_direct_handler(void)
{
	if (current_call == NULL || current_call->mode != TQ_CALL_DIRECT)
		return NULL;
	return current_call->handler;
}

/* Does an error tell something of the value, or of the server and the session? */
static bool
blames_value(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			break;
	}
	return sqlerrcode != ERRCODE_TQ_ARG_COUNT && sqlerrcode != ERRCODE_TQ_ARG_TYPE &&
		sqlerrcode != ERRCODE_TQ_DECODE;
}

void
tq_call_guard(TqGuardedWork work, TqErrorRewrite rewrite, void *arg)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!blames_value(edata->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		rewrite(edata, arg);
		ReThrowError(edata);
	}
	PG_END_TRY();
}

/*
 * The function's lookup data is kept with the handler.  After an error it is
 * made anew: what the language keeps in it may belong to the aborted
 * transaction.
 */
static FmgrInfo *
borrow_call_info(Call *call, FmgrInfo *own)
{
	TqHandler  *handler = call->handler;

	if (handler->call_busy)
	{
		fmgr_info(handler->signature.function, own);
		return own;
	}
	if (handler->call_info.fn_addr == NULL)
	{
		if (handler->call_context == NULL)
			handler->call_context = AllocSetContextCreate(handler->context,
														  "task_queue call",
														  ALLOCSET_SMALL_SIZES);
		else
			MemoryContextReset(handler->call_context);
		fmgr_info_cxt(handler->signature.function, &handler->call_info,
					  handler->call_context);
	}
	handler->call_busy = true;
	call->borrowed = true;
	return &handler->call_info;
}

static void
return_call_info(Call *call)
{
	if (call->borrowed)
		call->handler->call_busy = false;
	call->borrowed = false;
}

/* values and nulls are those of tq_args_convert(). */
static Datum
invoke(Call *call, const Datum *values, const bool *nulls, bool atomic, bool *isnull)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	const TqSignature *signature = &call->handler->signature;
	FmgrInfo	own;
	CallContext *context = NULL;
	PgStat_FunctionCallUsage usage;
	Datum		result;

	if (signature->kind == TQ_HANDLER_PROCEDURE)
	{
		context = makeNode(CallContext);
		context->atomic = atomic || !signature->may_commit;
	}
	InvokeFunctionExecuteHook(signature->function);
	InitFunctionCallInfoData(*fcinfo, borrow_call_info(call, &own), signature->nparams,
							 signature->collation, (Node *) context, NULL);
	for (int i = 0; i < signature->nparams; i++)
	{
		fcinfo->args[i].value = values[i];
		fcinfo->args[i].isnull = nulls[i];
	}
	pgstat_init_function_usage(fcinfo, &usage);
	result = FunctionCallInvoke(fcinfo);
	pgstat_end_function_usage(&usage, true);
	return_call_info(call);
	*isnull = fcinfo->isnull;
	return result;
}

static Jsonb *
copy_json(const Jsonb *json, MemoryContext context)
{
	Jsonb	   *copy = MemoryContextAlloc(context, VARSIZE(json));

	memcpy(copy, json, VARSIZE(json));
	return copy;
}

/* to_jsonb() asks its call site for the type of its argument. */
static FmgrInfo *
json_info(TqHandler *handler)
{
	if (handler->json_info.fn_addr == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(handler->context);
		Oid			type = handler->signature.result_type;
		Expr	   *argument = (Expr *) makeNullConst(type, -1, InvalidOid);
		FuncExpr   *expr = makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
										InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);

		fmgr_info_cxt(F_TO_JSONB, &handler->json_info, handler->context);
		fmgr_info_set_expr((Node *) expr, &handler->json_info);
		MemoryContextSwitchTo(old);
	}
	return &handler->json_info;
}

/* SQL NULL is JSON null; a handler without result gives no document at all. */
static Jsonb *
result_to_json(Call *call, Datum value, bool isnull)
{
	const TqSignature *signature = &call->handler->signature;
	Datum		json;

	if (!signature->has_result)
		return NULL;
	if (isnull)
	{
		JsonbValue	null = {.type = jbvNull};

		return copy_json(JsonbValueToJsonb(&null), call->result_context);
	}
	json = value;
	if (signature->result_type != JSONBOID)
		json = FunctionCall1Coll(json_info(call->handler), signature->collation, value);
	return copy_json(DatumGetJsonbP(json), call->result_context);
}

/* What a commit would do with user code, done while the role is current. */
static void
finish_user_code(void)
{
	do
	{
		AfterTriggerFireDeferred();
	} while (PreCommit_Portals(false));
}

static void
call_and_convert(Call *call)
{
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];
	Datum		result;
	bool		isnull;

	PushActiveSnapshot(GetTransactionSnapshot());
	tq_args_convert(&call->handler->signature, call->args, values, nulls);
	call->phase = TQ_PHASE_HANDLER;
	result = invoke(call, values, nulls, true, &isnull);
	call->phase = TQ_PHASE_RESULT;
	call->result = result_to_json(call, result, isnull);
	call->phase = TQ_PHASE_HANDLER;
	PopActiveSnapshot();
}

static void
call_as_role(Call *call)
{
	Oid			user;
	int			security;
	int			as_role = SECURITY_LOCAL_USERID_CHANGE;
	int			level;

	GetUserIdAndSecContext(&user, &security);
	if (call->mode == TQ_CALL_RESTRICTED)
		as_role |= SECURITY_RESTRICTED_OPERATION;
	SetUserIdAndSecContext(call->role, security | as_role);
	level = NewGUCNestLevel();

	call_and_convert(call);
	if (call->mode == TQ_CALL_WORKER)
		finish_user_code();

	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
}

/*
 * A procedure that may COMMIT needs what CALL has at the top level: a portal
 * that is really active, whose snapshot each new transaction renews, and
 * arguments in memory that outlives a transaction.
 */
static void
call_procedure(Call *call)
{
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];
	Portal		portal;
	bool		isnull;

	Assert(GetUserId() == call->role);
	call->outer_portal = ActivePortal;
	call->outer_context = PortalContext;
	portal = CreateNewPortal();
	portal->visible = false;
	PortalDefineQuery(portal, NULL, "CALL", CMDTAG_CALL, NIL, NULL);
	portal->status = PORTAL_READY;
	MarkPortalActive(portal);
	call->portal = portal;
	ActivePortal = portal;
	PortalContext = portal->portalContext;
	MemoryContextSwitchTo(portal->portalContext);

	EnsurePortalSnapshotExists();
	tq_args_convert(&call->handler->signature, call->args, values, nulls);
	call->phase = TQ_PHASE_HANDLER;
	(void) invoke(call, values, nulls, false, &isnull);

	if (portal->portalSnapshot != NULL)
	{
		PopActiveSnapshot();
		portal->portalSnapshot = NULL;
	}
	MarkPortalDone(portal);
	call->portal = NULL;
	ActivePortal = call->outer_portal;
	PortalContext = call->outer_context;
	MemoryContextSwitchTo(call->result_context);
	PortalDrop(portal, false);
}

void
tq_call_check_args(TqHandler *handler, Jsonb *args, Oid role)
{
	Oid			user;
	int			security;
	int			level;

	if (role == GetUserId())
	{
		tq_args_check(&handler->signature, args, NULL);
		return;
	}
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(role, security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	level = NewGUCNestLevel();
	tq_args_check(&handler->signature, args, NULL);
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
}

/* Leaves what the call has outside of the transaction as it was; the rest is the abort's. */
static void
abandon(Call *call, const Call *outer)
{
	tq_call_phase = call->phase;
	current_call = outer;
	if (call->borrowed)
	{
		call->handler->call_info.fn_addr = NULL;
		return_call_info(call);
	}
	if (call->portal != NULL)
	{
		MarkPortalFailed(call->portal);
		ActivePortal = call->outer_portal;
		PortalContext = call->outer_context;
	}
}

static void
check_callable(const TqHandler *handler)
{
	if (handler->kind == TQ_HANDLER_EXTERNAL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("handler \"%s\" is external", handler->name),
				 errdetail("Its tasks are run by clients, with dequeue() and complete().")));
	tq_handler_require_function(handler);
}

Jsonb *
tq_handler_call(TqHandler *handler, Jsonb *args, Oid role, TqCallMode mode,
				MemoryContext result_context)
{
	const Call *outer = current_call;
	Call		call = {
		.handler = handler,
		.args = args,
		.role = role,
		.mode = mode,
		.result_context = result_context,
		.phase = TQ_PHASE_ARGS
	};

	PG_TRY();
	{
		current_call = &call;
		check_callable(handler);
		tq_handler_check_permission(handler, role);
		if (mode == TQ_CALL_NONATOMIC)
			call_procedure(&call);
		else
			call_as_role(&call);
	}
	PG_CATCH();
	{
		abandon(&call, outer);
		PG_RE_THROW();
	}
	PG_END_TRY();
	current_call = outer;
	return call.result;
}
