/*-------------------------------------------------------------------------
 *
 * task.c
 *	  Triggers of table task: INSERT and COPY enqueue.
 *
 * One BEFORE INSERT row trigger does everything: the identity column has its
 * value by then, and a note about a row that in the end is not inserted is
 * harmless.  An AFTER row trigger would keep an event per row until the end of
 * the statement; the one for each statement only matters to inline execution.
 *
 * A row that comes with its state is not new but restored from a dump: only
 * the owner and superusers can give it.  It stays as it is, nothing is
 * checked and nobody is told.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "api/task_row.h"
#include "base/owner.h"
#include "run/inline.h"
#include "store/lane.h"

PG_FUNCTION_INFO_V1(tq_task_before_insert);
PG_FUNCTION_INFO_V1(tq_task_before_apply);
PG_FUNCTION_INFO_V1(tq_task_after_insert);

/* Raise an error unless called as a BEFORE ROW trigger of our table: others may have any columns. */
static TriggerData *
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function can be called only by the triggers of table \"task\"")));
	if (RelationGetNamespace(trigger->tg_relation) != tq_schema_oid() ||
		strcmp(RelationGetRelationName(trigger->tg_relation), "task") != 0 ||
		RelationGetDescr(trigger->tg_relation)->natts < TQ_TASK_NCOLS)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("the table is not \"%s.task\"", TQ_SCHEMA)));
	return trigger;
}

/* Columns behind those that this version knows keep their values. */
static HeapTuple
replace_columns(HeapTuple tuple, TupleDesc desc, TqTaskRow *row)
{
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];

	if (desc->natts == TQ_TASK_NCOLS)
		return heap_form_tuple(desc, row->values, row->nulls);
	heap_deform_tuple(tuple, desc, values, nulls);
	memcpy(values, row->values, sizeof(row->values));
	memcpy(nulls, row->nulls, sizeof(row->nulls));
	return heap_form_tuple(desc, values, nulls);
}

static void
read_row(HeapTuple tuple, TupleDesc desc, TqTaskRow *row)
{
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];

	heap_deform_tuple(tuple, desc, values, nulls);
	memcpy(row->values, values, sizeof(row->values));
	memcpy(row->nulls, nulls, sizeof(row->nulls));
}

Datum
tq_task_before_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = check_call(fcinfo);
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	HeapTuple	tuple = trigger->tg_trigtuple;
	TqTaskRow	row;

	read_row(tuple, desc, &row);
	if (tq_task_row_has(&row, TQ_COL_STATE))
		return PointerGetDatum(tuple);

	tq_task_row_prepare(&row, GetUserId());
	tq_task_row_note(&row, DatumGetInt64(tq_task_row_get(&row, TQ_COL_TASK_ID)));
	return PointerGetDatum(replace_columns(tuple, desc, &row));
}

/*
 * Fires only under session_replication_role = replica.  Rows written by
 * logical replication are somebody else's work: they go to a lane that
 * nobody serves, until the database is adopted.
 */
Datum
tq_task_before_apply(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = check_call(fcinfo);
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	HeapTuple	tuple = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
		trigger->tg_newtuple : trigger->tg_trigtuple;
	TqTaskRow	row;

	read_row(tuple, desc, &row);
	tq_task_row_set(&row, TQ_COL_LANE, Int64GetDatum(TQ_LANE_NONE));
	return PointerGetDatum(replace_columns(tuple, desc, &row));
}

/* As enqueue() does before it returns. */
Datum
tq_task_after_insert(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function can be called only by the triggers of table \"task\"")));
	tq_inline_run();
	return PointerGetDatum(NULL);
}
