/*-------------------------------------------------------------------------
 *
 * retry.h
 *		Retry policy: whether a failed attempt is followed by another one, and
 *		after how long. See retry.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POLICY_RETRY_H
#define TQ_POLICY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Longest delay that is computed, about 292 years. Adding it to a time of the
 * server's range may still overflow there: who adds has to look.
 */
#define TQ_RETRY_MAX_DELAY_US	INT64_C(9223372036854775)

typedef struct TqRetryPolicy
{
	int64_t		initial_us;		/* delay after the first failure */
	double		coefficient;	/* growth from one delay to the next */
	int64_t		maximum_us;		/* cap of the delay; <= 0: none */
	int32_t		maximum_attempts;	/* executions in all; <= 0: unlimited */
	double		jitter;			/* in [0,1): share of the delay that varies */
	int			nkinds;			/* what is never retried: kinds, */
	const char *const *kinds;	/* SQLSTATEs, or classes of them */
} TqRetryPolicy;

/* What retry decisions need to know of an error. */
typedef struct TqRetryError
{
	const char *kind;			/* NULL: none */
	const char *sqlstate;		/* five characters, or NULL */
	bool		retryable;
} TqRetryError;

extern void tq_retry_default_policy(TqRetryPolicy *policy);
extern int64_t tq_retry_next_delay(const TqRetryPolicy *policy, int attempt);
extern int64_t tq_retry_jittered_delay(const TqRetryPolicy *policy,
									   int attempt, double r);
extern bool tq_retry_should_retry(const TqRetryPolicy *policy,
								  const TqRetryError *err, int attempt);
extern int64_t tq_retry_interval_us(int32_t months, int32_t days, int64_t us);

#endif							/* TQ_POLICY_RETRY_H */
