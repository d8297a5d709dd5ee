/*-------------------------------------------------------------------------
 *
 * role.c
 *	  The role of a procedure, over the transactions that it ends.
 *
 * It is taken outside any transaction: an abort restores the user that the
 * transaction began with.  A security context goes with it, which refuses
 * SET ROLE and its kin.
 *
 * A server built with assertions insists that no transaction starts in a
 * security context, although nothing depends on that.  There the context is
 * taken off at each commit and put on again before the next statement.  What
 * runs between the two without being a statement could change the role; such
 * servers are for tests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "base/role.h"

#ifdef USE_ASSERT_CHECKING
static Oid	taken = InvalidOid;
static int	taken_context;
#endif

void
tq_role_take(Oid role, int sec_context)
{
#ifdef USE_ASSERT_CHECKING
	taken = role;
	taken_context = sec_context;
	sec_context = 0;
#endif
	SetUserIdAndSecContext(role, sec_context);
}

void
tq_role_leave(Oid user, int sec_context)
{
#ifdef USE_ASSERT_CHECKING
	taken = InvalidOid;
#endif
	SetUserIdAndSecContext(user, sec_context);
}

#ifdef USE_ASSERT_CHECKING
void
tq_role_resume(void)
{
	Oid			user;
	int			sec_context;

	if (!OidIsValid(taken))
		return;
	GetUserIdAndSecContext(&user, &sec_context);
	if (user == taken && sec_context == 0)
		SetUserIdAndSecContext(taken, taken_context);
}

static void
at_xact_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && OidIsValid(taken))
		SetUserIdAndSecContext(taken, 0);
}
#endif

void
tq_role_init(void)
{
#ifdef USE_ASSERT_CHECKING
	RegisterXactCallback(at_xact_event, NULL);
#endif
}
