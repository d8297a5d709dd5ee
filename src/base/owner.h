/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Who the extension's own SQL runs as.
 *
 * The base tables grant nothing, and no function is SECURITY DEFINER.  Every
 * SQL-callable C function first takes GetUserId(): that is the caller, who is
 * recorded as enqueuer and whose rights are checked.  Around its own SQL it
 * then enters an owner scope, in which the current user is the extension's
 * owner and search_path is pinned to pg_catalog, pg_temp.  An error leaves the
 * scope through (sub)transaction abort, which restores both.
 *
 * User code must never run inside an owner scope.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_OWNER_H
#define TQ_OWNER_H

#include "postgres.h"

#define TQ_SCHEMA	"task_queue"
#define TQ_EXTENSION "task_queue"

typedef struct TqOwnerScope
{
	Oid			user;
	int			sec_context;
	int			guc_level;		/* 0: search_path was pinned already */
} TqOwnerScope;

extern void tq_owner_enter(TqOwnerScope *scope);
extern void tq_owner_leave(TqOwnerScope *scope);

extern Oid	tq_owner_oid(void);		/* the extension's owner; error if the extension is gone */
extern Oid	tq_schema_oid(void);
extern Oid	tq_relation_oid(const char *relname);	/* of a relation in our schema */
extern Oid	tq_type_oid(const char *typname);	/* of a type in our schema */

/* Roles.  "May become" is membership, which superusers have in every role. */
extern bool tq_role_may_become(Oid member, Oid role);
extern char *tq_role_name(Oid role);	/* never fails: "(dropped role 123)" */

extern void tq_owner_init(void);

#endif
