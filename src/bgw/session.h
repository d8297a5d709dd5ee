/*-------------------------------------------------------------------------
 *
 * session.h
 *	  What a task may leave behind in the session that it ran in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SESSION_H
#define TQ_SESSION_H

#include "postgres.h"

/* A worker's session, outside any transaction: remove it all. */
extern void tq_session_reset(bool after_procedure);

/* Something could not be removed: nobody else's task may run in the session. */
extern bool tq_session_is_spoiled(void);

/*
 * A client's session, whose own settings must survive a procedure: remember
 * those made by SET, within a transaction (palloc'd), and put them back,
 * outside any.
 */
typedef struct TqSessionSettings TqSessionSettings;

extern TqSessionSettings *tq_session_save_settings(void);
extern void tq_session_restore_settings(TqSessionSettings *settings);

#endif
