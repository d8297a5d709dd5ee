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

#include "utils/snapmgr.h"

#include "base/clock.h"
#include "store/outcome.h"
#include "store/plans.h"

static TqPlan find_live = TQ_PLAN(
	"SELECT state, xmin, enqueuer, handler, dag_key, step_no, run_at FROM task_queue.task WHERE task_id = $1",
	INT8OID);
static TqPlan find_ended = TQ_PLAN(
	"SELECT state, xmin, enqueuer, handler, dag_key, step_no, finished_at, result, error, (error).kind,"
	" (error).message, cancel_reason FROM task_queue.history WHERE task_id = $1 LIMIT 1",
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
load_common(TqOutcome *outcome, MemoryContext context)
{
	bool		isnull;

	outcome->state = tq_row_char(0, 0);
	outcome->xmin = DatumGetTransactionId(tq_row_datum(0, 1, &isnull));
	outcome->enqueuer = tq_row_oid(0, 2);
	outcome->handler = tq_row_text(0, 3, context);
	outcome->has_dag = !tq_row_is_null(0, 4);
	outcome->dag_key = tq_row_int64(0, 4);
	outcome->step_no = tq_row_int32(0, 5);
}

static void
load_live(TqOutcome *outcome, MemoryContext context)
{
	bool		isnull;
	TimestampTz run_at = DatumGetTimestampTz(tq_row_datum(0, 6, &isnull));

	load_common(outcome, context);
	outcome->live = true;
	if (outcome->state == TQ_TASK_SCHEDULED && run_at <= tq_clock_now())
		outcome->state = TQ_TASK_READY;
}

static void
load_ended(TqOutcome *outcome, MemoryContext context)
{
	bool		isnull;

	load_common(outcome, context);
	outcome->finished_at = DatumGetTimestampTz(tq_row_datum(0, 6, &isnull));
	outcome->result = row_jsonb(0, 7, context);
	outcome->error = tq_row_copy(0, 8, context, &isnull);
	outcome->has_error = !isnull;
	outcome->error_kind = tq_row_text(0, 9, context);
	outcome->error_message = tq_row_text(0, 10, context);
	outcome->cancel_reason = tq_row_text(0, 11, context);
}

bool
tq_outcome_find(int64 task_id, TqOutcome *outcome)
{
	Datum		id = Int64GetDatum(task_id);
	Snapshot	snapshot;
	bool		found = true;
	TqSpi		spi;

	memset(outcome, 0, sizeof(TqOutcome));
	outcome->task_id = task_id;
	tq_spi_begin(&spi);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (tq_plan_query(&find_live, &id, NULL, snapshot) > 0)
		load_live(outcome, spi.caller);
	else if (tq_plan_query(&find_ended, &id, NULL, snapshot) > 0)
		load_ended(outcome, spi.caller);
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
