/*-------------------------------------------------------------------------
 *
 * maintain.c
 *	  SQL of the scheduler.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guc.h"
#include "shmem/databases.h"
#include "shmem/xact.h"
#include "store/maintain.h"
#include "store/plans.h"

int
tq_maintain_read_ready(int64 lane, const TqReadyKey *from, int max, TqReadyKey *keys)
{
	static TqPlan plan = TQ_PLAN("SELECT priority, run_at, task_id FROM task_queue.task"
								 " WHERE lane = $1 AND state = 'r'"
								 " AND (priority, run_at, task_id) >= ($2, $3, $4)"
								 " ORDER BY priority, run_at, task_id LIMIT $5",
								 INT8OID, INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID);
	Datum		values[] = {Int64GetDatum(lane), Int32GetDatum(from->priority),
		TimestampTzGetDatum(from->run_at), Int64GetDatum(from->task_id), Int64GetDatum(max)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_plan_run(&plan, values, NULL);
	for (int i = 0; i < n; i++)
	{
		keys[i].priority = tq_row_int32(i, 0);
		keys[i].run_at = tq_row_int64(i, 1);
		keys[i].task_id = tq_row_int64(i, 2);
	}
	tq_spi_end(&spi);
	return n;
}

int
tq_maintain_promote_due(int max, bool *left)
{
	static TqPlan plan = TQ_PLAN("UPDATE task_queue.task SET state = 'r' WHERE task_id = ANY (ARRAY("
								 "SELECT task_id FROM task_queue.task WHERE state = 's' AND run_at <= $1"
								 " ORDER BY run_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
								 " RETURNING lane, priority, run_at, task_id",
								 TIMESTAMPTZOID, INT8OID);
	Datum		values[] = {TimestampTzGetDatum(tq_clock_now()), Int64GetDatum(max)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_plan_run(&plan, values, NULL);
	for (int i = 0; i < n; i++)
		tq_xact_note_ready(tq_row_int64(i, 0), tq_row_int32(i, 1), tq_row_int64(i, 2), tq_row_int64(i, 3));
	*left = n == max;
	tq_spi_end(&spi);
	return n;
}

TimestampTz
tq_maintain_next_due(void)
{
	static TqPlan plan = TQ_PLAN0("SELECT LEAST("
								  "(SELECT run_at FROM task_queue.task WHERE state = 's' ORDER BY run_at LIMIT 1),"
								  " (SELECT lease_until FROM task_queue.task WHERE state = 'x' ORDER BY lease_until LIMIT 1))");
	TqSpi		spi;
	TimestampTz due = TQ_NEVER;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&plan, NULL, NULL);
	if (!tq_row_is_null(0, 0))
		due = tq_row_int64(0, 0);
	tq_spi_end(&spi);
	return due;
}

static int
read_ids(TqPlan *plan, int64 after, int64 *ids, int max)
{
	Datum		values[] = {Int64GetDatum(after), Int64GetDatum(max)};
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_plan_run(plan, values, NULL);
	for (int i = 0; i < n; i++)
		ids[i] = tq_row_int64(i, 0);
	tq_spi_end(&spi);
	return n;
}

int
tq_maintain_running(int64 after, int64 *ids, int max)
{
	static TqPlan plan = TQ_PLAN("SELECT task_id FROM task_queue.task"
								 " WHERE state = 'x' AND lease_token IS NULL AND task_id > $1"
								 " ORDER BY task_id LIMIT $2", INT8OID, INT8OID);

	return read_ids(&plan, after, ids, max);
}

int
tq_maintain_canceled(int64 after, int64 *ids, int max)
{
	static TqPlan plan = TQ_PLAN("SELECT DISTINCT t.task_id FROM task_queue.cancel_request c"
								 " JOIN task_queue.task t USING (task_id)"
								 " WHERE t.task_id > $1 ORDER BY t.task_id LIMIT $2", INT8OID, INT8OID);

	return read_ids(&plan, after, ids, max);
}

int
tq_maintain_leases_over(int64 after, int64 *ids, int max)
{
	static TqPlan plan = TQ_PLAN("SELECT task_id FROM task_queue.task"
								 " WHERE state = 'x' AND lease_token IS NOT NULL AND lease_until <= clock_timestamp()"
								 " AND task_id > $1 ORDER BY task_id LIMIT $2", INT8OID, INT8OID);

	return read_ids(&plan, after, ids, max);
}

bool
tq_maintain_table_is_empty(void)
{
	static TqPlan plan = TQ_PLAN0("SELECT 1 FROM task_queue.task LIMIT 1");

	return tq_plan_execute(&plan, NULL, NULL) == 0;
}

bool
tq_maintain_is_unused(void)
{
	static TqPlan plan = TQ_PLAN0("SELECT 1 WHERE EXISTS (SELECT FROM task_queue.task)"
								  " OR EXISTS (SELECT FROM task_queue.history)"
								  " OR EXISTS (SELECT FROM task_queue.attempt)");

	return tq_plan_execute(&plan, NULL, NULL) == 0;
}

char *
tq_maintain_extension_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(TQ_EXTENSION));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		version = isnull ? pstrdup("") : TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * A row of another server or database came with a copy or a restore: then
 * nothing runs until adopt_database() replaces it.
 */
bool
tq_maintain_is_adopted(void)
{
	static TqPlan find = TQ_PLAN("SELECT bool_and(system_identifier = $1 AND database_oid = $2 AND home = $3)"
								 " FROM task_queue.meta", TEXTOID, OIDOID, TEXTOID);
	static TqPlan adopt = TQ_PLAN("INSERT INTO task_queue.meta (system_identifier, database_oid, home, adopted_by)"
								  " VALUES ($1, $2, $3, current_user::pg_catalog.regrole)", TEXTOID, OIDOID, TEXTOID);
	Datum		values[] = {
		CStringGetTextDatum(psprintf(UINT64_FORMAT, GetSystemIdentifier())),
		ObjectIdGetDatum(MyDatabaseId),
		CStringGetTextDatum(tq_home ? tq_home : "")
	};
	TqSpi		spi;
	bool		adopted = true;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&find, values, NULL);
	if (tq_row_is_null(0, 0))
		(void) tq_plan_run(&adopt, values, NULL);
	else
		adopted = tq_row_bool(0, 0);
	tq_spi_end(&spi);
	return adopted;
}
