/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What is known of a task, live or ended.
 *
 * A task is in table task or in table history, and changes over in one
 * transaction.  Both are looked at with one snapshot, or a task that ends
 * between two looks would be in neither.  The snapshot is the latest one, not
 * the transaction's, so that a waiting caller sees the outcome at every
 * isolation level.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "store/history.h"
#include "store/leaf.h"
#include "store/outcome.h"
#include "store/plans.h"

static TqPlan find_live = TQ_PLAN(
	"SELECT state, xmin, enqueuer, handler, dag_key, step_no, run_at FROM task_queue.task WHERE task_id = $1",
	INT8OID);
static TqPlan find_ended = TQ_PLAN(
	"SELECT h.xmin, h.* FROM task_queue.history AS h WHERE h.task_id = $1 LIMIT 1",
	INT8OID);
static TqPlan find_document = TQ_PLAN(
	"SELECT to_jsonb(t) || jsonb_build_object("
	"  'error', (SELECT to_jsonb(h.error) FROM task_queue.history AS h WHERE h.task_id = $1),"
	"  'attempts', (SELECT coalesce(jsonb_agg(to_jsonb(a) - ARRAY['task_id', 'handler', 'queue'] ORDER BY a.finished_at), '[]')"
	"               FROM task_queue.attempts AS a WHERE a.task_id = $1))"
	" FROM task_queue.tasks AS t WHERE t.task_id = $1",
	INT8OID);
static TqPlan mask_document = TQ_PLAN(
	"SELECT $1 || '{\"args\": null, \"result\": null, \"labels\": null, \"trace_ctx\": null}'"
	" || jsonb_build_object('error', nullif($1->'error', 'null') || '{\"detail\": null, \"hint\": null, \"context\": null}',"
	"  'attempts', (SELECT coalesce(jsonb_agg(jsonb_set(a, '{error}', (a->'error') || '{\"detail\": null, \"hint\": null, \"context\": null}')"
	"                                 ORDER BY n), '[]')"
	"               FROM jsonb_array_elements($1->'attempts') WITH ORDINALITY AS x(a, n)))",
	JSONBOID);

static Jsonb *
row_jsonb(uint64 row, int column, MemoryContext context)
{
	bool		isnull;
	Datum		value = tq_row_copy(row, column, context, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

static void
load_live(TqOutcome *outcome, MemoryContext context)
{
	bool		isnull;
	TimestampTz run_at = DatumGetTimestampTz(tq_row_datum(0, 6, &isnull));

	outcome->live = true;
	outcome->state = tq_row_char(0, 0);
	outcome->xmin = DatumGetTransactionId(tq_row_datum(0, 1, &isnull));
	outcome->enqueuer = tq_row_oid(0, 2);
	outcome->handler = tq_row_text(0, 3, context);
	outcome->has_dag = !tq_row_is_null(0, 4);
	outcome->dag_key = tq_row_int64(0, 4);
	outcome->step_no = tq_row_int32(0, 5);
	if (outcome->state == TQ_TASK_SCHEDULED && run_at <= tq_clock_now())
		outcome->state = TQ_TASK_READY;
}

/* The same shape as a direct look into the partitions gives. */
static bool
find_in_history(int64 task_id, Snapshot snapshot, TqLeafRow *row)
{
	Datum		id = Int64GetDatum(task_id);
	TqLeafResult result = tq_leaf_find("history", task_id, snapshot, TQ_HISTORY_NCOLS, row);

	if (result != TQ_LEAF_UNKNOWN)
		return result == TQ_LEAF_FOUND;
	if (tq_plan_query(&find_ended, &id, NULL, snapshot) == 0)
		return false;
	row->xmin = DatumGetTransactionId(tq_row_datum(0, 0, &row->nulls[0]));
	for (int i = 0; i < TQ_HISTORY_NCOLS; i++)
		row->values[i] = tq_row_copy(0, i + 1, CurrentMemoryContext, &row->nulls[i]);
	return true;
}

static char *
row_text(const TqLeafRow *row, TqHistoryColumn column)
{
	return row->nulls[column] ? NULL : TextDatumGetCString(row->values[column]);
}

static void
load_error(TqOutcome *outcome, const TqLeafRow *row)
{
	HeapTupleHeader error;
	Datum		kind;
	Datum		message;
	bool		kind_is_null;
	bool		message_is_null;

	outcome->has_error = !row->nulls[TQ_HISTORY_ERROR];
	if (!outcome->has_error)
		return;
	error = DatumGetHeapTupleHeaderCopy(row->values[TQ_HISTORY_ERROR]);
	outcome->error = HeapTupleHeaderGetDatum(error);
	kind = GetAttributeByNum(error, 1, &kind_is_null);
	message = GetAttributeByNum(error, 2, &message_is_null);
	outcome->error_kind = kind_is_null ? pstrdup("") : TextDatumGetCString(kind);
	outcome->error_message = message_is_null ? pstrdup("") : TextDatumGetCString(message);
}

/* Into the current context. */
static void
load_ended(TqOutcome *outcome, const TqLeafRow *row)
{
	outcome->state = DatumGetChar(row->values[TQ_HISTORY_STATE]);
	outcome->xmin = row->xmin;
	outcome->enqueuer = DatumGetObjectId(row->values[TQ_HISTORY_ENQUEUER]);
	outcome->handler = row_text(row, TQ_HISTORY_HANDLER);
	outcome->has_dag = !row->nulls[TQ_HISTORY_DAG_KEY];
	if (outcome->has_dag)
	{
		outcome->dag_key = DatumGetInt64(row->values[TQ_HISTORY_DAG_KEY]);
		outcome->step_no = DatumGetInt32(row->values[TQ_HISTORY_STEP_NO]);
	}
	outcome->finished_at = DatumGetTimestampTz(row->values[TQ_HISTORY_FINISHED_AT]);
	if (!row->nulls[TQ_HISTORY_RESULT])
		outcome->result = DatumGetJsonbPCopy(row->values[TQ_HISTORY_RESULT]);
	load_error(outcome, row);
	outcome->cancel_reason = row_text(row, TQ_HISTORY_CANCEL_REASON);
}

bool
tq_outcome_find(int64 task_id, TqOutcome *outcome)
{
	Datum		id = Int64GetDatum(task_id);
	TqLeafRow	row;
	Snapshot	snapshot;
	bool		found = true;
	TqSpi		spi;

	memset(outcome, 0, sizeof(TqOutcome));
	outcome->task_id = task_id;
	tq_spi_begin(&spi);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (tq_plan_query(&find_live, &id, NULL, snapshot) > 0)
		load_live(outcome, spi.caller);
	else if (find_in_history(task_id, snapshot, &row))
	{
		MemoryContext old = MemoryContextSwitchTo(spi.caller);

		load_ended(outcome, &row);
		MemoryContextSwitchTo(old);
	}
	else
		found = false;
	UnregisterSnapshot(snapshot);
	tq_spi_end(&spi);
	return found;
}

Jsonb *
tq_outcome_document(int64 task_id, bool with_payload)
{
	Datum		value = Int64GetDatum(task_id);
	Jsonb	   *document = NULL;
	TqSpi		spi;

	tq_spi_begin(&spi);
	if (tq_plan_run(&find_document, &value, NULL) > 0)
	{
		if (!with_payload)
		{
			value = PointerGetDatum(row_jsonb(0, 0, CurrentMemoryContext));
			(void) tq_plan_run(&mask_document, &value, NULL);
		}
		document = row_jsonb(0, 0, spi.caller);
	}
	tq_spi_end(&spi);
	return document;
}
