/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  The extension's own SQLSTATEs.
 *
 * A class of its own exists only where a client must branch; everything else
 * uses the server's standard codes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ERRORS_H
#define TQ_ERRORS_H

#include "base/compat.h"

#define ERRCODE_TQ_ARG_COUNT		MAKE_SQLSTATE('T','Q','0','0','1')
#define ERRCODE_TQ_ARG_TYPE			MAKE_SQLSTATE('T','Q','0','0','2')
#define ERRCODE_TQ_DECODE			MAKE_SQLSTATE('T','Q','0','0','3')
#define ERRCODE_TQ_TASK_FAILED		MAKE_SQLSTATE('T','Q','0','0','4')
#define ERRCODE_TQ_TASK_CANCELED	MAKE_SQLSTATE('T','Q','0','0','5')
#define ERRCODE_TQ_DEADLINE			MAKE_SQLSTATE('T','Q','0','0','6')
#define ERRCODE_TQ_WAIT_TIMEOUT		MAKE_SQLSTATE('T','Q','0','0','7')
#define ERRCODE_TQ_DAG_CYCLE		MAKE_SQLSTATE('T','Q','0','0','8')
#define ERRCODE_TQ_STEP_SKIPPED		MAKE_SQLSTATE('T','Q','0','0','9')
#define ERRCODE_TQ_LEASE_LOST		MAKE_SQLSTATE('T','Q','0','1','0')

/* The reserved error kinds. */
#define TQ_KIND_HANDLER			"handler"
#define TQ_KIND_DECODE			"decode"
#define TQ_KIND_ARG_COUNT		"arg_count"
#define TQ_KIND_ARG_TYPE		"arg_type"
#define TQ_KIND_UNKNOWN_HANDLER	"unknown_handler"
#define TQ_KIND_PANIC			"panic"
#define TQ_KIND_TERMINATED		"terminated"
#define TQ_KIND_DEADLINE		"deadline"
#define TQ_KIND_TIMEOUT			"timeout"
#define TQ_KIND_LEASE_LOST		"lease_lost"

/* Why an attempt failed; the C form of the SQL type task_error. */
typedef struct TqError
{
	char	   *kind;
	char	   *message;
	bool		retryable;
	char		sqlstate[6];	/* empty: none */
	char	   *detail;			/* these three may be NULL */
	char	   *hint;
	char	   *context;
	int64		retry_in;		/* microseconds; replaces the policy's delay
								 * unless negative */
} TqError;

#define TQ_NO_RETRY_IN	(-1)

extern TqError *tq_error_make(const char *kind, const char *message, bool retryable);
extern Datum tq_error_to_datum(const TqError *error);	/* a task_error */

/* The closest of some candidates to a mistyped name, for "did you mean"; NULL if none is near. */
extern const char *tq_error_closest(const char *name, const char *const *candidates, int n);

/* Argument checks shared by all entry points; all raise 22023. */
extern pg_noreturn void tq_error_null_argument(const char *argument);
extern pg_noreturn void tq_error_negative_argument(const char *argument);
extern void tq_error_if_empty(const char *value, const char *what);	/* NULL is not */
extern pg_noreturn void tq_error_reserved_argument(const char *argument);	/* 0A000 */

#endif
