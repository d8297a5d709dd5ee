/*-------------------------------------------------------------------------
 *
 * ready.h
 *	  The ready index: the heads of the lanes in shared memory.
 *
 * For each lane a heap of keys (priority, run_at, task_id) and a mark.  What
 * always holds: every committed ready task of the lane with a key below the
 * mark is in the heap, or is held by somebody who has taken it out, or will be
 * put back by the transaction that has it locked.  Tasks at or beyond the mark
 * are in the table only; a refill reads them from the mark on, so it does not
 * walk again over the dead entries before it.
 *
 * Entries may be stale or double; whoever takes one looks at the row.  A lane
 * that is not known here starts with a mark below every key.  Without room the
 * mark is lowered, and nothing is lost.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_READY_H
#define TQ_READY_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The order in which tasks are taken. */
typedef struct TqReadyKey
{
	int32		priority;
	TimestampTz run_at;
	int64		task_id;
} TqReadyKey;

static inline int
tq_ready_compare(const TqReadyKey *a, const TqReadyKey *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->run_at != b->run_at)
		return a->run_at < b->run_at ? -1 : 1;
	if (a->task_id != b->task_id)
		return a->task_id < b->task_id ? -1 : 1;
	return 0;
}

typedef enum TqPopResult
{
	TQ_POP_GOT,
	TQ_POP_EMPTY,
	TQ_POP_REFILL				/* the table must be read first: tq_ready_refill_begin(lane) */
} TqPopResult;

extern Size tq_ready_shmem_size(void);
extern Size tq_ready_hash_size(void);
extern void tq_ready_shmem_attach(void *memory, bool found);

/* Put a key into its lane.  Never fails; called from commit callbacks. */
extern void tq_ready_push(Oid database, int64 lane, const TqReadyKey *key);

/* Tasks at or beyond key have come, too many to name. */
extern void tq_ready_lower_mark(Oid database, int64 lane, const TqReadyKey *key);

/*
 * Take the first key of some lanes, in order; *index says from which, also for
 * TQ_POP_REFILL.  *more: there is more to do, so another worker may be woken.
 * turn: among heads of the same priority the first lane from this one on is
 * taken, so that a caller who counts it up is fair to all; negative: the key
 * alone decides.
 */
extern TqPopResult tq_ready_pop(Oid database, const int64 *lanes, int nlanes, int turn,
								TqReadyKey *key, int *index, bool *more);

/*
 * Refill: begin says from which key on to read the table and how many rows at
 * most (false: somebody is at it, or something can be taken), then one call with what was read.
 * exhausted: the table had no more rows.  On an error call cancel.
 */
extern bool tq_ready_refill_begin(Oid database, int64 lane, TqReadyKey *from, int *max);
extern void tq_ready_refill_end(const TqReadyKey *keys, int nkeys, bool exhausted);
extern void tq_ready_refill_cancel(void);	/* any refill of this backend */

/* Whether so many lanes can be asked for at a time. */
extern bool tq_ready_has_room(int nlanes);

/* Whether some lanes may hold something; true also for lanes that were not read yet. */
extern bool tq_ready_has_work(Oid database, const int64 *lanes, int nlanes);

/*
 * Workers do not serve a lane whose queue is paused: as long as the database is
 * configured as in this epoch, nobody need be woken for it.
 */
extern void tq_ready_close(Oid database, int64 lane, uint32 config_epoch);
extern bool tq_ready_is_closed(Oid database, int64 lane, uint32 config_epoch);

/* Rises whenever a task becomes ready, in any database. */
extern uint64 tq_ready_activity(void);

/*
 * Forget what is known of a database's lanes: the table will be read again.
 * forget: the extension is gone, and with it the lanes.
 */
extern void tq_ready_reset(Oid database, bool forget);

#endif
