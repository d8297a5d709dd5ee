/*-------------------------------------------------------------------------
 *
 * retry_delay.c
 *		Delays of the retry policy: every published vector, and the edges.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/retry.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "tap.h"

#define MS	INT64_C(1000)
#define S	INT64_C(1000000)
#define MIN	(60 * S)
#define H	(60 * MIN)
#define FOREVER	INT64_C(9223372036854775)

typedef struct Vector
{
	const char *name;
	int64_t		initial;
	double		coefficient;
	int64_t		cap;
	int			attempt;
	int64_t		expected;
} Vector;

static const Vector vectors[] = {
	{"N1", S, 2, MIN, -1, 0},
	{"N3", S, 2, MIN, 1, 1000000},
	{"N5", S, 2, MIN, 3, 4000000},
	{"N7", S, 2, MIN, 5, 16000000},
	{"N9", S, 2, MIN, 7, 60000000},
	{"N11", S, 2, MIN, 65, 60000000},
	{"N13", S, 2, MIN, 1073741824, 60000000},
	{"N15", 0, 0, 0, 1, 0},
	{"N17", 0, 0, 0, 1, 0},
	{"N19", S, 2, H, 1, 1000000},
	{"N21", S, 2, H, 3, 4000000},
	{"N23", S, 2, H, 5, 16000000},
	{"N25", S, 2, H, 13, INT64_C(3600000000)},
	{"N27", S, 10, 3 * S, 1, 1000000},
	{"N29", S, 10, 3 * S, 10, 3000000},
	{"N31", S, 2, 0, 30, INT64_C(536870912000000)},
	{"N33", S, 2, 0, 35, FOREVER},
	{"N35", S, 2, 0, 1025, FOREVER},
	{"N37", 0, 2, MIN, 3, 0},
	{"N39", -S, 2, MIN, 3, 0},
	{"N41", S, 0, MIN, 5, 1000000},
	{"N43", S, -3, MIN, 2, 1000000},
	{"N45", S, 1, MIN, 1, 1000000},
	{"N47", S, 1, MIN, 100000, 1000000},
	{"N49", S, 0.5, 0, 2, 500000},
	{"N51", S, 0.5, 0, 4, 125000},
	{"N53", S, 0.5, 0, 31, 0},
	{"N55", S, 1.5, MIN, 3, 2250000},
	{"N57", S, 1.5, MIN, 5, 5062500},
	{"N59", S, 1.5, MIN, 12, 60000000},
	{"N65", 100 * MS, 1.1, 0, 2, 110000},
	{"N67", 100 * MS, 1.1, 0, 4, 133100},
	{"N69", 3 * S, 3, 100 * S, 1, 3000000},
	{"N71", 3 * S, 3, 100 * S, 3, 27000000},
	{"N73", 3 * S, 3, 100 * S, 5, 100000000},
	{"N75", 10 * S, 2, 5 * S, 2, 5000000},
	{"N77", S, 2, 8 * S, 4, 8000000},
	{"N79", S, 2, -1, 1, 1000000},
	{"N81", S, 2, -1, 40, FOREVER},
	{"N83", H, 1e10, 24 * H, 2, INT64_C(86400000000)},
	{"N85", H, INFINITY, 0, 1, INT64_C(3600000000)},
	{"N87", H, INFINITY, 0, 5, FOREVER},
	{"N89", H, INFINITY, 24 * H, 2, INT64_C(86400000000)},
	{"N91", S, NAN, 0, 2, FOREVER},
	{"N103", FOREVER, 1, H, 1, INT64_C(3600000000)},
	{"N107", INT64_C(9007199254740), 1, 0, 1, INT64_C(9007199254740)},
	{"N109", 50 * MS, 2, 500 * MS, 2, 100000},
	{"N111", 50 * MS, 2, 500 * MS, 4, 400000},
	{"N113", 500 * MS, 2, 2 * S, 1, 500000},
	{"N115", 500 * MS, 2, 2 * S, 3, 2000000},

	{"attempt 0", S, 2, MIN, 0, 0},
	{"smallest attempt", S, 2, MIN, INT_MIN, 0},
	{"largest attempt", S, 2, 0, INT_MAX, FOREVER},
	{"largest attempt, shrinking", S, 0.5, 0, INT_MAX, 0},
	{"NaN is 1 at attempt 1", S, NAN, 0, 1, S},
	{"NaN, capped", S, NAN, MIN, 2, MIN},
	{"-infinity counts as 1", S, -INFINITY, 0, 3, S},
	{"-0.0 counts as 1", S, -0.0, 0, 3, S},
	{"smallest coefficient", S, 4.9e-324, 0, 2, 0},
	{"largest coefficient", S, 1.7976931348623157e308, 0, 3, FOREVER},
	{"smallest initial", 1, 2, 0, 1, 1},
	{"truncated, not rounded", 1, 1.9, 0, 2, 1},
	{"longest initial", FOREVER, 1, 0, 1, FOREVER},
	{"beyond the longest", FOREVER + 10, 1, 0, 1, FOREVER},
	{"largest initial", INT64_MAX, 2, 0, 1, FOREVER},
	{"largest initial, capped", INT64_MAX, 2, H, 1, H},
	{"smallest initial of all", INT64_MIN, 2, H, 1, 0},
	{"smallest cap of all", S, 2, INT64_MIN, 2, 2 * S},
	{"a cap beyond the longest delay", S, 2, FOREVER * 2, 100, FOREVER * 2},
	{"a cap beyond it, not reached", S, 2, FOREVER * 2, 2, 2 * S},
};

static TqRetryPolicy
policy_of(int64_t initial, double coefficient, int64_t cap, double jitter)
{
	TqRetryPolicy policy;

	tq_retry_default_policy(&policy);
	policy.initial_us = initial;
	policy.coefficient = coefficient;
	policy.maximum_us = cap;
	policy.jitter = jitter;
	return policy;
}

static void
next_delay(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const Vector *v = &vectors[i];
		TqRetryPolicy policy = policy_of(v->initial, v->coefficient, v->cap, 0);
		int64_t		got = tq_retry_next_delay(&policy, v->attempt);

		ok(got >= v->expected - 1 && got <= v->expected + 1,
		   "next_delay %s: %" PRId64 ", expected %" PRId64, v->name, got, v->expected);
	}
}

/* Whatever the policy, a delay is not negative and keeps to the cap. */
static void
bounds(void)
{
	static const int64_t times[] = {INT64_MIN, -1, 0, 1, S, FOREVER, INT64_MAX};
	static const double numbers[] = {-INFINITY, -1, 0, 1e-300, 0.5, 1, 2, 1e300, INFINITY, NAN};
	static const int attempts[] = {INT_MIN, 0, 1, 2, 64, INT_MAX};
	int			bad = 0;

	for (int i = 0; i < 7 * 10 * 7 * 6; i++)
	{
		int64_t		cap = times[i / 60 % 7];
		int			attempt = attempts[i % 6];
		TqRetryPolicy policy = policy_of(times[i / 420], numbers[i / 6 % 10], cap, 0.9);

		for (double r = -1; r <= 1; r += 0.25)
		{
			int64_t		plain = tq_retry_next_delay(&policy, attempt);
			int64_t		jittered = tq_retry_jittered_delay(&policy, attempt, r);

			if (plain < 0 || (cap > 0 && plain > cap))
				bad++;
			if (jittered < 0 || (cap > 0 && jittered > cap))
				bad++;
			if (cap <= 0 && (plain > FOREVER || jittered > FOREVER))
				bad++;
		}
	}
	ok(bad == 0, "delays stay within their bounds, %d do not", bad);
}

