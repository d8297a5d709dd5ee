/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  Commits that nothing would be lost of.
 *
 * What must stay true: synchronous_commit is turned off for a transaction only
 * if its last WAL record is the last one of a stretch of row locks, and that
 * stretch began with the transaction or where another one ended.  The setting
 * is that of the transaction and goes with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "utils/guc.h"

#include "shmem/flush.h"

/* Up to here the transaction's WAL is row locks only; invalid: there is none. */
static XLogRecPtr locks_end = InvalidXLogRecPtr;

/* Nothing else was written before the stretch that is under way. */
static bool in_locks = false;

void
tq_flush_locks_begin(void)
{
	in_locks = (XactLastRecEnd == InvalidXLogRecPtr || XactLastRecEnd == locks_end);
}

void
tq_flush_locks_end(void)
{
	if (in_locks)
		locks_end = XactLastRecEnd;
	in_locks = false;
}

static void
before_commit(void)
{
	if (locks_end == InvalidXLogRecPtr || XactLastRecEnd != locks_end)
		return;
	if (synchronous_commit > SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

static void
at_xact_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT)
		before_commit();
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		locks_end = InvalidXLogRecPtr;
		in_locks = false;
	}
}

void
tq_flush_init(void)
{
	RegisterXactCallback(at_xact_event, NULL);
}
