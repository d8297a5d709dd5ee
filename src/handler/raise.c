/*-------------------------------------------------------------------------
 *
 * raise.c
 *	  Errors of user code as task errors.
 *
 * What raise_error() says beyond message and HINT travels in fields of the
 * error that ordinary errors of constraints use.  So it survives an exception
 * block that throws the error on, and is gone when the handler raises an error
 * of its own instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "postgres_ext.h"
#include "utils/builtins.h"

#include "base/errors.h"
#include "base/owner.h"
#include "handler/call.h"

/* The fields, by what they carry. */
#define MARKER		schema_name /* always TQ_SCHEMA */
#define KIND		constraint_name
#define RETRYABLE	datatype_name
#define RETRY_IN	column_name /* microseconds */
#define OWN_DETAIL	table_name

int
tq_call_errkind(const char *kind, bool retryable)
{
	err_generic_string(PG_DIAG_SCHEMA_NAME, TQ_SCHEMA);
	err_generic_string(PG_DIAG_CONSTRAINT_NAME, kind);
	return err_generic_string(PG_DIAG_DATATYPE_NAME, retryable ? "t" : "f");
}

static int
errretry(int64 retry_in_us)
{
	if (retry_in_us == TQ_NO_RETRY_IN)
		return 0;
	return err_generic_string(PG_DIAG_COLUMN_NAME, psprintf(INT64_FORMAT, retry_in_us));
}

void
tq_call_raise(const char *kind, const char *message, bool retryable, int64 retry_in_us,
			  const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_TQ_TASK_FAILED),
			 errmsg_internal("%s", message),
			 errdetail_internal("%s", kind),
			 hint != NULL ? errhint("%s", hint) : 0,
			 tq_call_errkind(kind, retryable),
			 errretry(retry_in_us),
			 detail != NULL ? err_generic_string(PG_DIAG_TABLE_NAME, detail) : 0));
	pg_unreachable();
}

static bool
is_marked(const ErrorData *edata)
{
	return edata->MARKER != NULL && strcmp(edata->MARKER, TQ_SCHEMA) == 0 &&
		edata->KIND != NULL && edata->RETRYABLE != NULL;
}

/* The kind that the mapping of arguments gives its own errors; NULL for others. */
static const char *
kind_of_mapping(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_TQ_ARG_COUNT)
		return TQ_KIND_ARG_COUNT;
	if (sqlerrcode == ERRCODE_TQ_ARG_TYPE)
		return TQ_KIND_ARG_TYPE;
	if (sqlerrcode == ERRCODE_TQ_DECODE)
		return TQ_KIND_DECODE;
	return NULL;
}

/* A cancel or a serialization failure says nothing of the result. */
static bool
blames_result(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category != ERRCODE_OPERATOR_INTERVENTION &&
		category != ERRCODE_INSUFFICIENT_RESOURCES &&
		category != ERRCODE_TRANSACTION_ROLLBACK;
}

static const char *
kind_of_error(const ErrorData *edata, TqCallPhase phase, bool *retryable)
{
	const char *kind = NULL;

	*retryable = false;
	if (is_marked(edata))
	{
		*retryable = edata->RETRYABLE[0] == 't';
		return edata->KIND;
	}
	if (phase == TQ_PHASE_ARGS)
		kind = kind_of_mapping(edata->sqlerrcode);
	else if (phase == TQ_PHASE_RESULT && blames_result(edata->sqlerrcode))
		kind = TQ_KIND_DECODE;
	if (kind != NULL)
		return kind;
	*retryable = true;
	return TQ_KIND_HANDLER;
}

static char *
copy_text(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

TqError *
tq_call_classify_error(const ErrorData *edata, TqCallPhase phase)
{
	bool		retryable;
	const char *kind = kind_of_error(edata, phase, &retryable);
	TqError    *error = tq_error_make(kind, edata->message ? edata->message : "", retryable);

	error->hint = copy_text(edata->hint);
	error->context = copy_text(edata->context);
	if (is_marked(edata) && edata->sqlerrcode == ERRCODE_TQ_TASK_FAILED)
	{
		error->detail = copy_text(edata->OWN_DETAIL);
		if (edata->RETRY_IN != NULL)
			error->retry_in = strtoll(edata->RETRY_IN, NULL, 10);
		return error;
	}
	error->detail = copy_text(edata->detail);
	strlcpy(error->sqlstate, unpack_sql_state(edata->sqlerrcode), sizeof(error->sqlstate));
	return error;
}
