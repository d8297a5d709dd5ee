/*-------------------------------------------------------------------------
 *
 * leaf_find.c
 *	  Finding an ended task in the partitions of history.
 *
 * A query by task_id would open and lock every partition and all of their
 * indexes before it looks into the first one.  Here they are probed one by
 * one through their index on task_id, in the order in which they will expire,
 * beginning with today: tasks that were done are kept for the shortest time,
 * so the first or second probe finds them.
 *
 * Locks are released at once.  The caller's snapshot decides what is seen, the
 * row is copied, and a long transaction that once waited for a task must not
 * keep partitions from being dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/fmgroids.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/owner.h"
#include "store/leaf.h"

/* The partition in whose range now lies, or the next one after it. */
static int
first_partition(Relation parent, PartitionDesc desc)
{
	PartitionKey partkey = RelationGetPartitionKey(parent);
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		now = TimestampTzGetDatum(tq_clock_now());
	bool		equal;
	int			offset;

	offset = partition_range_datum_bsearch(partkey->partsupfunc, partkey->partcollation,
										   bounds, 1, &now, &equal);
	for (int i = offset + 1; i <= bounds->ndatums; i++)
	{
		if (bounds->indexes[i] >= 0)
			return bounds->indexes[i];
	}
	return 0;
}

/* An index on the first column alone, which is task_id; InvalidOid if there is none. */
static Relation
open_task_id_index(Relation rel)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;

		if (form->indnkeyatts == 1 && form->indkey.values[0] == 1 && form->indisvalid &&
			heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

static void
copy_row(TqLeafRow *row, TupleTableSlot *slot, int ncolumns)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	HeapTuple	tuple = ExecCopySlotHeapTuple(slot);
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	bool		isnull;

	row->xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull));
	heap_deform_tuple(tuple, desc, values, nulls);
	for (int i = 0; i < ncolumns; i++)
	{
		if (!nulls[i] && TupleDescAttr(desc, i)->attlen == -1 &&
			VARATT_IS_EXTERNAL(DatumGetPointer(values[i])))
			values[i] = PointerGetDatum(detoast_external_attr((struct varlena *) DatumGetPointer(values[i])));
		row->values[i] = values[i];
		row->nulls[i] = nulls[i];
	}
}

static TqLeafResult
probe(Oid relid, int64 task_id, Snapshot snapshot, int ncolumns, TqLeafRow *row)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = NULL;
	TqLeafResult result = TQ_LEAF_UNKNOWN;

	if (rel->rd_rel->relkind == RELKIND_RELATION && RelationGetDescr(rel)->natts >= ncolumns)
		index = open_task_id_index(rel);
	if (index != NULL)
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);
		IndexScanDesc scan = TQ_INDEX_BEGINSCAN(rel, index, snapshot, 1);
		ScanKeyData key;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(task_id));
		index_rescan(scan, &key, 1, NULL, 0);
		result = TQ_LEAF_NONE;
		if (index_getnext_slot(scan, ForwardScanDirection, slot))
		{
			copy_row(row, slot, ncolumns);
			result = TQ_LEAF_FOUND;
		}
		index_endscan(scan);
		ExecDropSingleTupleTableSlot(slot);
		index_close(index, AccessShareLock);
	}
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * The upkeep moves rows from the default partition to a new one.  Its commit is
 * seen by snapshots before its invalidation messages are sent, so the list of
 * partitions may lack the new one; but whoever then gets the lock of the default
 * partition has received them.
 */
TqLeafResult
tq_leaf_find(const char *parent, int64 task_id, Snapshot snapshot, int ncolumns, TqLeafRow *row)
{
	Relation	root = table_open(tq_relation_oid(parent), AccessShareLock);
	TqLeafResult result = TQ_LEAF_NONE;
	PartitionDesc desc;

	do
	{
		int			first;

		desc = RelationGetPartitionDesc(root, false);
		first = desc->nparts > 0 ? first_partition(root, desc) : 0;
		for (int i = 0; i < desc->nparts && result == TQ_LEAF_NONE; i++)
			result = probe(desc->oids[(first + i) % desc->nparts], task_id, snapshot,
						   ncolumns, row);
	} while (result == TQ_LEAF_NONE && RelationGetPartitionDesc(root, false) != desc);
	table_close(root, AccessShareLock);
	return result;
}
