/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  Retry policies as SQL values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_STORE_POLICY_H
#define TQ_STORE_POLICY_H

#include "postgres.h"

#include "policy/retry.h"

/*
 * A retry_policy as the C code computes with it; 0 is the default policy, and
 * so is each field that is null.  The list of kinds is palloc'd.
 */
extern void tq_policy_from_datum(Datum datum, TqRetryPolicy *policy);

/* Raises 22023 for a policy that cannot be stored: its jitter is not in [0,1). */
extern void tq_policy_check(Datum datum);
extern void tq_policy_check_jitter(double jitter);

/* What retry decisions need of a task_error; strings are palloc'd. */
extern void tq_policy_error_from_datum(Datum datum, TqRetryError *error);

#endif
