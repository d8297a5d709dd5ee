/*-------------------------------------------------------------------------
 *
 * transaction.h
 *	  Transactions of the background processes, and of run_tasks().
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TRANSACTION_H
#define TQ_TRANSACTION_H

#include "postgres.h"

#include "utils/elog.h"

/* Read committed, read-write, whatever the session's defaults are. */
extern void tq_transaction_characterize(void);

extern void tq_transaction_start(void);
extern void tq_transaction_commit(void);

/*
 * Run function(arg) in a transaction of its own, in the caller's memory
 * context.  NULL: it was committed.  Else it was rolled back, and its error is
 * returned, palloc'd in the caller's context.
 */
extern ErrorData *tq_transaction_run(void (*function) (void *arg), void *arg);

/*
 * The same for who must not be held up by others: a wait for a lock soon ends
 * in an error, ERRCODE_LOCK_NOT_AVAILABLE.
 */
extern ErrorData *tq_transaction_try(void (*function) (void *arg), void *arg);

/* The same without starting one: for code that starts and ends its own. */
extern ErrorData *tq_transaction_guard(void (*function) (void *arg), void *arg);

/* Send a caught error to the server log as a warning. */
extern void tq_transaction_log(const ErrorData *error, const char *doing);

#endif
