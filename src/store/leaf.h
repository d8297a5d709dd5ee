/*-------------------------------------------------------------------------
 *
 * leaf.h
 *	  Direct access to the partitions of history and attempt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LEAF_H
#define TQ_LEAF_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/*
 * Insert one row into a table of ours that is partitioned by range of a
 * timestamptz, without the executor.  False if the partition is not one that
 * this can be done for (no partition, a trigger, other columns than the
 * parent's): the caller then inserts through SQL.
 */
extern bool tq_leaf_insert(const char *parent, TimestampTz key, int ncolumns,
						   Datum *values, bool *nulls);

#define TQ_LEAF_MAX_COLUMNS	64

/* A row in memory of the caller: nothing in it points to a table. */
typedef struct TqLeafRow
{
	TransactionId xmin;
	Datum		values[TQ_LEAF_MAX_COLUMNS];
	bool		nulls[TQ_LEAF_MAX_COLUMNS];
} TqLeafRow;

typedef enum TqLeafResult
{
	TQ_LEAF_FOUND,
	TQ_LEAF_NONE,
	TQ_LEAF_UNKNOWN				/* a partition cannot be looked into so: ask in SQL */
} TqLeafResult;

/* The row of a task as of a snapshot; the table's first column is task_id. */
extern TqLeafResult tq_leaf_find(const char *parent, int64 task_id, Snapshot snapshot,
								 int ncolumns, TqLeafRow *row);

/*
 * Between collect and insert_collected such rows are gathered and inserted
 * together; nobody can read them before.  After an abort: forget them.
 */
extern void tq_leaf_collect(void);
extern void tq_leaf_insert_collected(void);
extern void tq_leaf_forget_collected(void);

extern void tq_leaf_init(void);

#endif
