/*-------------------------------------------------------------------------
 *
 * task_row.h
 *	  The one way in which user input becomes a row of table task.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TASK_ROW_H
#define TQ_TASK_ROW_H

#include "postgres.h"

#include "store/task.h"

/* A row before it is inserted; columns that were not given are null. */
typedef struct TqTaskRow
{
	Datum		values[TQ_TASK_NCOLS];
	bool		nulls[TQ_TASK_NCOLS];
} TqTaskRow;

/*
 * Check the public columns and fill in all others but task_id.  Raises
 * everything that enqueue() is documented to raise.
 */
extern void tq_task_row_prepare(TqTaskRow *row, Oid enqueuer);

/* All checks but those of the arguments, for a call that may make no task at all. */
extern void tq_task_row_check(TqTaskRow *row, Oid enqueuer);

/* Tell shared memory of a prepared row; task_id is the row's. */
extern void tq_task_row_note(const TqTaskRow *row, int64 task_id);

static inline bool
tq_task_row_has(const TqTaskRow *row, TqTaskColumn column)
{
	return !row->nulls[column - 1];
}

static inline Datum
tq_task_row_get(const TqTaskRow *row, TqTaskColumn column)
{
	return row->values[column - 1];
}

static inline void
tq_task_row_set(TqTaskRow *row, TqTaskColumn column, Datum value)
{
	row->values[column - 1] = value;
	row->nulls[column - 1] = false;
}

extern void tq_task_row_init(void);

#endif
