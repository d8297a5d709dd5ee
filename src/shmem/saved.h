/*-------------------------------------------------------------------------
 *
 * saved.h
 *	  Leases of external workers over a clean restart of the server.
 *
 * The postmaster writes them to a file when it has shut down cleanly, and
 * reads and removes that when it starts.  After a crash there is no file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SAVED_H
#define TQ_SAVED_H

/* Postmaster, once shared memory is new. */
extern void tq_saved_load(void);

#endif
