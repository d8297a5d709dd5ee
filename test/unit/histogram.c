/*-------------------------------------------------------------------------
 *
 * histogram.c
 *		Unit tests of src/policy/histogram.c: buckets cover all durations in
 *		order, and percentiles are off by at most a quarter.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/histogram.h"
#include "tap.h"

static void
buckets_are_in_order(void)
{
	int			last = -1;
	int			wrong = 0;

	for (int64_t us = 0; us < 100000; us++)
	{
		int			bucket = tq_histogram_bucket(us);

		if (bucket < last || bucket > last + 1)
			wrong++;
		last = bucket;
	}
	ok(wrong == 0, "buckets follow each other without gaps");
	ok(tq_histogram_bucket(-5) == 0, "a negative duration counts as zero");
	ok(tq_histogram_bucket(INT64_MAX) == TQ_HISTOGRAM_BUCKETS - 1, "the longest duration has a bucket");
}

static void
values_are_near(void)
{
	int			wrong = 0;

	for (int64_t us = 1; us < INT64_C(1) << 56; us = us + us / 7 + 1)
	{
		int64_t		value = tq_histogram_value(tq_histogram_bucket(us));

		if (value < us - us / 4 - 1 || value > us + us / 4 + 1)
			wrong++;
	}
	ok(wrong == 0, "the middle of a bucket is within a quarter of what it counts");
}

static void
percentiles(void)
{
	uint64_t	counts[TQ_HISTOGRAM_BUCKETS] = {0};

	ok(tq_histogram_percentile(counts, 0.5) == -1, "nothing counted");
	for (int i = 1; i <= 3; i++)
		counts[i] = 1;
	ok(tq_histogram_percentile(counts, 0.5) == 2, "median of 1, 2, 3");
	ok(tq_histogram_percentile(counts, 0.99) == 3, "p99 of 1, 2, 3");
	ok(tq_histogram_percentile(counts, 0.01) == 1, "p1 of 1, 2, 3");
}

int
main(void)
{
	buckets_are_in_order();
	values_are_near();
	percentiles();
	return tap_done();
}
