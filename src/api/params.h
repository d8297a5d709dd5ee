/*-------------------------------------------------------------------------
 *
 * params.h
 *	  The parameters of a handler as SQL arrays.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_PARAMS_H
#define TQ_PARAMS_H

#include "postgres.h"

#include "handler/registry.h"

/* text[]; null for a parameter without a name. */
extern Datum tq_params_names(const TqSignature *signature);

/* regtype[] */
extern Datum tq_params_types(const TqSignature *signature);

#endif
