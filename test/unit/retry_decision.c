/*-------------------------------------------------------------------------
 *
 * retry_decision.c
 *		Whether a failed attempt is retried: every published vector, the order
 *		of the rules, SQLSTATEs and their classes.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/retry.h"

#include <limits.h>

#include "tap.h"

typedef struct Vector
{
	const char *name;
	int			maximum_attempts;
	const char *kinds[2];
	const char *kind;			/* NULL: no error at all */
	bool		retryable;
	int			attempt;
	bool		expected;
} Vector;

static const Vector vectors[] = {
	{"S1", 5, {NULL}, NULL, false, 0, false},
	{"S3", 5, {NULL}, "handler", true, 0, true},
	{"S5", 5, {NULL}, "handler", true, 4, true},
	{"S7", 5, {NULL}, "handler", true, 6, false},
	{"S9", 1, {NULL}, "handler", true, 0, true},
	{"S11", 0, {NULL}, "handler", true, 0, true},
	{"S13", 0, {NULL}, "handler", false, 1, false},
	{"S15", 0, {"auth"}, "handler", true, 1, true},
	{"S17", 5, {"validation", "auth"}, "validation", true, 0, false},
	{"S19", 5, {"validation", "auth"}, "handler", true, 0, true},
	{"S21", 5, {NULL}, "", true, 0, true},
	{"S23", 2, {"auth"}, "auth", true, 1, false},
	{"S25", 2, {"auth"}, "handler", true, 1, true},
	{"S27", 5, {NULL}, "panic", false, 1, false},

	{"last attempt", 5, {NULL}, "handler", true, 5, false},
	{"the only attempt", 1, {NULL}, "handler", true, 1, false},
	{"unlimited, far on", 0, {NULL}, "handler", true, INT_MAX, true},
	{"negative is unlimited", -1, {NULL}, "handler", true, INT_MAX, true},
	{"smallest is unlimited", INT_MIN, {NULL}, "handler", true, 7, true},
	{"negative attempt", 1, {NULL}, "handler", true, -1, true},
	{"unlimited, excluded", 0, {"auth"}, "auth", true, 1, false},
	{"second of the list", 5, {"validation", "auth"}, "auth", true, 1, false},
	{"upper case differs", 5, {"Auth"}, "auth", true, 1, true},
	{"a prefix is not enough", 5, {"au"}, "auth", true, 1, true},
	{"empty entry, empty kind", 5, {""}, "", true, 1, false},
	{"empty entry, other kind", 5, {""}, "handler", true, 1, true},
	{"NULL entry is skipped", 5, {NULL, "auth"}, "auth", true, 1, false},
};

static TqRetryPolicy
policy_of(int maximum_attempts, const char *const *kinds, int nkinds)
{
	TqRetryPolicy policy;

	tq_retry_default_policy(&policy);
	policy.maximum_attempts = maximum_attempts;
	policy.kinds = kinds;
	policy.nkinds = nkinds;
	return policy;
}

static void
should_retry(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		const Vector *v = &vectors[i];
		TqRetryPolicy policy = policy_of(v->maximum_attempts, v->kinds, 2);
		TqRetryError err = {.kind = v->kind, .retryable = v->retryable};

		ok(tq_retry_should_retry(&policy, v->kind ? &err : NULL, v->attempt) == v->expected,
		   "should_retry %s: %s", v->name, v->expected ? "true" : "false");
	}
}

static bool
retried(const char *entry, const char *kind, const char *sqlstate)
{
	TqRetryPolicy policy = policy_of(5, &entry, 1);
	TqRetryError err = {.kind = kind,.sqlstate = sqlstate,.retryable = true};

	return tq_retry_should_retry(&policy, &err, 1);
}

static void
sqlstates(void)
{
	ok(!retried("23505", "handler", "23505"), "an excluded SQLSTATE");
	ok(retried("23505", "handler", "23503"), "another SQLSTATE of its class");
	ok(!retried("23", "handler", "23505"), "an excluded class");
	ok(retried("23", "handler", "22023"), "another class");
	ok(retried("23", "handler", NULL), "a class, and no SQLSTATE");
	ok(retried("235", "handler", "23505"), "three characters are no class");
	ok(retried("", "handler", "23505"), "nor are none");
	ok(retried("2", "handler", "23505"), "nor is one");
	ok(retried("23", "handler", "235"), "what is no SQLSTATE has no class");
	ok(!retried("235", "handler", "235"), "but is compared exactly");
	ok(retried("p0", "handler", "P0001"), "SQLSTATEs are case-sensitive");
	ok(!retried("P0", "handler", "P0001"), "a class with a letter");
	ok(!retried("handler", "handler", "P0001"), "a kind, and an SQLSTATE besides");
	ok(!retried("P0001", NULL, "P0001"), "an SQLSTATE without a kind");
	ok(retried("auth", NULL, NULL), "neither kind nor SQLSTATE");
}

int
main(void)
{
	should_retry();
	sqlstates();
	return tap_done();
}
