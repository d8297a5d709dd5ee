/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Whose tasks somebody may see and change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_ACCESS_H
#define TQ_ACCESS_H

#include "postgres.h"

#include "store/outcome.h"

/*
 * Who may await, cancel, alter, requeue and delete a role's tasks: the role
 * itself, its members, and administrators.
 */
extern bool tq_access_may_act(Oid caller, Oid enqueuer);

/* Who sees them in views: also members of pg_monitor and pg_read_all_data; the former see no payload. */
extern bool tq_access_may_see(Oid caller, Oid enqueuer);
extern bool tq_access_may_read(Oid caller, Oid enqueuer);

/*
 * Look up a task that a call names: 42704 if there is none, 42501 if the
 * caller has no right to it.
 */
extern void tq_access_require_instruct(Oid caller, Oid enqueuer);	/* change what a task is to do */
extern void tq_access_find_task(int64 task_id, Oid caller, TqOutcome *outcome);

/* The same without these errors.  A task that this backend is executing is found, whether its row is there or not. */
extern bool tq_access_look_up(int64 task_id, TqOutcome *outcome);

#endif
