/*-------------------------------------------------------------------------
 *
 * cascade.c
 *	  What follows from steps that ended or were released.
 *
 * Events are taken in the order of the steps they reach, and an edge always
 * leads to a higher number, so when a step is looked at, everything that will
 * reach it in this transaction has: each row is written once, and rows are
 * locked in ascending order.  (Numbers of added steps wrap around after 2^30
 * of them; then a deadlock is possible, and resolved as any other.)  The rows
 * of the DAG's counter come last.
 *
 * A step that ends is counted off in the DAG's counter.  While one of its
 * dependents is open the DAG cannot end, so the count is carried by that
 * dependent, whose row is written anyway, and goes to the counter with the
 * last step of a branch.  Only steps of one slice carry for each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xact.h"
#include "commands/async.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "dag/cascade.h"
#include "dag/engine.h"
#include "shmem/xact.h"

/* See NOTIFY_PAYLOAD_MAX_LENGTH of the server. */
#define MAX_NOTIFY_BYTES	(BLCKSZ - NAMEDATALEN - 128 - 1)

void
tq_cascade_begin(TqCascade *cascade, TqDag *dag, TimestampTz now)
{
	memset(cascade, 0, sizeof(TqCascade));
	cascade->dag = dag;
	cascade->now = now;
	cascade->may_start = (dag->state == TQ_DAG_RUNNING);
}

