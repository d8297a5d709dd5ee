/*-------------------------------------------------------------------------
 *
 * def.h
 *	  The definition of a step: what step() was given, checked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_DEF_H
#define TQ_DAG_DEF_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/compat.h"
#include "dag/list.h"
#include "store/dag.h"

/* A step that a definition names, and in which ways. */
typedef struct TqMention
{
	char	   *step_id;
	int			says;			/* TQ_SAYS_... */
	int32		step_no;		/* filled in by who knows the steps */
} TqMention;

typedef struct TqStepDef
{
	char	   *id;
	char	   *handler;
	bool		external;
	Jsonb	   *args;
	bool		has_refs;
	bool		optional;
	Datum		retry_policy;	/* 0: not given */
	int64		timeout_us;		/* -1: not given */
	char	   *queue;			/* resolved */
	int32		priority;
	char	   *target;
	char	   *colocate_with;
	char	   *follow_target_of;
	bool		colocate_here;
	TqNameList	signals;		/* wait_for, then those of references */
	TqNameList	break_before;
	TqNameList	break_after;
	int64		delay_us;
	int			nmentions;		/* one per step named, sorted by id */
	TqMention  *mentions;
	Datum		digest;			/* bytea over all arguments of step() */
} TqStepDef;

/*
 * Read a composite of type step and check everything that does not depend on
 * other steps; the handler must be one that role may use.
 */
extern TqStepDef *tq_def_read(Datum step, Oid role);

/* The definition names another step besides. */
extern void tq_def_mention(TqStepDef *def, const char *step_id, int says);

/* Only its id and digest, for a step that may exist already. */
extern void tq_def_identify(Datum step, char **id, Datum *digest);

/* 42704 for a step that a definition names, and that is none. */
extern pg_noreturn void tq_def_unknown_step(const TqStepDef *def, const char *step_id,
											const char *const *ids, int nids);

/* 22023 unless the two may be placed together; state of what is followed. */
extern void tq_def_check_placement(const TqStepDef *def, const char *other_id,
								   bool other_external, bool other_placed);

/* Everything of the row that the definition says. */
extern void tq_def_fill_row(const TqStepDef *def, const TqNameList *active, TqNewStep *row);

/* Sort the mentions by step_no and split them by kind into the row's arrays. */
extern void tq_def_fill_dependencies(TqStepDef *def, TqNewStep *row);

#endif
