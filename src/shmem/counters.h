/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  Statistics per handler: how attempts ended, how long tasks waited and
 *	  ran.
 *
 * Counted at commit, so rolled-back work does not show.  Kept over a clean
 * restart of the server and over the crash of a process; lost when all of the
 * server is killed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_COUNTERS_H
#define TQ_COUNTERS_H

#include "postgres.h"

#include "policy/histogram.h"

#define TQ_COUNTER_NAME_LEN	128

typedef enum TqCounter
{
	TQ_COUNT_DONE,
	TQ_COUNT_FAILED,
	TQ_COUNT_RETRIED,
	TQ_COUNT_CANCELED,
	TQ_NCOUNTERS
} TqCounter;

/* Durations in microseconds; negative: not measured (it never started). */
typedef struct TqMeasure
{
	TqCounter	counter;
	int64		wait_us;
	int64		run_us;
} TqMeasure;

typedef struct TqDurations
{
	uint64		count;
	uint64		sum_us;
	uint64		buckets[TQ_HISTOGRAM_BUCKETS];
} TqDurations;

typedef struct TqHandlerStats
{
	char		handler[TQ_COUNTER_NAME_LEN];
	uint64		counts[TQ_NCOUNTERS];
	TqDurations wait;
	TqDurations run;
} TqHandlerStats;

extern void tq_counters_map(void);
extern void tq_counters_restart(void);

/* Never fails; called from the commit callback. */
extern void tq_counters_add(const char *handler, const TqMeasure *measure);

/* Copies for the current database; palloc'd. */
extern TqHandlerStats *tq_counters_list(int *n);

extern void tq_counters_forget_database(Oid database);

#endif
