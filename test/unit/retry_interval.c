/*-------------------------------------------------------------------------
 *
 * retry_interval.c
 *		Length of an interval in microseconds: exact, or the nearest value.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/retry.h"

#include <inttypes.h>

#include "tap.h"

#define DAY	INT64_C(86400000000)

/* Days that fit, and what is left of the range beside them. */
#define MAX_DAYS	((int32_t) (INT64_MAX / DAY))
#define MAX_REST	(INT64_MAX % DAY)

static void
check(int32_t months, int32_t days, int64_t us, int64_t expected, const char *what)
{
	int64_t		got = tq_retry_interval_us(months, days, us);

	ok(got == expected, "%s: %" PRId64 ", expected %" PRId64, what, got, expected);
}

int
main(void)
{
	check(0, 0, 0, 0, "nothing");
	check(0, 0, 1500000, 1500000, "microseconds pass");
	check(0, 0, -1, -1, "negative ones too");
	check(0, 1, 0, DAY, "a day has 24 hours");
	check(1, 0, 0, 30 * DAY, "a month has 30 days");
	check(12, 5, 7, 365 * DAY + 7, "all three");
	check(-1, 30, 5, 5, "fields of different signs");
	check(1, -31, DAY, 0, "fields that cancel out");
	check(0, -1, DAY - 1, -1, "a day less a microsecond, negative");
	check(0, 1, 1 - DAY, 1, "a microsecond, from large parts");

	check(0, 0, INT64_MAX, INT64_MAX, "the largest");
	check(0, 0, INT64_MIN, INT64_MIN, "the smallest");
	check(0, MAX_DAYS, MAX_REST, INT64_MAX, "the largest, by days");
	check(0, MAX_DAYS, MAX_REST + 1, INT64_MAX, "one more");
	check(0, MAX_DAYS, MAX_REST - 1, INT64_MAX - 1, "one less");
	check(0, MAX_DAYS + 1, MAX_REST - DAY, INT64_MAX, "the largest, from above");
	check(0, MAX_DAYS + 1, 0, INT64_MAX, "a day too many");
	check(0, -MAX_DAYS, -MAX_REST, -INT64_MAX, "the smallest but one, by days");
	check(0, -MAX_DAYS, -MAX_REST - 2, INT64_MIN, "too small");
	check(0, -MAX_DAYS - 1, DAY - MAX_REST, -INT64_MAX, "the smallest but one, from below");
	check(0, 1, INT64_MAX, INT64_MAX, "a day above the largest");
	check(0, -1, INT64_MIN, INT64_MIN, "a day below the smallest");
	check(0, 1, INT64_MIN, INT64_MIN + DAY, "a day above the smallest");
	check(0, -1, INT64_MAX, INT64_MAX - DAY, "a day below the largest");
	check(INT32_MAX, INT32_MAX, INT64_MAX, INT64_MAX, "an infinite interval");
	check(INT32_MIN, INT32_MIN, INT64_MIN, INT64_MIN, "a negative infinite one");
	check(INT32_MAX, 0, INT64_MIN, INT64_MAX, "months outweigh everything");
	return tap_done();
}