static void
push(TqCascade *cascade, const TqCascadeEvent *event)
{
	int			i = cascade->nevents;

	if (cascade->nevents == cascade->room)
	{
		cascade->room = Max(16, cascade->room * 2);
		if (cascade->events == NULL)
			cascade->events = palloc(cascade->room * sizeof(TqCascadeEvent));
		else
			cascade->events = repalloc_huge(cascade->events, cascade->room * sizeof(TqCascadeEvent));
	}
	cascade->nevents++;
	while (i > 0 && cascade->events[(i - 1) / 2].step_no > event->step_no)
	{
		cascade->events[i] = cascade->events[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	cascade->events[i] = *event;
}

static TqCascadeEvent
pop(TqCascade *cascade)
{
	TqCascadeEvent first = cascade->events[0];
	TqCascadeEvent last = cascade->events[--cascade->nevents];
	int			i = 0;

	for (;;)
	{
		int			child = 2 * i + 1;

		if (child >= cascade->nevents)
			break;
		if (child + 1 < cascade->nevents &&
			cascade->events[child + 1].step_no < cascade->events[child].step_no)
			child++;
		if (last.step_no <= cascade->events[child].step_no)
			break;
		cascade->events[i] = cascade->events[child];
		i = child;
	}
	if (cascade->nevents > 0)
		cascade->events[i] = last;
	return first;
}

static void
count_off(TqCascade *cascade, int16 slice, int32 ended, int32 bad)
{
	cascade->ended[slice] += ended;
	cascade->ended_bad[slice] += bad;
}

static bool
kind_is_split(char kind)
{
	return isupper((unsigned char) kind);
}

/* Reach all dependents of a step; the first of them gets what is to be carried. */
static bool
reach_children(TqCascade *cascade, int32 step_no, int32 child, char child_kind, bool failed,
			   TqCascadeEvent *event)
{
	TqChild		only = {.step_no = child, .kind = child_kind};
	TqChild    *children = &only;
	int			n = child > 0;
	bool		any = false;

	event->parent_no = step_no;
	for (;;)
	{
		for (int i = 0; i < n; i++)
		{
			event->step_no = children[i].step_no;
			event->split = kind_is_split(children[i].kind);
			event->doom = failed && tolower((unsigned char) children[i].kind) == TQ_EDGE_REQUIRED;
			push(cascade, event);
			event->carry = 0;
			event->carry_bad = 0;
			any = true;
		}
		if (children != &only || (child != TQ_CHILD_MANY && !cascade->dag->dynamic))
			return any;
		n = tq_step_children(cascade->dag->dag_key, step_no, &children);
	}
}

void
tq_cascade_ended(TqCascade *cascade, int32 step_no, char state, const TqStepMark *mark)
{
	bool		makes_bad = !mark->optional && (state == TQ_STEP_FAILED || state == TQ_STEP_SKIPPED);
	TqCascadeEvent event = {
		.carry = mark->carry + 1,
		.carry_bad = mark->carry_bad + makes_bad,
		.slice = mark->slice
	};

	/* Behind an active after-breakpoint the dependents go on waiting. */
	if (state == TQ_STEP_DONE && mark->stop_after == TQ_STOP_ARMED)
		count_off(cascade, event.slice, event.carry, event.carry_bad);
	else if (!reach_children(cascade, step_no, mark->child, mark->child_kind,
							 state != TQ_STEP_DONE, &event))
		count_off(cascade, event.slice, event.carry, event.carry_bad);
}

void
tq_cascade_released(TqCascade *cascade, int32 step_no, int32 child, char child_kind)
{
	TqCascadeEvent event = {0};

	(void) reach_children(cascade, step_no, child, child_kind, false, &event);
}

void
tq_cascade_evaluate(TqCascade *cascade, int32 step_no)
{
	TqCascadeEvent event = {.step_no = step_no};

	push(cascade, &event);
}

void
tq_cascade_doom(TqCascade *cascade, int32 step_no, bool split)
{
	TqCascadeEvent event = {.step_no = step_no, .split = split, .doom = true};

	push(cascade, &event);
}

/* Everything that reaches one step. */
typedef struct Impact
{
	int32		step_no;
	int32		unmet;			/* dependencies that are met */
	int32		unmet_by_row[TQ_DAG_SLICES];	/* the same, of a split countdown */
	bool		split;
	bool		doom;
	int32		carry;
	int32		carry_bad;
	int16		slice;
} Impact;

static void
gather(TqCascade *cascade, Impact *impact)
{
	memset(impact, 0, sizeof(Impact));
	impact->step_no = cascade->events[0].step_no;
	while (cascade->nevents > 0 && cascade->events[0].step_no == impact->step_no)
	{
		TqCascadeEvent event = pop(cascade);

		impact->split |= event.split;
		impact->doom |= event.doom;
		if (event.parent_no != 0)
		{
			impact->unmet++;
			impact->unmet_by_row[event.parent_no % TQ_DAG_SLICES]++;
		}
		if (impact->carry == 0)
			impact->slice = event.slice;
		if (event.slice == impact->slice)
		{
			impact->carry += event.carry;
			impact->carry_bad += event.carry_bad;
		}
		else
			count_off(cascade, event.slice, event.carry, event.carry_bad);
	}
}

static void
skip_step(TqCascade *cascade, const Impact *impact)
{
	int64		dag_key = cascade->dag->dag_key;
	int32		carry = 0;
	int32		carry_bad = 0;
	TqStepMark	mark;

	if (impact->split)
		tq_step_kill_split(dag_key, impact->step_no, &carry, &carry_bad);
	if (!tq_step_skip(dag_key, impact->step_no, cascade->now, &mark))
	{
		count_off(cascade, impact->slice, impact->carry, impact->carry_bad);
		return;
	}
	mark.carry += carry;
	mark.carry_bad += carry_bad;
	if (mark.slice == impact->slice)
	{
		mark.carry += impact->carry;
		mark.carry_bad += impact->carry_bad;
	}
	else
		count_off(cascade, impact->slice, impact->carry, impact->carry_bad);
	tq_cascade_ended(cascade, impact->step_no, TQ_STEP_SKIPPED, &mark);
}

/*
 * Count the rows of a split countdown down; false if none came to zero by
 * that.  What the step itself is to be counted down by and to carry is left
 * in impact.
 */
static bool
count_rows_down(TqCascade *cascade, Impact *impact)
{
	int32		carry = impact->carry;
	int32		carry_bad = impact->carry_bad;
	int16		slice = impact->slice;
	int32		zeros = 0;

	impact->carry = 0;
	impact->carry_bad = 0;
	for (int16 row = 0; row < TQ_DAG_SLICES; row++)
	{
		int32		row_carry = carry;
		int32		row_carry_bad = carry_bad;
		bool		carried;
		bool		zero;
		int16		home;

		if (impact->unmet_by_row[row] == 0)
			continue;
		tq_step_count_down_split(cascade->dag->dag_key, impact->step_no, row, impact->unmet_by_row[row],
								 &row_carry, &row_carry_bad, slice, &carried, &zero, &home);
		if (carried)
			carry = carry_bad = 0;
		if (zero)
		{
			zeros++;
			impact->carry += row_carry;
			impact->carry_bad += row_carry_bad;
			impact->slice = home;
		}
	}
	count_off(cascade, slice, carry, carry_bad);
	impact->unmet = zeros;
	return zeros > 0;
}

static void
count_step_down(TqCascade *cascade, Impact *impact)
{
	TqStepTask	task;
	TqCountdown result;
	bool		carried;

	if (impact->split && impact->unmet > 0 && !count_rows_down(cascade, impact))
		return;
	result = tq_step_count_down(cascade->dag->dag_key, impact->step_no, impact->unmet,
								impact->carry, impact->carry_bad, impact->slice,
								cascade->may_start, cascade->now, &carried, &task);
	if (!carried)
		count_off(cascade, impact->slice, impact->carry, impact->carry_bad);
	if (result == TQ_COUNTDOWN_READY)
		tq_dag_hand_over(cascade->dag, &task, &cascade->known);
}

static char *
reply_payload(const TqDag *dag, char state)
{
	StringInfoData payload;

	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"dag_id\":");
	escape_json(&payload, dag->dag_id);
	appendStringInfo(&payload, ",\"state\":\"%s\"}", tq_dag_state_name(state));
	return payload.data;
}

/* The DAG could never end if its reply could not be sent. */
void
tq_dag_check_reply(const TqDag *dag)
{
	if (dag->reply_to != NULL && strlen(reply_payload(dag, TQ_DAG_CANCELED)) > MAX_NOTIFY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("DAG id is too long for a reply"),
				 errdetail("A notification has at most %d bytes.", MAX_NOTIFY_BYTES)));
}

