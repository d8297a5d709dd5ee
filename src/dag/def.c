/*-------------------------------------------------------------------------
 *
 * def.c
 *	  The definition of a step: what step() was given, checked.
 *
 * A definition is read from a composite of type step, which anybody can build
 * without step(), so nothing is taken on trust.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "base/clock.h"
#include "base/errors.h"
#include "dag/def.h"
#include "dag/digest.h"
#include "dag/ref.h"
#include "handler/args.h"
#include "handler/registry.h"
#include "store/policy.h"
#include "store/queue.h"

static void
read_fields(Datum step, TqStepFields *fields)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(step);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

	if (desc->natts != TQ_STEP_NFIELDS)
		elog(ERROR, "unexpected composite type for a step");
	heap_deform_tuple(&tuple, desc, fields->values, fields->nulls);
	ReleaseTupleDesc(desc);
	for (int i = 0; i < TQ_STEP_NFIELDS; i++)
	{
		if (fields->nulls[i])
			fields->values[i] = (Datum) 0;
	}
}

static char *
text_field(const TqStepFields *fields, TqStepField field)
{
	return fields->nulls[field] ? NULL : TextDatumGetCString(fields->values[field]);
}

static int64
interval_field(const TqStepFields *fields, TqStepField field, int64 not_given, const char *what)
{
	int64		us;

	if (fields->nulls[field])
		return not_given;
	us = tq_clock_interval_us(DatumGetIntervalP(fields->values[field]));
	if (us < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of a step must not be negative", what)));
	return us;
}

static void
check_reserved(const TqStepFields *fields)
{
	if (!fields->nulls[TQ_STEP_RUN_IF])
		tq_error_reserved_argument("run_if");
	if (!fields->nulls[TQ_STEP_FOR_EACH])
		tq_error_reserved_argument("for_each");
	if (!fields->nulls[TQ_STEP_UNDO])
		tq_error_reserved_argument("undo");
}

static void
read_id(const TqStepFields *fields, char **id)
{
	*id = text_field(fields, TQ_STEP_ID);
	if (*id == NULL || (*id)[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step id must not be empty")));
}

static void
read_placement(TqStepDef *def, const TqStepFields *fields)
{
	int			given;

	def->target = text_field(fields, TQ_STEP_TARGET);
	def->colocate_with = text_field(fields, TQ_STEP_COLOCATE_WITH);
	def->follow_target_of = text_field(fields, TQ_STEP_FOLLOW_TARGET_OF);
	def->colocate_here = DatumGetBool(fields->values[TQ_STEP_COLOCATE_HERE]);
	tq_error_if_empty(def->target, "target");
	given = (def->target != NULL) + (def->colocate_with != NULL) +
		(def->follow_target_of != NULL) + def->colocate_here;
	if (given > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step \"%s\" has more than one placement", def->id),
				 errdetail("Only one of target, colocate_with, follow_target_of and colocate_here can be given.")));
}

/* A default is an argument like any other. */
static Jsonb *
put_default(const TqRef *ref, void *arg)
{
	return ref->kind == TQ_REF_DEFAULT ? tq_ref_value(ref->fallback) : tq_ref_make(ref);
}

/* Handler, queue and arguments. */
static void
check_call(TqStepDef *def, Oid role, const char *queue)
{
	TqHandler  *handler;

	if (def->handler == NULL)
		tq_error_null_argument("handler");
	handler = tq_handler_find(def->handler, false);
	tq_handler_require_function(handler);
	tq_handler_check_permission(handler, role);
	def->external = (handler->kind == TQ_HANDLER_EXTERNAL);
	def->queue = pstrdup(queue ? queue : handler->queue);
	(void) tq_queue_find(def->queue, false);
	def->has_refs = tq_ref_check(def->args);
	tq_args_check(&handler->signature,
				  def->has_refs ? tq_ref_rewrite(def->args, put_default, NULL) : def->args,
				  tq_ref_is_reference);
	tq_handler_unpin(handler);
}

typedef struct Mentions
{
	TqStepDef  *def;
	int			room;
} Mentions;

static void
mention(Mentions *mentions, char *step_id, int says)
{
	TqStepDef  *def = mentions->def;

	if (def->nmentions >= mentions->room)
	{
		mentions->room = Max(8, def->nmentions * 2);
		if (def->mentions == NULL)
			def->mentions = palloc(mentions->room * sizeof(TqMention));
		else
			def->mentions = repalloc_huge(def->mentions, mentions->room * sizeof(TqMention));
	}
	def->mentions[def->nmentions++] = (TqMention) {.step_id = step_id, .says = says};
}

