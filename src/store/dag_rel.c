/*-------------------------------------------------------------------------
 *
 * dag_rel.c
 *	  Direct access to rows of DAGs by their keys.
 *
 * A step's end reads one row and changes two or three.  Through plans each of
 * them cost three times as much as the row operation itself, most of it for
 * starting and stopping the executor.  And both indexes of dag_step begin with
 * the DAG's key: as long as the planner takes DAGs for small, it finds either
 * as good as the other, and may read all steps of a large one to find a single
 * step.  So whoever wants single steps comes here.  Rows are read with a snapshot taken now, so a caller at
 * REPEATABLE READ acts on the DAG as it is, as the DAG's lock demands.
 *
 * No trigger, constraint or index on an expression exists on these tables,
 * and the columns of their indexes hardly ever change: an update is followed
 * by entries in the indexes only if it could not be a HOT one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/owner.h"
#include "store/dag_rel.h"

#define MAX_KEYS	3

static const struct
{
	const char *name;
	const char *index;
	int			ncolumns;
	int			nkeys;
	RegProcedure equal[MAX_KEYS];
}			tables[] =
{
	[TQ_TABLE_DAG] = {"dag", "dag_pkey", TQ_DAG_NCOLS, 1, {F_INT8EQ}},
	[TQ_TABLE_STEP] = {"dag_step", "dag_step_pkey", TQ_STEP_NCOLS, 2, {F_INT8EQ, F_INT4EQ}},
	[TQ_TABLE_STEP_BY_ID] = {"dag_step", "dag_step_id", TQ_STEP_NCOLS, 2, {F_INT8EQ, F_TEXTEQ}},
	[TQ_TABLE_COUNTER] = {"dag_counter", "dag_counter_pkey", TQ_COUNTER_NCOLS, 3, {F_INT8EQ, F_INT4EQ, F_INT2EQ}},
};

static Relation
open_table(TqDagTable table, LOCKMODE mode)
{
	Relation	rel = table_open(tq_relation_oid(tables[table].name), mode);

	if (RelationGetDescr(rel)->natts < tables[table].ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" is not what this library expects", TQ_SCHEMA, tables[table].name),
				 errhint("Run ALTER EXTENSION %s UPDATE.", TQ_EXTENSION)));
	return rel;
}

/* Find the row in a snapshot and copy it. */
static bool
find_row(Relation rel, TqDagTable table, const Datum *key, Snapshot snapshot, TqRow *row)
{
	Relation	index = index_open(tq_relation_oid(tables[table].index), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int			nkeys = tables[table].nkeys;
	ScanKeyData keys[MAX_KEYS];
	IndexScanDesc scan;
	bool		found;

	for (int i = 0; i < nkeys; i++)
	{
		ScanKeyInit(&keys[i], i + 1, BTEqualStrategyNumber, tables[table].equal[i], key[i]);
		keys[i].sk_collation = index->rd_indcollation[i];
	}
	scan = TQ_INDEX_BEGINSCAN(rel, index, snapshot, nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	if (found)
	{
		int			natts = RelationGetDescr(rel)->natts;

		row->tuple = ExecCopySlotHeapTuple(slot);
		row->values = palloc(natts * sizeof(Datum));
		row->nulls = palloc(natts * sizeof(bool));
		row->changed = palloc0(natts * sizeof(bool));
		heap_deform_tuple(row->tuple, RelationGetDescr(rel), row->values, row->nulls);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	return found;
}

bool
tq_row_read(TqDagTable table, const Datum *key, TqRow *row)
{
	Relation	rel = open_table(table, AccessShareLock);
	bool		found;

	PushActiveSnapshot(GetLatestSnapshot());
	found = find_row(rel, table, key, GetActiveSnapshot(), row);
	PopActiveSnapshot();
	table_close(rel, NoLock);
	return found;
}

void
tq_row_free(TqRow *row)
{
	heap_freetuple(row->tuple);
	pfree(row->values);
	pfree(row->nulls);
	pfree(row->changed);
}

static void
insert_index_entries(Relation rel, TupleTableSlot *slot, TU_UpdateIndexes update_indexes)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *rri = makeNode(ResultRelInfo);

	InitResultRelInfo(rri, rel, 0, NULL, 0);
	ExecOpenIndices(rri, false);
	(void) TQ_INSERT_INDEX_TUPLES(rri, slot, estate, true, update_indexes == TU_Summarizing);
	ExecCloseIndices(rri);
	FreeExecutorState(estate);
}

/* Write the changed row; false: somebody else has changed it since it was read. */
static bool
write_row(Relation rel, Snapshot snapshot, TqRow *row)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	HeapTuple	tuple = heap_modify_tuple(row->tuple, RelationGetDescr(rel),
										  row->values, row->nulls, row->changed);
	TM_FailureData tmfd;
	LockTupleMode lockmode;
	TU_UpdateIndexes update_indexes;
	TM_Result	result;

	ExecStoreHeapTuple(tuple, slot, false);
	result = table_tuple_update(rel, &row->tuple->t_self, slot, GetCurrentCommandId(true),
								snapshot, InvalidSnapshot, true, &tmfd, &lockmode, &update_indexes);
	if (result == TM_Ok && update_indexes != TU_None)
		insert_index_entries(rel, slot, update_indexes);
	ExecDropSingleTupleTableSlot(slot);
	if (result != TM_Ok && result != TM_Updated && result != TM_Deleted)
		elog(ERROR, "unexpected result %d of changing a row of \"%s\"", (int) result,
			 RelationGetRelationName(rel));
	return result == TM_Ok;
}

bool
tq_row_change(TqDagTable table, const Datum *key, TqRowChange change, void *arg, TqRow *row)
{
	Relation	rel = open_table(table, RowExclusiveLock);
	bool		written = false;
	bool		wanted;

	do
	{
		PushActiveSnapshot(GetLatestSnapshot());
		wanted = find_row(rel, table, key, GetActiveSnapshot(), row) && change(row, arg);
		if (wanted)
			written = write_row(rel, GetActiveSnapshot(), row);
		PopActiveSnapshot();
	} while (wanted && !written);
	table_close(rel, NoLock);
	if (written)
		CommandCounterIncrement();
	return written;
}

void
tq_row_set(TqRow *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
	row->changed[column] = true;
}

void
tq_row_set_nullable(TqRow *row, int column, Datum value, bool isnull)
{
	row->values[column] = isnull ? (Datum) 0 : value;
	row->nulls[column] = isnull;
	row->changed[column] = true;
}

bool
tq_row_is_changed(const TqRow *row, int ncolumns)
{
	for (int i = 0; i < ncolumns; i++)
	{
		if (row->changed[i])
			return true;
	}
	return false;
}

Datum
tq_row_varlena(const TqRow *row, int column)
{
	if (row->nulls[column])
		return (Datum) 0;
	return PointerGetDatum(PG_DETOAST_DATUM(row->values[column]));
}

char *
tq_row_string(const TqRow *row, int column)
{
	return row->nulls[column] ? NULL : TextDatumGetCString(row->values[column]);
}

uint64
tq_dag_execute(TqPlan *plan, const Datum *values, const bool *nulls)
{
	TqSpi		spi;
	uint64		n;

	tq_spi_begin(&spi);
	n = tq_dag_run(plan, values, nulls);
	tq_spi_end(&spi);
	return n;
}

int
tq_dag_copy_numbers(uint64 n, MemoryContext context, int32 **numbers)
{
	*numbers = MemoryContextAlloc(context, (n + 1) * sizeof(int32));
	for (uint64 i = 0; i < n; i++)
		(*numbers)[i] = tq_row_int32(i, 0);
	return (int) n;
}
