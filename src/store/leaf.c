/*-------------------------------------------------------------------------
 *
 * leaf.c
 *	  Inserting into the right partition of history or attempt.
 *
 * Every ended task inserts one row here.  Going through the executor costs
 * more than all the rest of a task's end, mostly for setting up the routing of
 * one tuple, so the partition is looked up in the parent's descriptor and the
 * tuple is inserted directly.
 *
 * What must stay true: the parent is locked before its descriptor is read, so
 * the partition cannot be detached or dropped meanwhile.  Attaching one takes
 * an exclusive lock on the default partition only; whoever is about to insert
 * into that one therefore looks again once it is locked.
 *
 * What BuildIndexInfo() says about the indexes of the latest partitions is
 * kept; any invalidation of one of them makes its entry be built again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/owner.h"
#include "store/leaf.h"
#include "store/task_rel.h"

#define MAX_LEAVES	4			/* done, failed, attempts, and one across midnight */
#define MAX_INDEXES	16

typedef struct Leaf
{
	Oid			relid;			/* InvalidOid: unused */
	bool		built;			/* no error happened while it was built */
	bool		valid;			/* cleared by invalidation */
	int			nindexes;
	Oid			indexes[MAX_INDEXES];
	IndexInfo  *infos[MAX_INDEXES];
	EState	   *estate;			/* for the predicates of partial indexes */
	MemoryContext context;
} Leaf;

static Leaf leaves[MAX_LEAVES];
static int	next_victim = 0;

static void
forget_leaf(Datum arg, Oid relid)
{
	for (int i = 0; i < MAX_LEAVES; i++)
	{
		if (relid == InvalidOid || leaves[i].relid == relid)
			leaves[i].valid = false;
	}
}

/* The partition for a key, InvalidOid if there is none. */
static Oid
find_partition(Relation parent, TimestampTz key, bool *is_default)
{
	PartitionKey partkey = RelationGetPartitionKey(parent);
	PartitionDesc desc = RelationGetPartitionDesc(parent, false);
	PartitionBoundInfo bounds = desc->boundinfo;
	Datum		datum = TimestampTzGetDatum(key);
	bool		equal;
	int			offset;
	int			index;

	if (desc->nparts == 0)
		return InvalidOid;
	offset = partition_range_datum_bsearch(partkey->partsupfunc, partkey->partcollation,
										   bounds, 1, &datum, &equal);
	index = bounds->indexes[offset + 1];
	*is_default = (index < 0);
	if (*is_default)
		index = bounds->default_index;
	return index < 0 ? InvalidOid : desc->oids[index];
}

/* Open and lock the partition for a key; NULL if there is none. */
static Relation
open_partition(Relation parent, TimestampTz key)
{
	for (;;)
	{
		bool		is_default = false;
		Oid			relid = find_partition(parent, key, &is_default);
		Relation	leaf;

		if (!OidIsValid(relid))
			return NULL;
		leaf = table_open(relid, RowExclusiveLock);
		if (!is_default || find_partition(parent, key, &is_default) == relid)
			return leaf;
		table_close(leaf, RowExclusiveLock);
	}
}

static void
discard_leaf(Leaf *entry)
{
	entry->relid = InvalidOid;
	entry->built = false;
	entry->valid = false;
	if (entry->estate != NULL)
		FreeExecutorState(entry->estate);
	entry->estate = NULL;
	if (entry->context != NULL)
		MemoryContextDelete(entry->context);
	entry->context = NULL;
}

