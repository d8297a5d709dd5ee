/*-------------------------------------------------------------------------
 *
 * tap.h
 *		The little that the unit tests need: one TAP line per check.
 *
 * A program ends with "return tap_done();".
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TEST_TAP_H
#define TQ_TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int	tap_count = 0;
static int	tap_failures = 0;

__attribute__((format(printf, 2, 3)))
static inline bool
ok(bool passed, const char *fmt,...)
{
	va_list		args;

	tap_count++;
	if (!passed)
		tap_failures++;
	printf("%sok %d - ", passed ? "" : "not ", tap_count);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	return passed;
}

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures == 0 ? 0 : 1;
}

#endif							/* TQ_TEST_TAP_H */
