/*-------------------------------------------------------------------------
 *
 * seen.h
 *	  External workers that have called lately.
 *
 * Only for the views and health(): nothing depends on it.  The list is bounded;
 * the one that was silent for longest makes room.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_SEEN_H
#define TQ_SEEN_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "shmem/claims.h"

#define TQ_SEEN_NAMES_LEN	512

/* Names in one block, each with its terminator; those that do not fit are left out. */
typedef struct TqSeenNames
{
	int			count;			/* -1: all that there are */
	int			used;
	char		block[TQ_SEEN_NAMES_LEN];
} TqSeenNames;

typedef struct TqSeen
{
	Oid			database;		/* InvalidOid: free */
	Oid			role;
	TimestampTz last_seen;
	char		worker[TQ_CLAIM_NAME_LEN];
	TqSeenNames claims;
	TqSeenNames handlers;
} TqSeen;

extern Size tq_seen_shmem_size(void);
extern void tq_seen_shmem_attach(void *memory, bool found);

extern void tq_seen_names_set(TqSeenNames *names, char *const *list, int n);

/* A worker of the current database has called; claims and handlers NULL: as before. */
extern void tq_seen_note(const char *worker, Oid role, const TqSeenNames *claims,
						 const TqSeenNames *handlers);

/* Copies of those of the current database, palloc'd. */
extern TqSeen *tq_seen_list(int *n);

#endif
