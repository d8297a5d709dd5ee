/*-------------------------------------------------------------------------
 *
 * cancel.c
 *	  Requests to cancel tasks that were being executed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "shmem/databases.h"
#include "shmem/shmem.h"
#include "store/cancel.h"
#include "store/plans.h"

static TqPlan insert_request = TQ_PLAN(
	"INSERT INTO task_queue.cancel_request (task_id, reason, role, discard) VALUES ($1, $2, $3, $4)",
	INT8OID, TEXTOID, REGROLEOID, BOOLOID);
static TqPlan find_request = TQ_PLAN(
	"SELECT reason, discard FROM task_queue.cancel_request WHERE task_id = $1 ORDER BY requested_at",
	INT8OID);
static TqPlan find_any = TQ_PLAN0("SELECT 1 FROM task_queue.cancel_request LIMIT 1");
static TqPlan delete_requests = TQ_PLAN(
	"DELETE FROM task_queue.cancel_request WHERE task_id = $1", INT8OID);
static TqPlan find_stale = TQ_PLAN0(
	"SELECT r.task_id, pg_catalog.bool_or(r.discard) FROM task_queue.cancel_request AS r"
	" WHERE NOT EXISTS (SELECT FROM task_queue.task AS t WHERE t.task_id OPERATOR(pg_catalog.=) r.task_id)"
	" GROUP BY r.task_id");
static TqPlan delete_outcome = TQ_PLAN(
	"WITH gone AS (DELETE FROM task_queue.attempt WHERE task_id = $1)"
	" DELETE FROM task_queue.history WHERE task_id = $1", INT8OID);

void
tq_cancel_request(int64 task_id, const char *reason, Oid role, bool discard)
{
	Datum		values[4] = {Int64GetDatum(task_id)};
	bool		nulls[4] = {false};

	nulls[1] = (reason == NULL);
	values[1] = reason == NULL ? (Datum) 0 : CStringGetTextDatum(reason);
	values[2] = ObjectIdGetDatum(role);
	values[3] = BoolGetDatum(discard);
	(void) tq_plan_execute(&insert_request, values, nulls);
}

/* With a snapshot of now, whatever the isolation level: a request that was committed counts. */
static uint64
find_requests(int64 task_id)
{
	Datum		id = Int64GetDatum(task_id);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	uint64		n = tq_plan_query(&find_request, &id, NULL, snapshot);

	UnregisterSnapshot(snapshot);
	return n;
}

bool
tq_cancel_requested(int64 task_id, char **reason)
{
	bool		found;
	TqSpi		spi;

	tq_spi_begin(&spi);
	found = find_requests(task_id) > 0;
	if (found)
		*reason = tq_row_text(0, 0, spi.caller);
	tq_spi_end(&spi);
	return found;
}

bool
tq_cancel_is_pending(int64 task_id, char **reason)
{
	TqDatabase	database;

	/* Without shared memory requests concern only attempts that look for them when they end. */
	if (!tq_shmem_available() ||
		(tq_database_get(MyDatabaseId, &database) && database.no_cancels))
		return false;
	return tq_cancel_requested(task_id, reason);
}

bool
tq_cancel_any(void)
{
	return tq_plan_execute(&find_any, NULL, NULL) > 0;
}

bool
tq_cancel_discards(int64 task_id)
{
	bool		discards = false;
	uint64		n;
	TqSpi		spi;

	tq_spi_begin(&spi);
	n = find_requests(task_id);
	for (uint64 i = 0; i < n; i++)
		discards = discards || tq_row_bool(i, 1);
	tq_spi_end(&spi);
	return discards;
}

void
tq_cancel_forget(int64 task_id)
{
	Datum		id = Int64GetDatum(task_id);

	(void) tq_plan_execute(&delete_requests, &id, NULL);
}

/*
 * Requests whose task has ended meanwhile.  A request that is not committed
 * yet is not seen, so it cannot be removed too early.
 */
void
tq_cancel_forget_ended(void)
{
	SPITupleTable *rows;
	uint64		nrows;
	TqSpi		spi;

	tq_spi_begin(&spi);
	nrows = tq_plan_run(&find_stale, NULL, NULL);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < nrows; i++)
	{
		bool		isnull;
		Datum		id = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
		bool		discard = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));

		if (discard)
			(void) tq_plan_run(&delete_outcome, &id, NULL);
		(void) tq_plan_run(&delete_requests, &id, NULL);
	}
	tq_spi_end(&spi);
}
