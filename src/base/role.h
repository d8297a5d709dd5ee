/*-------------------------------------------------------------------------
 *
 * role.h
 *	  The role of a procedure, over the transactions that it ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ROLE_H
#define TQ_ROLE_H

#include "postgres.h"

/* Outside any transaction. Errors must not get past the caller in between. */
extern void tq_role_take(Oid role, int sec_context);
extern void tq_role_leave(Oid user, int sec_context);

/* Before a statement, if there is anything to resume. */
#ifdef USE_ASSERT_CHECKING
#define TQ_ROLE_IS_SUSPENDED	true
extern void tq_role_resume(void);
#else
#define TQ_ROLE_IS_SUSPENDED	false
#define tq_role_resume()		((void) 0)
#endif

extern void tq_role_init(void);

#endif
