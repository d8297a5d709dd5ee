/*-------------------------------------------------------------------------
 *
 * histogram.h
 *	  Buckets of durations whose width grows with the duration: four for each
 *	  doubling, so a percentile is off by at most a quarter.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POLICY_HISTOGRAM_H
#define TQ_POLICY_HISTOGRAM_H

#include <stdint.h>

/* From microseconds to about 4500 years. */
#define TQ_HISTOGRAM_BUCKETS	224

extern int	tq_histogram_bucket(int64_t us);

/* The middle of a bucket, in microseconds. */
extern int64_t tq_histogram_value(int bucket);

/* The value below which the given share (0 to 1) of the counted durations lie; -1: nothing was counted. */
extern int64_t tq_histogram_percentile(const uint64_t *counts, double share);

#endif