static void
mention_all(Mentions *mentions, Datum array, int says)
{
	TqNameList	list;

	tq_list_read(&list, array, NULL);
	for (int i = 0; i < list.n; i++)
		mention(mentions, list.names[i], says);
}

static void
visit_reference(const TqRef *ref, void *arg)
{
	Mentions   *mentions = arg;

	for (int i = 0; i < ref->n; i++)
	{
		if (ref->kind == TQ_REF_SIGNAL)
		{
			tq_error_if_empty(ref->names[i], "signal name");
			tq_list_append(&mentions->def->signals, ref->names[i]);
		}
		else
			mention(mentions, ref->names[i],
					ref->kind == TQ_REF_DEFAULT ? TQ_SAYS_DEFAULT : TQ_SAYS_REF);
	}
}

static int
compare_mentions(const void *a, const void *b)
{
	return strcmp(((const TqMention *) a)->step_id, ((const TqMention *) b)->step_id);
}

/* One per step, with all that is said about it. */
static void
merge_mentions(TqStepDef *def)
{
	int			kept = 0;

	if (def->nmentions == 0)
		return;
	qsort(def->mentions, def->nmentions, sizeof(TqMention), compare_mentions);
	for (int i = 1; i < def->nmentions; i++)
	{
		if (strcmp(def->mentions[i].step_id, def->mentions[kept].step_id) == 0)
			def->mentions[kept].says |= def->mentions[i].says;
		else
			def->mentions[++kept] = def->mentions[i];
	}
	def->nmentions = kept + 1;
}

static void
read_mentions(TqStepDef *def, const TqStepFields *fields)
{
	Mentions	mentions = {.def = def};

	if (def->has_refs)
		tq_ref_visit(def->args, visit_reference, &mentions);
	mention_all(&mentions, fields->values[TQ_STEP_AFTER], TQ_SAYS_AFTER);
	mention_all(&mentions, fields->values[TQ_STEP_AFTER_ANY], TQ_SAYS_AFTER_ANY);
	if (def->colocate_with)
		mention(&mentions, def->colocate_with, TQ_SAYS_AFTER);
	if (def->follow_target_of)
		mention(&mentions, def->follow_target_of, TQ_SAYS_AFTER);
	merge_mentions(def);
	tq_list_unique(&def->signals);
}

void
tq_def_mention(TqStepDef *def, const char *step_id, int says)
{
	Mentions	mentions = {.def = def, .room = def->nmentions};

	mention(&mentions, pstrdup(step_id), says);
	merge_mentions(def);
}

static Jsonb *
empty_array(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
}

/* What is wrong with arguments or options is told without the step: there may be many. */
static void
name_step(void *arg)
{
	errcontext("step \"%s\" of the DAG", (char *) arg);
}

TqStepDef *
tq_def_read(Datum step, Oid role)
{
	TqStepDef  *def = palloc0(sizeof(TqStepDef));
	TqStepFields fields;
	ErrorContextCallback context = {.previous = error_context_stack, .callback = name_step};

	read_fields(step, &fields);
	check_reserved(&fields);
	read_id(&fields, &def->id);
	context.arg = def->id;
	error_context_stack = &context;
	def->handler = text_field(&fields, TQ_STEP_HANDLER);
	def->args = fields.nulls[TQ_STEP_ARGS] ? empty_array() : DatumGetJsonbP(fields.values[TQ_STEP_ARGS]);
	def->optional = DatumGetBool(fields.values[TQ_STEP_OPTIONAL]);
	if (!fields.nulls[TQ_STEP_RETRY_POLICY])
	{
		def->retry_policy = fields.values[TQ_STEP_RETRY_POLICY];
		tq_policy_check(def->retry_policy);
	}
	def->timeout_us = interval_field(&fields, TQ_STEP_TIMEOUT, -1, "timeout");
	def->delay_us = interval_field(&fields, TQ_STEP_DELAY, 0, "delay");
	def->priority = DatumGetInt32(fields.values[TQ_STEP_PRIORITY]);
	read_placement(def, &fields);
	tq_list_read(&def->signals, fields.values[TQ_STEP_WAIT_FOR], "signal name");
	tq_list_read(&def->break_before, fields.values[TQ_STEP_BREAK_BEFORE], "breakpoint label");
	tq_list_read(&def->break_after, fields.values[TQ_STEP_BREAK_AFTER], "breakpoint label");
	check_call(def, role, text_field(&fields, TQ_STEP_QUEUE));
	read_mentions(def, &fields);
	error_context_stack = context.previous;
	def->digest = tq_digest_step(&fields);
	return def;
}

