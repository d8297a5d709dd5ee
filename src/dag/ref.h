/*-------------------------------------------------------------------------
 *
 * ref.h
 *	  References to the results of steps and to signals, in arguments.
 *
 * A reference is an object with one reserved key.  It counts as one only as
 * an element of the args array or a value of the args object; the reserved
 * key anywhere else is refused.  As given it names steps by id; as stored, by
 * number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_REF_H
#define TQ_DAG_REF_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef enum TqRefKind
{
	TQ_REF_STEP,				/* the result of a step */
	TQ_REF_DEFAULT,				/* the same, or else a default */
	TQ_REF_STEPS,				/* the results of several steps, as an array */
	TQ_REF_SIGNAL				/* the payload of a signal */
} TqRefKind;

typedef struct TqRef
{
	TqRefKind	kind;
	int			n;
	char	  **names;			/* step ids or the signal; NULL if numbered */
	int32	   *step_nos;		/* if numbered */
	JsonbValue *fallback;		/* of TQ_REF_DEFAULT */
} TqRef;

/* What ref(), ref_or_default(), refs() and signal_ref() return. */
extern Jsonb *tq_ref_make(const TqRef *ref);

/* Does a top-level element stand for a value that is not known yet?  For tq_args_check(). */
extern bool tq_ref_is_reference(JsonbValue *value);

/* Raises 22023 for a malformed reference or one below the top level.  True: there are references. */
extern bool tq_ref_check(Jsonb *args);

/*
 * Replace every reference by what the callback returns.  Other elements are
 * copied as they are.
 */
typedef Jsonb *(*TqRefReplace) (const TqRef *ref, void *arg);
extern Jsonb *tq_ref_rewrite(Jsonb *args, TqRefReplace replace, void *arg);

/* Call back for every reference. */
typedef void (*TqRefVisit) (const TqRef *ref, void *arg);
extern void tq_ref_visit(Jsonb *args, TqRefVisit visit, void *arg);

extern Jsonb *tq_ref_null(void);	/* JSON null */
extern Jsonb *tq_ref_value(JsonbValue *value);

#endif
