/*-------------------------------------------------------------------------
 *
 * option.h
 *	  Checks of options that tasks, steps and DAGs share; all raise 22023.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_OPTION_H
#define TQ_OPTION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

extern void tq_option_check_target(const char *target);	/* not empty */
extern void tq_option_check_reply_to(const char *reply_to);	/* 1 to 63 bytes */
extern void tq_option_check_trace_ctx(Jsonb *trace_ctx);	/* an object */
extern void tq_option_check_timeout(const Interval *timeout);	/* not negative */

/* Without duplicates, in the order given; none may be null or empty.  Returns the argument itself if nothing changes. */
extern Datum tq_option_clean_labels(Datum labels);

#endif
