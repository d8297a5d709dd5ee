/*-------------------------------------------------------------------------
 *
 * flush.h
 *	  Commits that nothing would be lost of.
 *
 * A transaction that only hands out tasks locks rows and claims them in shared
 * memory.  A crash forgets both, whether the commit was flushed or not, so
 * waiting for the disk buys nothing.  It is waited for as soon as there is any
 * other WAL of the transaction, before, between or after.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_FLUSH_H
#define TQ_FLUSH_H

/* What is written from begin to end is row locks only.  An end that is left out makes the commit an ordinary one. */
extern void tq_flush_locks_begin(void);
extern void tq_flush_locks_end(void);

extern void tq_flush_init(void);

#endif
