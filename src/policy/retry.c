/*-------------------------------------------------------------------------
 *
 * retry.c
 *		Retry policy: pure arithmetic, no clock, no server, no random source.
 *
 * Delays are whole microseconds and never negative; nothing here overflows,
 * whatever the policy says. An attempt is numbered by the execution that just
 * failed, from 1.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/retry.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define USECS_PER_DAY	INT64_C(86400000000)
#define DAYS_PER_MONTH	30

#define SQLSTATE_LENGTH	5
#define SQLSTATE_CLASS_LENGTH	2

static bool
has_cap(const TqRetryPolicy *policy)
{
	return policy->maximum_us > 0;
}

/*
 * A delay computed in floating point, as whole microseconds within the cap.
 * Values that are no delay (NaN, or beyond what can be computed) count as
 * endless: they become the cap, or the longest delay if there is none.
 */
static int64_t
bounded(const TqRetryPolicy *policy, double raw)
{
	int64_t		delay;

	/* written so that NaN is caught as well */
	if (!(raw <= (double) TQ_RETRY_MAX_DELAY_US))
		return has_cap(policy) ? policy->maximum_us : TQ_RETRY_MAX_DELAY_US;

	delay = raw > 0 ? (int64_t) raw : 0;

	/* The limit is odd and above 2^53, so its double is one more. */
	if (delay > TQ_RETRY_MAX_DELAY_US)
		delay = TQ_RETRY_MAX_DELAY_US;
	if (has_cap(policy) && delay > policy->maximum_us)
		delay = policy->maximum_us;
	return delay;
}

/* One second, doubled each time up to a minute; five executions in all. */
void
tq_retry_default_policy(TqRetryPolicy *policy)
{
	policy->initial_us = INT64_C(1000000);
	policy->coefficient = 2.0;
	policy->maximum_us = INT64_C(60000000);
	policy->maximum_attempts = 5;
	policy->jitter = 0.0;
	policy->nkinds = 0;
	policy->kinds = NULL;
}

/*
 * Delay before the execution that follows the failed attempt, without jitter.
 * The cap holds from the first attempt on.
 */
int64_t
tq_retry_next_delay(const TqRetryPolicy *policy, int attempt)
{
	double		coefficient = policy->coefficient;

	if (attempt <= 0 || policy->initial_us <= 0)
		return 0;
	if (coefficient <= 0)
		coefficient = 1.0;

	/* C's pow(x, 0) is 1 for every x, NaN and infinity included. */
	return bounded(policy,
				   (double) policy->initial_us *
				   pow(coefficient, (double) attempt - 1));
}

/*
 * The same with jitter: r is the caller's random number in [-1,1], which makes
 * the delay vary by the policy's share in either direction. The cap still holds.
 */
int64_t
tq_retry_jittered_delay(const TqRetryPolicy *policy, int attempt, double r)
{
	int64_t		delay = tq_retry_next_delay(policy, attempt);
	double		change = policy->jitter * r;

	if (delay == 0 || isnan(change) || change == 0)
		return delay;
	return bounded(policy, (double) delay * (1.0 + change));
}

/* Is what the policy excludes this very text, or the SQLSTATE's class? */
static bool
excludes(const char *entry, const TqRetryError *err)
{
	if (err->kind != NULL && strcmp(entry, err->kind) == 0)
		return true;
	if (err->sqlstate == NULL)
		return false;
	if (strcmp(entry, err->sqlstate) == 0)
		return true;
	return strlen(err->sqlstate) == SQLSTATE_LENGTH &&
		strlen(entry) == SQLSTATE_CLASS_LENGTH &&
		strncmp(entry, err->sqlstate, SQLSTATE_CLASS_LENGTH) == 0;
}

/*
 * Is the failed attempt followed by another execution? The first of these
 * decides: there is no error, no execution is left, the error says that it is
 * final, the policy excludes its kind, SQLSTATE or SQLSTATE class.
 */
bool
tq_retry_should_retry(const TqRetryPolicy *policy, const TqRetryError *err,
					  int attempt)
{
	if (err == NULL)
		return false;
	if (policy->maximum_attempts > 0 && attempt >= policy->maximum_attempts)
		return false;
	if (!err->retryable)
		return false;
	for (int i = 0; i < policy->nkinds; i++)
	{
		if (policy->kinds[i] != NULL && excludes(policy->kinds[i], err))
			return false;
	}
	return true;
}

/*
 * Length of an interval in microseconds, a day being 24 hours and a month 30
 * days. Exact where the result fits, else the nearest value that does; the
 * server's infinite intervals end up there as well.
 */
int64_t
tq_retry_interval_us(int32_t months, int32_t days, int64_t us)
{
	int64_t		whole_days;
	int64_t		rest = us % USECS_PER_DAY;
	int64_t		result;

	whole_days = (int64_t) months * DAYS_PER_MONTH + days + us / USECS_PER_DAY;

	/* With equal signs an overflow below cannot be undone by the addition. */
	if (whole_days > 0 && rest < 0)
	{
		whole_days--;
		rest += USECS_PER_DAY;
	}
	else if (whole_days < 0 && rest > 0)
	{
		whole_days++;
		rest -= USECS_PER_DAY;
	}

	if (__builtin_mul_overflow(whole_days, USECS_PER_DAY, &result) ||
		__builtin_add_overflow(result, rest, &result))
		return whole_days > 0 ? INT64_MAX : INT64_MIN;
	return result;
}
