/*-------------------------------------------------------------------------
 *
 * dag_lock.c
 *	  The lock of a DAG.
 *
 * Steps that end take it shared: they meet at the rows they both change, and
 * nowhere else.  Whoever stops, starts, extends or removes a DAG takes it
 * exclusive, so that no step ends meanwhile.  It is a heavyweight lock of the
 * advisory class, whose key space cannot be reached by the SQL functions for
 * advisory locks; a lock of the DAG's row would make every step end write a
 * multixact.  It lasts until the transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "base/compat.h"
#include "store/dag.h"

/* The SQL functions use 1 and 2; see also shmem/claims.c. */
#define DAG_KEY_SPACE	0x5453

static void
make_tag(LOCKTAG *tag, int64 dag_key)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (dag_key >> 32), (uint32) dag_key,
						 DAG_KEY_SPACE);
}

void
tq_dag_lock(int64 dag_key, bool exclusive)
{
	LOCKTAG		tag;

	make_tag(&tag, dag_key);
	(void) LockAcquire(&tag, exclusive ? ExclusiveLock : ShareLock, false, false);
}

/*
 * Give back a shared lock before anything was done under it, to ask for the
 * exclusive one: two sessions that both kept theirs would wait for each other.
 */
void
tq_dag_unlock_shared(int64 dag_key)
{
	LOCKTAG		tag;

	make_tag(&tag, dag_key);
	(void) LockRelease(&tag, ShareLock, false);
}

bool
tq_dag_is_locked_here(int64 dag_key)
{
	LOCKTAG		tag;

	make_tag(&tag, dag_key);
	return TQ_LOCK_HELD_BY_ME(&tag, ExclusiveLock);
}
