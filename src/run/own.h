/*-------------------------------------------------------------------------
 *
 * own.h
 *	  Whose an external task is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_OWN_H
#define TQ_OWN_H

#include "postgres.h"

#include "run/finish.h"
#include "store/task.h"

/* May the caller touch leases that this role made in this queue?  claimed_by InvalidOid: it is not known. */
extern bool tq_lease_may_touch(Oid caller, Oid claimed_by, const char *queue);

/*
 * Is the task, whose row is locked, the caller's by this token?  If so, he
 * must end it in this transaction; attempt is filled in.
 */
extern bool tq_lease_own(Oid caller, const TqTask *task, int64 token, TqAttempt *attempt);

/* The same before the row is locked.  False: it must be locked to tell. */
extern bool tq_lease_own_unlocked(Oid caller, int64 task_id, int64 token, TqAttempt *attempt);

/* Was the step, or its DAG, deleted by force while the worker was at it?  Then the task is removed. */
extern bool tq_lease_is_orphan(TqTask *task);

#endif