void
tq_def_identify(Datum step, char **id, Datum *digest)
{
	TqStepFields fields;

	read_fields(step, &fields);
	read_id(&fields, id);
	*digest = tq_digest_step(&fields);
}

void
tq_def_unknown_step(const TqStepDef *def, const char *step_id, const char *const *ids, int nids)
{
	const char *closest = nids > 0 ? tq_error_closest(step_id, ids, nids) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("step \"%s\" depends on unknown step \"%s\"", def->id, step_id),
			 closest ? errhint("Did you mean \"%s\"?", closest) : 0));
}

void
tq_def_check_placement(const TqStepDef *def, const char *other_id,
					   bool other_external, bool other_placed)
{
	if (def->follow_target_of != NULL)
	{
		if (!other_placed)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("step \"%s\" follows the target of step \"%s\", which has no placement",
							def->id, other_id)));
	}
	else if (def->external != other_external)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step \"%s\" cannot be colocated with step \"%s\"", def->id, other_id),
				 errdetail("One has an external handler, the other runs in the database.")));
}

void
tq_def_fill_row(const TqStepDef *def, const TqNameList *active, TqNewStep *row)
{
	row->optional = def->optional;
	row->has_refs = def->has_refs;
	row->stop_before = tq_list_overlaps(&def->break_before, active) ? TQ_STOP_ARMED : TQ_STOP_NONE;
	row->stop_after = tq_list_overlaps(&def->break_after, active) ? TQ_STOP_ARMED : TQ_STOP_NONE;
	row->placement = def->target ? TQ_PLACE_TARGET :
		(def->colocate_with || def->colocate_here) ? TQ_PLACE_WITH :
		def->follow_target_of ? TQ_PLACE_FOLLOW : TQ_PLACE_ANYWHERE;
	row->priority = def->priority;
	row->delay_us = def->delay_us;
	row->timeout_us = def->timeout_us;
	row->step_id = def->id;
	row->handler = def->handler;
	row->queue = def->queue;
	row->args = def->args;
	row->retry_policy = def->retry_policy;
	row->target = def->target;
	row->unmet_signals = def->signals.n;
	row->wait_for = tq_list_datum(&def->signals);
	row->break_before = tq_list_datum(&def->break_before);
	row->break_after = tq_list_datum(&def->break_after);
	row->definition = def->digest;
}

/* ref(), ref_or_default() and refs() with numbers in place of ids. */
static Jsonb *
number_reference(const TqRef *ref, void *arg)
{
	TqStepDef  *def = arg;
	TqRef		numbered = *ref;

	if (ref->kind == TQ_REF_SIGNAL)
		return tq_ref_make(ref);
	numbered.names = NULL;
	for (int i = 0; i < ref->n; i++)
	{
		TqMention	key = {.step_id = ref->names[i]};
		TqMention  *found = bsearch(&key, def->mentions, def->nmentions,
									sizeof(TqMention), compare_mentions);

		numbered.step_nos[i] = found->step_no;
	}
	return tq_ref_make(&numbered);
}

static Datum
numbers_of_kind(const TqStepDef *def, TqEdgeKind kind)
{
	int32	   *numbers = palloc((def->nmentions + 1) * sizeof(int32));
	int			n = 0;

	for (int i = 0; i < def->nmentions; i++)
	{
		if (tq_graph_edge_kind(def->mentions[i].says) == kind)
			numbers[n++] = def->mentions[i].step_no;
	}
	return n > 0 ? tq_int4_array(n, numbers) : (Datum) 0;
}

/* The numbers of all steps that are mentioned are known now. */
void
tq_def_fill_dependencies(TqStepDef *def, TqNewStep *row)
{
	const char *placed_by = def->colocate_with ? def->colocate_with : def->follow_target_of;

	if (def->has_refs)
		row->args = tq_ref_rewrite(def->args, number_reference, def);
	row->needs = numbers_of_kind(def, TQ_EDGE_REQUIRED);
	row->defaults = numbers_of_kind(def, TQ_EDGE_DEFAULT);
	row->optionals = numbers_of_kind(def, TQ_EDGE_OPTIONAL);
	if (placed_by != NULL)
	{
		TqMention	key = {.step_id = unconstify(char *, placed_by)};
		TqMention  *found = bsearch(&key, def->mentions, def->nmentions,
									sizeof(TqMention), compare_mentions);

		row->placement_step = found->step_no;
	}
	row->split = def->nmentions > TQ_DAG_SPLIT_ABOVE;
}