static void
jitter(void)
{
	TqRetryPolicy policy = policy_of(10 * S, 2, MIN, 0.2);

	ok(tq_retry_jittered_delay(&policy, 1, 0) == 10 * S, "r = 0 changes nothing");
	ok(tq_retry_jittered_delay(&policy, 1, -1) == 8 * S, "r = -1 is the shortest");
	ok(tq_retry_jittered_delay(&policy, 1, 1) == 12 * S, "r = 1 is the longest");
	ok(tq_retry_jittered_delay(&policy, 2, 0.5) == 22 * S, "r = 0.5 is half of it");
	ok(tq_retry_jittered_delay(&policy, 9, 1) == MIN, "the cap holds");
	ok(tq_retry_jittered_delay(&policy, 9, -1) == 48 * S, "below the cap it may vary");
	ok(tq_retry_jittered_delay(&policy, 0, 1) == 0, "no delay, no jitter");
	ok(tq_retry_jittered_delay(&policy, 1, NAN) == 10 * S, "NaN as random number counts as 0");

	policy.jitter = 0;
	ok(tq_retry_jittered_delay(&policy, 1, 1) == 10 * S, "no jitter in the policy");

	policy = policy_of(S, 2, 0, 0.5);
	ok(tq_retry_jittered_delay(&policy, 50, 1) == FOREVER, "the longest delay does not grow");
	policy = policy_of(INT64_C(9007199254740993), 1, 0, 0);
	ok(tq_retry_jittered_delay(&policy, 1, 1) == tq_retry_next_delay(&policy, 1),
	   "without jitter exactly the delay");
}

static void
default_policy(void)
{
	TqRetryPolicy policy;
	int64_t		sum = 0;

	tq_retry_default_policy(&policy);
	ok(policy.initial_us == S && policy.coefficient == 2 && policy.maximum_us == MIN,
	   "default: 1 s, doubled, at most 60 s");
	ok(policy.maximum_attempts == 5 && policy.jitter == 0 && policy.nkinds == 0,
	   "default: 5 attempts, no jitter, no kinds");
	for (int attempt = 1; attempt < policy.maximum_attempts; attempt++)
		sum += tq_retry_next_delay(&policy, attempt);
	ok(sum == 15 * S, "default: gives up after 15 s of delays");
}

int
main(void)
{
	next_delay();
	bounds();
	jitter();
	default_policy();
	return tap_done();
}
