/*-------------------------------------------------------------------------
 *
 * leased.c
 *	  Leases of external workers that are written in the rows of tasks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/leased.h"
#include "store/plans.h"

int
tq_leased_count(const char *queue)
{
	static TqPlan plan = TQ_PLAN("SELECT count(*) FROM task_queue.task"
								 " WHERE state = 'x' AND lease_token IS NOT NULL AND queue = $1"
								 " AND lease_until > pg_catalog.clock_timestamp()", TEXTOID);
	Datum		value = CStringGetTextDatum(queue);
	TqSpi		spi;
	int64		n;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&plan, &value, NULL);
	n = tq_row_int64(0, 0);
	tq_spi_end(&spi);
	return (int) Min(n, PG_INT32_MAX);
}

int
tq_leased_by(const char *worker, int64 **ids)
{
	static TqPlan plan = TQ_PLAN("SELECT task_id FROM task_queue.task"
								 " WHERE state = 'x' AND lease_token IS NOT NULL AND worker = $1"
								 " ORDER BY task_id", TEXTOID);
	Datum		value = CStringGetTextDatum(worker);
	TqSpi		spi;
	int			n;

	tq_spi_begin(&spi);
	n = (int) tq_plan_run(&plan, &value, NULL);
	*ids = MemoryContextAlloc(spi.caller, Max(n, 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		(*ids)[i] = tq_row_int64(i, 0);
	tq_spi_end(&spi);
	return n;
}

int
tq_leased_expired(TimestampTz before, char *const *queues, int nqueues, int64 *ids, int max)
{
	static TqPlan plan = TQ_PLAN("SELECT task_id FROM task_queue.task"
								 " WHERE state = 'x' AND lease_token IS NOT NULL AND lease_until <= $1"
								 " AND queue = ANY ($2)"
								 " ORDER BY lease_until LIMIT $3",
								 TIMESTAMPTZOID, TEXTARRAYOID, INT8OID);
	Datum	   *names = palloc(Max(nqueues, 1) * sizeof(Datum));
	Datum		values[3] = {TimestampTzGetDatum(before), 0, Int64GetDatum(max)};
	TqSpi		spi;
	int			n;

	for (int i = 0; i < nqueues; i++)
		names[i] = CStringGetTextDatum(queues[i]);
	values[1] = PointerGetDatum(construct_array(names, nqueues, TEXTOID, -1, false, TYPALIGN_INT));
	tq_spi_begin(&spi);
	n = (int) tq_plan_run(&plan, values, NULL);
	for (int i = 0; i < n; i++)
		ids[i] = tq_row_int64(i, 0);
	tq_spi_end(&spi);
	return n;
}
