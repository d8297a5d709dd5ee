/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  The statistics of handlers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api/access.h"
#include "shmem/counters.h"

PG_FUNCTION_INFO_V1(tq_sql_stats);

static void
put_interval(Datum *values, bool *nulls, int i, int64 us)
{
	Interval   *interval;

	nulls[i] = us < 0;
	if (us < 0)
		return;
	interval = palloc0(sizeof(Interval));
	interval->time = us;
	values[i] = IntervalPGetDatum(interval);
}

/* Four columns from the given one on: mean, p50, p95, p99. */
static void
put_durations(Datum *values, bool *nulls, int i, const TqDurations *durations)
{
	put_interval(values, nulls, i, durations->count > 0 ? durations->sum_us / durations->count : -1);
	put_interval(values, nulls, i + 1, tq_histogram_percentile(durations->buckets, 0.50));
	put_interval(values, nulls, i + 2, tq_histogram_percentile(durations->buckets, 0.95));
	put_interval(values, nulls, i + 3, tq_histogram_percentile(durations->buckets, 0.99));
}

Datum
tq_sql_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TqHandlerStats *list;
	int			n;

	if (!tq_access_may_see(GetUserId(), InvalidOid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to see the statistics of the task queue"),
				 errhint("Administrators of the task queue and members of pg_monitor and pg_read_all_data may see them.")));
	InitMaterializedSRF(fcinfo, 0);
	list = tq_counters_list(&n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[1 + TQ_NCOUNTERS + 8] = {0};
		bool		nulls[1 + TQ_NCOUNTERS + 8] = {false};

		values[0] = CStringGetTextDatum(list[i].handler);
		for (int c = 0; c < TQ_NCOUNTERS; c++)
			values[1 + c] = Int64GetDatum((int64) list[i].counts[c]);
		put_durations(values, nulls, 1 + TQ_NCOUNTERS, &list[i].wait);
		put_durations(values, nulls, 1 + TQ_NCOUNTERS + 4, &list[i].run);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