void
tq_dag_announce_end(const TqDag *dag)
{
	if (dag->reply_to == NULL)
		return;
	Async_Notify(dag->reply_to, reply_payload(dag, dag->state));
	/* Somebody outside acts on it, so it must not be lost. */
	ForceSyncCommit();
}

static void
take_events(TqCascade *cascade)
{
	/* A step can have very many dependents: what each hand-over leaves in memory must go. */
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "task_queue hand-over",
												  ALLOCSET_DEFAULT_SIZES);

	while (cascade->nevents > 0)
	{
		Impact		impact;

		gather(cascade, &impact);
		if (impact.doom)
			skip_step(cascade, &impact);
		else
		{
			MemoryContext old = MemoryContextSwitchTo(scratch);

			count_step_down(cascade, &impact);
			MemoryContextSwitchTo(old);
			MemoryContextReset(scratch);
		}
	}
	MemoryContextDelete(scratch);
}

bool
tq_cascade_finish(TqCascade *cascade)
{
	bool		ended = false;

	if (cascade->nevents > 0)
		take_events(cascade);
	for (int16 slice = 0; slice < TQ_DAG_SLICES; slice++)
	{
		if (cascade->ended[slice] > 0 &&
			tq_dag_subtract(cascade->dag, slice, cascade->ended[slice],
							cascade->ended_bad[slice], cascade->now))
			ended = true;
	}
	if (ended)
		tq_dag_announce_end(cascade->dag);
	tq_xact_note_dag(cascade->dag->dag_key);
	return ended;
}

void
tq_cascade_evaluate_all(TqDag *dag, TimestampTz now, const int32 *step_nos, int n)
{
	TqCascade	cascade;

	tq_cascade_begin(&cascade, dag, now);
	for (int i = 0; i < n; i++)
		tq_cascade_evaluate(&cascade, step_nos[i]);
	(void) tq_cascade_finish(&cascade);
}
