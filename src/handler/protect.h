/*-------------------------------------------------------------------------
 *
 * protect.h
 *	  Running something in a subtransaction and looking at its error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_PROTECT_H
#define TQ_PROTECT_H

#include "postgres.h"

#include "utils/elog.h"

/*
 * Call function(arg) in a subtransaction.  NULL: it was committed.  Else it
 * was rolled back, and its error is returned, palloc'd in the caller's context.
 */
extern ErrorData *tq_protect(void (*function) (void *arg), void *arg);

/* Call function(arg), then cleanup(arg) whether it raised or not; errors pass. */
extern void tq_ensure(void (*function) (void *arg), void (*cleanup) (void *arg), void *arg);

#endif
