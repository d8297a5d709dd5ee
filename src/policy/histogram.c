/*-------------------------------------------------------------------------
 *
 * histogram.c
 *	  Buckets of durations whose width grows with the duration.
 *
 * Values below 4 have buckets of their own; from there on the two bits after
 * the leading one choose among the four buckets of a doubling.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/histogram.h"

int
tq_histogram_bucket(int64_t us)
{
	int			shift = 0;
	int			bucket;

	if (us < 4)
		return us < 0 ? 0 : (int) us;
	while ((us >> shift) >= 8)
		shift++;
	bucket = 4 * (shift + 1) + (int) ((us >> shift) - 4);
	return bucket < TQ_HISTOGRAM_BUCKETS ? bucket : TQ_HISTOGRAM_BUCKETS - 1;
}

int64_t
tq_histogram_value(int bucket)
{
	int			shift;

	if (bucket < 8)
		return bucket;
	shift = bucket / 4 - 1;
	return ((int64_t) (4 + bucket % 4) << shift) + ((int64_t) 1 << (shift - 1));
}

int64_t
tq_histogram_percentile(const uint64_t *counts, double share)
{
	uint64_t	total = 0;
	uint64_t	seen = 0;

	for (int i = 0; i < TQ_HISTOGRAM_BUCKETS; i++)
		total += counts[i];
	if (total == 0)
		return -1;
	for (int i = 0; i < TQ_HISTOGRAM_BUCKETS; i++)
	{
		seen += counts[i];
		if ((double) seen >= share * (double) total)
			return tq_histogram_value(i);
	}
	return tq_histogram_value(TQ_HISTOGRAM_BUCKETS - 1);
}
