/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  Registered handlers: lookup by name or alias, with a per-backend cache.
 *
 * Entries are resolved to a function oid and a parameter list once per
 * backend, and again after any change to the registry (relcache invalidation
 * of table handler), to pg_proc or to pg_type.  A pointer returned by a lookup
 * stays valid until tq_handler_unpin().
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_REGISTRY_H
#define TQ_REGISTRY_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "base/compat.h"

#define TQ_HANDLER_FUNCTION		'f'
#define TQ_HANDLER_PROCEDURE	'p'
#define TQ_HANDLER_EXTERNAL		'x'

typedef struct TqParam
{
	char	   *name;			/* NULL: unnamed */
	Oid			type;			/* of a VARIADIC parameter: the array type */
	bool		has_default;
	bool		variadic;
} TqParam;

/* The signature of a function, or what an external handler declares. */
typedef struct TqSignature
{
	Oid			function;		/* InvalidOid: external */
	int			nparams;
	TqParam    *params;
	int			required;		/* parameters without default, not VARIADIC */
	bool		strict;
	bool		any_args;		/* external without declared types */
	bool		has_result;
	Oid			result_type;
} TqSignature;

typedef struct TqHandler
{
	int			handler_id;
	char	   *name;			/* the main name */
	char		kind;			/* TQ_HANDLER_... */
	bool		function_missing;	/* registered, but its function is gone */
	TqSignature signature;
	char	   *queue;
	bool		has_policy;
	Datum		retry_policy;	/* a retry_policy */
	int64		timeout_us;		/* -1: not set; 0: none */
	int64		keep_done_us;	/* -1: not set */
	int			batch_size;
	Oid			registered_by;
	int			pins;			/* private to registry.c */
} TqHandler;

/*
 * Find a handler by name or alias; the result is pinned.  missing_ok: NULL
 * for an unknown name, else 42883 with a HINT that offers the closest name.
 * A handler whose function was dropped is returned with function_missing.
 */
extern TqHandler *tq_handler_find(const char *name, bool missing_ok);
extern void tq_handler_unpin(TqHandler *handler);

/* Raises 42883 for an unknown handler, with the same HINT. */
extern pg_noreturn void tq_handler_unknown(const char *name);

/* Analyse a function; raises 22023 if it cannot be a handler.  palloc'd in the current context. */
extern TqSignature *tq_signature_of_function(Oid function);
extern char *tq_handler_canonical_name(Oid function);

/* May the role's tasks call the handler?  (EXECUTE; a superuser's only code registered by superusers or the owner.)  Else 42501. */
extern void tq_handler_check_permission(TqHandler *handler, Oid role);

extern void tq_registry_init(void);

#endif