/* False if the relation has more indexes than an entry can list. */
static bool
build_leaf(Leaf *entry, Relation rel)
{
	List	   *oids = RelationGetIndexList(rel);
	MemoryContext old;
	ListCell   *lc;

	discard_leaf(entry);
	if (list_length(oids) > MAX_INDEXES)
		return false;
	entry->context = AllocSetContextCreate(CacheMemoryContext, "task_queue partition",
										   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(entry->context);
	entry->estate = CreateExecutorState();
	entry->nindexes = 0;

	/* An invalidation that arrives meanwhile must not be overwritten. */
	entry->relid = RelationGetRelid(rel);
	entry->valid = true;
	foreach(lc, oids)
	{
		Relation	index = index_open(lfirst_oid(lc), RowExclusiveLock);

		entry->indexes[entry->nindexes] = RelationGetRelid(index);
		entry->infos[entry->nindexes++] = BuildIndexInfo(index);
		index_close(index, NoLock);
	}
	MemoryContextSwitchTo(old);
	list_free(oids);
	entry->built = true;
	return true;
}

static Leaf *
find_leaf(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	int			slot = -1;

	for (int i = 0; i < MAX_LEAVES; i++)
	{
		if (leaves[i].relid != relid)
			continue;
		if (leaves[i].built && leaves[i].valid)
			return &leaves[i];
		slot = i;
	}
	if (slot < 0)
	{
		slot = next_victim;
		next_victim = (next_victim + 1) % MAX_LEAVES;
	}
	return build_leaf(&leaves[slot], rel) ? &leaves[slot] : NULL;
}

/* Like ExecInsertIndexTuples(), for indexes that are not unique. */
static void
insert_index_entry(Leaf *entry, int i, Relation rel, Relation index, TupleTableSlot *slot)
{
	IndexInfo  *info = entry->infos[i];
	ExprContext *econtext = GetPerTupleExprContext(entry->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	if (!info->ii_ReadyForInserts)
		return;
	econtext->ecxt_scantuple = slot;
	if (info->ii_Predicate != NIL)
	{
		if (info->ii_PredicateState == NULL)
			info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, entry->estate);
		if (!ExecQual(info->ii_PredicateState, econtext))
			return;
	}
	FormIndexDatum(info, slot, entry->estate, values, nulls);
	(void) index_insert(index, values, nulls, &slot->tts_tid, rel,
						UNIQUE_CHECK_NO, false, info);
}

static bool
has_unique_index(const Leaf *entry)
{
	for (int i = 0; i < entry->nindexes; i++)
	{
		if (entry->infos[i]->ii_Unique || entry->infos[i]->ii_ExclusionOps != NULL)
			return true;
	}
	return false;
}

static void
insert_tuple(Leaf *entry, Relation rel, int ncolumns, Datum *values, bool *nulls)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	bool		pushed = tq_push_snapshot();

	memcpy(slot->tts_values, values, ncolumns * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, ncolumns * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	table_tuple_insert(rel, slot, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < entry->nindexes; i++)
	{
		Relation	index = index_open(entry->indexes[i], RowExclusiveLock);

		insert_index_entry(entry, i, rel, index, slot);
		index_close(index, NoLock);
	}
	ResetExprContext(GetPerTupleExprContext(entry->estate));
	ExecDropSingleTupleTableSlot(slot);
	if (pushed)
		PopActiveSnapshot();
	CommandCounterIncrement();
}

/* Rows of one partition that are inserted together, at the end of a batch. */
#define MAX_PENDING	100

static bool collecting = false;
static Oid	pending_relid = InvalidOid;
static int	npending = 0;
static TupleTableSlot *pending[MAX_PENDING];

static void
insert_pending(void)
{
	Relation	rel = table_open(pending_relid, RowExclusiveLock);
	Leaf	   *entry = find_leaf(rel);
	bool		pushed = tq_push_snapshot();

	if (entry == NULL)
		elog(ERROR, "too many indexes on partition %u", pending_relid);
	table_multi_insert(rel, pending, npending, GetCurrentCommandId(true), 0, NULL);
	for (int i = 0; i < entry->nindexes; i++)
	{
		Relation	index = index_open(entry->indexes[i], RowExclusiveLock);

		for (int j = 0; j < npending; j++)
			insert_index_entry(entry, i, rel, index, pending[j]);
		index_close(index, NoLock);
	}
	ResetExprContext(GetPerTupleExprContext(entry->estate));
	for (int j = 0; j < npending; j++)
		ExecDropSingleTupleTableSlot(pending[j]);
	npending = 0;
	if (pushed)
		PopActiveSnapshot();
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

static void
add_pending(Relation rel, int ncolumns, Datum *values, bool *nulls)
{
	TupleTableSlot *slot;

	if (npending == MAX_PENDING || (npending > 0 && pending_relid != RelationGetRelid(rel)))
		insert_pending();
	pending_relid = RelationGetRelid(rel);
	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(heap_form_tuple(RelationGetDescr(rel), values, nulls), slot, true);
	slot->tts_tableOid = RelationGetRelid(rel);
	pending[npending++] = slot;
}

bool
tq_leaf_collect(void)
{
	if (collecting || npending > 0)
		return false;
	collecting = true;
	return true;
}

void
tq_leaf_insert_collected(void)
{
	collecting = false;
	if (npending > 0)
		insert_pending();
}

bool
tq_leaf_pause(void)
{
	bool		was_collecting = collecting;

	collecting = false;
	return was_collecting;
}

void
tq_leaf_resume(bool was_collecting)
{
	collecting = was_collecting;
}

static void
forget_collected(void)
{
	collecting = false;
	npending = 0;
}

static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		forget_collected();
}

/* While collecting is paused, it is user code that aborts. */
static void
at_subxact_end(SubXactEvent event, SubTransactionId mySubid,
			   SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && collecting)
		forget_collected();
}

/*
 * Locks stay until the end of the transaction, as those of the executor do.
 * Column types are those of the parent: a partition with the same number of
 * columns, none of them dropped, has them in the same order.
 */
bool
tq_leaf_insert(const char *parent, TimestampTz key, int ncolumns,
			   Datum *values, bool *nulls)
{
	Relation	root = table_open(tq_relation_oid(parent), RowExclusiveLock);
	Relation	rel = open_partition(root, key);
	Leaf	   *entry = NULL;

	if (rel != NULL && rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->trigdesc == NULL &&
		RelationGetDescr(root)->natts == ncolumns &&
		RelationGetDescr(rel)->natts == ncolumns)
		entry = find_leaf(rel);
	if (entry != NULL && has_unique_index(entry))
		entry = NULL;
	if (entry != NULL && collecting)
		add_pending(rel, ncolumns, values, nulls);
	else if (entry != NULL)
		insert_tuple(entry, rel, ncolumns, values, nulls);
	if (rel != NULL)
		table_close(rel, NoLock);
	table_close(root, NoLock);
	return entry != NULL;
}

void
tq_leaf_init(void)
{
	CacheRegisterRelcacheCallback(forget_leaf, (Datum) 0);
	RegisterXactCallback(at_xact_end, NULL);
	RegisterSubXactCallback(at_subxact_end, NULL);
}
