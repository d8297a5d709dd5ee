/*-------------------------------------------------------------------------
 *
 * leaf.h
 *	  Inserting into the right partition of history or attempt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_LEAF_H
#define TQ_LEAF_H

#include "postgres.h"

#include "datatype/timestamp.h"

/*
 * Insert one row into a table of ours that is partitioned by range of a
 * timestamptz, without the executor.  False if the partition is not one that
 * this can be done for (no partition, a trigger, other columns than the
 * parent's): the caller then inserts through SQL.
 */
extern bool tq_leaf_insert(const char *parent, TimestampTz key, int ncolumns,
						   Datum *values, bool *nulls);

/*
 * Between collect and insert_collected such rows are gathered and inserted
 * together; nobody can read them before.  They are in the memory context that
 * was current when they came.  An abort forgets them.  False: somebody collects
 * already.
 */
extern bool tq_leaf_collect(void);
extern void tq_leaf_insert_collected(void);

/* While user code runs it must see what it has written; pause tells whether rows were collected. */
extern bool tq_leaf_pause(void);
extern void tq_leaf_resume(bool collecting);

extern void tq_leaf_init(void);

#endif
