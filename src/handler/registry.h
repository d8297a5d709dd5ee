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

#include "fmgr.h"
#include "nodes/nodes.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "handler/types.h"

#define TQ_HANDLER_FUNCTION		'f'
#define TQ_HANDLER_PROCEDURE	'p'
#define TQ_HANDLER_EXTERNAL		'x'

typedef struct TqParam
{
	char	   *name;			/* NULL: unnamed */
	Oid			type;			/* of a VARIADIC parameter: the array type */
	bool		has_default;
	bool		variadic;
	Node	   *default_expr;	/* not planned yet; NULL: none */
	TqType	   *type_info;
} TqParam;

/* The signature of a function, or what an external handler declares. */
typedef struct TqSignature
{
	const char *handler;		/* main name, for messages */
	Oid			function;		/* InvalidOid: external */
	char		kind;			/* TQ_HANDLER_... */
	int			nparams;
	TqParam    *params;
	int			required;		/* parameters without default, not VARIADIC */
	bool		strict;
	bool		any_args;		/* external without declared types */
	bool		has_result;
	Oid			result_type;
	Oid			collation;		/* what the call passes as input collation */
	bool		may_commit;		/* a procedure in which COMMIT is possible */
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

	/* Private to registry.c. */
	MemoryContext context;		/* holds all of this */
	int			pins;
	bool		stale;			/* found no more; goes with its last pin */
	uint32		function_hash;	/* what invalidations name */
	uint32	   *type_hashes;
	int			ntypes;
	Oid			permitted_role; /* who passed the last permission check, */
	uint64		permitted_at;	/* and when */

	/* Private to call.c: what is kept from one call to the next. */
	MemoryContext call_context;
	FmgrInfo	call_info;		/* valid if fn_addr is set */
	bool		call_busy;		/* call_info is in use: a recursive call needs its own */
	FmgrInfo	json_info;		/* to_jsonb() of the result */
} TqHandler;

/*
 * Find a handler by name or alias; the result is pinned.  missing_ok: NULL
 * for an unknown name, else 42883 with a HINT that offers the closest name.
 * A handler whose function was dropped is returned with function_missing.
 */
extern TqHandler *tq_handler_find(const char *name, bool missing_ok);
extern void tq_handler_unpin(TqHandler *handler);

/* False for an unknown name. */
extern bool tq_handler_is_external(const char *name);

/* Raises 42883 if the function was dropped, or a type that an external handler declares. */
extern void tq_handler_require_function(const TqHandler *handler);

/* Raises 42883 for an unknown handler, with the same HINT. */
extern pg_noreturn void tq_handler_unknown(const char *name);

/*
 * Analyse a function; raises 22023 if it cannot be a handler, 42883 if it does
 * not exist.  palloc'd in the current context.  tq_signature_try returns NULL
 * and the reason instead.
 */
extern TqSignature *tq_signature_of_function(Oid function);
extern TqSignature *tq_signature_try(Oid function, char **reason);
extern TqSignature *tq_signature_of_external(const Oid *types, int ntypes);
extern void tq_signature_check_type(Oid type, const char *what);	/* 22023 for pseudo-types */
extern char *tq_handler_canonical_name(Oid function);

/* The function or procedure with exactly that signature; InvalidOid if there is none. */
extern Oid	tq_function_find(const char *schema, const char *name, const Oid *types, int ntypes);

/* "schema.function" as canonical_name() writes it, or a name that search_path finds: a function that is there, InvalidOid if none. */
extern Oid	tq_function_named(const char *name);

/* The registry in writing.  The caller has checked that the role is an administrator. */
typedef struct TqRegistration
{
	char	   *name;			/* NULL: the function's canonical name */
	char		kind;			/* TQ_HANDLER_... */
	Oid			function;		/* InvalidOid: external */
	bool		any_args;		/* external without declared types */
	Oid		   *arg_types;		/* what an external handler declares */
	int			nargs;
	char	  **aliases;
	int			naliases;
	char	   *queue;
	Datum		retry_policy;	/* a retry_policy, or 0 */
	Interval   *timeout;		/* NULL: not set */
	Interval   *keep_done;		/* NULL: not set */
	int			batch_size;
	bool		or_replace;
	Oid			role;
} TqRegistration;

extern char *tq_handler_register(TqRegistration *registration); /* returns the name */
extern bool tq_handler_unregister(const char *name);	/* false: no handler has that main name */

/*
 * May the role's tasks call the handler?  (EXECUTE; a superuser's only code
 * registered by superusers or the owner.)  Else 42501; 42704 for a role that
 * was dropped.
 */
extern void tq_handler_check_permission(TqHandler *handler, Oid role);

extern void tq_registry_init(void);

#endif
