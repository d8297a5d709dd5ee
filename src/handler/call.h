/*-------------------------------------------------------------------------
 *
 * call.h
 *	  Running user code.
 *
 * The only place that switches down to a task's role, and the only one that
 * looks at the errors of user code.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_CALL_H
#define TQ_CALL_H

#include "postgres.h"

#include "utils/elog.h"
#include "utils/jsonb.h"

#include "base/errors.h"
#include "handler/registry.h"

/* How far a call got, to tell whose error it is. */
typedef enum TqCallPhase
{
	TQ_PHASE_ARGS,				/* mapping the arguments */
	TQ_PHASE_HANDLER,			/* in the handler, or in its deferred triggers */
	TQ_PHASE_RESULT				/* converting the result to JSON */
} TqCallPhase;

typedef enum TqCallMode
{
	TQ_CALL_WORKER,				/* own transaction: deferred triggers and portals are finished as the role */
	TQ_CALL_NONATOMIC,			/* a procedure that may COMMIT; the role was set outside the transaction */
	TQ_CALL_DIRECT,				/* call_handler(): within the caller's transaction, as himself, without a task */
	TQ_CALL_IN_CALLER,			/* within somebody's transaction, as the caller himself: unrestricted */
	TQ_CALL_RESTRICTED			/* within somebody's transaction, as another role: security-restricted */
} TqCallMode;

/*
 * Map args, call, and convert the result (palloc'd in result_context; NULL =
 * SQL NULL, that is void).  Errors pass to the caller of this function;
 * tq_call_phase tells where the last one came from.  GUC changes of the
 * handler are undone, except in mode TQ_CALL_NONATOMIC, whose caller resets
 * the session.
 *
 * In mode TQ_CALL_NONATOMIC the caller has set the role before the transaction
 * was started, keeps args only until the first COMMIT, and on return is in
 * some transaction, with result_context current.
 */
extern TqCallPhase tq_call_phase;
extern Jsonb *tq_handler_call(TqHandler *handler, Jsonb *args, Oid role,
							  TqCallMode mode, MemoryContext result_context);

/*
 * The handler that call_handler() is running, if that is the innermost call
 * of all; NULL inside the handler of a task, and outside of any.
 */
extern const TqHandler *tq_call_direct_handler(void);

/*
 * Run work(arg).  An error of what it runs, that is of input functions and
 * domain constraints, is rewritten and thrown on; one that says nothing of
 * the value (a cancel, lack of memory) passes unchanged.
 */
typedef void (*TqGuardedWork) (void *arg);
typedef void (*TqErrorRewrite) (ErrorData *edata, void *arg);
extern void tq_call_guard(TqGuardedWork work, TqErrorRewrite rewrite, void *arg);

/*
 * tq_args_check() for a task of that role: input functions may come to user
 * code, that of a range's domain for example.
 */
extern void tq_call_check_args(TqHandler *handler, Jsonb *args, Oid role);

/* Inside ereport(): the kind that tq_call_classify_error() is to give the error. */
extern int	tq_call_errkind(const char *kind, bool retryable);

/*
 * Turn a caught error into a task error, by phase and by what raise_error()
 * put into it.  palloc'd in the current context.
 */
extern TqError *tq_call_classify_error(const ErrorData *edata, TqCallPhase phase);

/* What raise_error() does. */
extern pg_noreturn void tq_call_raise(const char *kind, const char *message, bool retryable,
									  int64 retry_in_us, const char *detail, const char *hint);

#endif
