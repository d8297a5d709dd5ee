/*-------------------------------------------------------------------------
 *
 * session.h
 *	  What a task may leave behind in its worker's session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SESSION_H
#define TQ_SESSION_H

#include "postgres.h"

/* Remove it, outside any transaction. */
extern void tq_session_reset(bool after_procedure);

#endif
