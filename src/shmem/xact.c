/*-------------------------------------------------------------------------
 *
 * xact.c
 *	  What a transaction tells shared memory when it ends.
 *
 * Notes are kept in arrays in TopTransactionContext, with the nesting level
 * of the subtransaction that made them where an abort must undo them.  At
 * commit the callback runs after the transaction has become visible, so
 * whoever it wakes sees the rows.  Nothing in the callbacks allocates or
 * raises: what can fail is done when a note is made.
 *
 * Ready notes of aborted subtransactions are not removed: they become stale
 * entries of the ready index, and whoever takes one looks at the row.  A
 * transaction that makes a task ready more often than there is room for
 * remembers, per lane, the lowest key instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/guc.h"
#include "policy/lane.h"
#include "shmem/claims.h"
#include "shmem/counters.h"
#include "shmem/databases.h"
#include "shmem/held.h"
#include "shmem/lease.h"
#include "shmem/poll.h"
#include "shmem/ready.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
#include "shmem/wait.h"
#include "shmem/xact.h"

typedef struct Note
{
	int			level;			/* nesting level that made it */
	int64		id;				/* a task, a DAG or a lane */
	TqReadyKey	key;			/* of ready and locked notes */
	int64		token;			/* of claiming and ending notes */
} Note;

typedef struct NoteList
{
	Note	   *notes;
	int			count;
	int			size;
} NoteList;

/* An attempt that ended. */
typedef struct MeasureNote
{
	int			level;
	TqMeasure	measure;
	struct MeasureNote *next;
	char		handler[FLEXIBLE_ARRAY_MEMBER];
} MeasureNote;

typedef struct XactNotes
{
	NoteList	ready;			/* id: the lane */
	NoteList	ranges;			/* lanes with more than fits; key: the lowest */
	NoteList	locked;			/* id: the lane */
	NoteList	claiming;
	NoteList	ending;
	NoteList	ended;
	NoteList	dags;
	NoteList	cancels;
	MeasureNote *measures;		/* the newest first */
	TimestampTz due;			/* the lowest; TQ_NEVER: none */
	bool		config;
	const char *forbids_prepare;
} XactNotes;

static XactNotes notes = {.due = TQ_NEVER};
static bool any_notes = false;

/* See tq_xact_take_lowest_ready(). */
static TqReadyKey lowest_ready;
static bool any_lowest = false;
uint64		tq_xact_nscheduled = 0;

static void
forget_all(void)
{
	memset(&notes, 0, sizeof(notes));
	notes.due = TQ_NEVER;
	any_notes = false;
}

static Note *
add_note(NoteList *list, int64 id)
{
	Note	   *note;

	if (list->notes == NULL)
	{
		list->size = 8;
		list->notes = MemoryContextAlloc(TopTransactionContext, list->size * sizeof(Note));
	}
	else if (list->count == list->size)
	{
		list->size *= 2;
		list->notes = repalloc_huge(list->notes, list->size * sizeof(Note));
	}
	any_notes = true;
	note = &list->notes[list->count++];
	note->level = GetCurrentTransactionNestLevel();
	note->id = id;
	return note;
}

static void
set_key(Note *note, int32 priority, TimestampTz run_at, int64 task_id)
{
	note->key.priority = priority;
	note->key.run_at = run_at;
	note->key.task_id = task_id;
}

/* Remember only the lowest key of the lane. */
static void
note_range(int64 lane, const TqReadyKey *key)
{
	NoteList   *list = &notes.ranges;

	for (int i = 0; i < list->count; i++)
	{
		if (list->notes[i].id == lane)
		{
			if (tq_ready_compare(key, &list->notes[i].key) < 0)
				list->notes[i].key = *key;
			return;
		}
	}
	add_note(list, lane)->key = *key;
}

void
tq_xact_remember_ready(const TqReadyKey *key)
{
	if (!any_lowest || tq_ready_compare(key, &lowest_ready) < 0)
		lowest_ready = *key;
	any_lowest = true;
}

bool
tq_xact_take_lowest_ready(TqReadyKey *key)
{
	bool		any = any_lowest;

	*key = lowest_ready;
	any_lowest = false;
	return any;
}

void
tq_xact_note_ready(int64 lane, int32 priority, TimestampTz run_at, int64 task_id)
{
	TqReadyKey	key = {priority, run_at, task_id};

	tq_xact_remember_ready(&key);
	if (!tq_shmem_available())
		return;
	if (notes.ready.count < tq_ready_capacity / 4)
		add_note(&notes.ready, lane)->key = key;
	else
		note_range(lane, &key);
}

bool
tq_xact_made_ready(void)
{
	return notes.ready.count > 0;
}

void
tq_xact_note_due(TimestampTz run_at)
{
	tq_xact_nscheduled++;
	if (!tq_shmem_available())
		return;
	any_notes = true;
	notes.due = Min(notes.due, run_at);
}

void
tq_xact_note_locked(int64 lane, int32 priority, TimestampTz run_at, int64 task_id)
{
	if (tq_shmem_available())
		set_key(add_note(&notes.locked, lane), priority, run_at, task_id);
}

void
tq_xact_note_claiming(int64 task_id, int64 token)
{
	if (tq_shmem_available())
		add_note(&notes.claiming, task_id)->token = token;
}

void
tq_xact_note_ending(int64 task_id, int64 token)
{
	if (tq_shmem_available())
		add_note(&notes.ending, task_id)->token = token;
}

void
tq_xact_note_ended(int64 task_id)
{
	if (tq_shmem_available())
		add_note(&notes.ended, task_id);
}

void
tq_xact_note_dag(int64 dag_key)
{
	NoteList   *list = &notes.dags;

	if (!tq_shmem_available())
		return;
	if (list->count > 0 && list->notes[list->count - 1].id == dag_key &&
		list->notes[list->count - 1].level == GetCurrentTransactionNestLevel())
		return;
	add_note(list, dag_key);
}

void
tq_xact_note_cancel(int64 task_id)
{
	tq_xact_forbid_prepare("canceled a running task");
	add_note(&notes.cancels, task_id);
}

bool
tq_xact_has_canceled(int64 task_id)
{
	for (int i = 0; i < notes.cancels.count; i++)
	{
		if (notes.cancels.notes[i].id == task_id)
			return true;
	}
	return false;
}

void
tq_xact_note_measure(const char *handler, const TqMeasure *measure)
{
	size_t		len = strlen(handler) + 1;
	MeasureNote *note;

	if (!tq_shmem_available())
		return;
	note = MemoryContextAlloc(TopTransactionContext, offsetof(MeasureNote, handler) + len);
	note->level = GetCurrentTransactionNestLevel();
	note->measure = *measure;
	memcpy(note->handler, handler, len);
	note->next = notes.measures;
	any_notes = true;
	notes.measures = note;
}

void
tq_xact_note_config(void)
{
	any_notes = true;
	notes.config = true;
}

void
tq_xact_forbid_prepare(const char *what)
{
	any_notes = true;
	notes.forbids_prepare = what;
}

/* One worker of the server per lane, who wakes the next one if he sees more; of external ones as many as there are tasks. */
static void
wake_for_lane(int64 lane, int ntasks)
{
	int			class = TQ_LANE_CLASS(lane);

	if (class == TQ_LANE_CLASS_EXTERNAL)
		tq_poll_wake(MyDatabaseId, lane, ntasks);
	else if (tq_ready_is_closed(MyDatabaseId, lane, tq_database_config_epoch(MyDatabaseId)))
		return;
	else if (class >= TQ_LANE_CLASS_WORKER)
		tq_wake_worker(MyDatabaseId, class - TQ_LANE_CLASS_WORKER);
	else if (class == TQ_LANE_CLASS_DATABASE || class == TQ_LANE_CLASS_TARGET)
		tq_wake_worker(MyDatabaseId, 0);
}

static void
deliver_ready(const NoteList *list, bool range)
{
	int			same;

	for (int i = 0; i < list->count; i++)
	{
		const Note *note = &list->notes[i];

		if (range)
			tq_ready_lower_mark(MyDatabaseId, note->id, &note->key);
		else
			tq_ready_push(MyDatabaseId, note->id, &note->key);
	}
	for (int i = 0; i < list->count; i += same)
	{
		for (same = 1; i + same < list->count; same++)
		{
			if (list->notes[i + same].id != list->notes[i].id)
				break;
		}
		wake_for_lane(list->notes[i].id, range ? PG_INT32_MAX : same);
	}
}

static void
deliver_cancel(int64 task_id)
{
	tq_database_note_cancel(MyDatabaseId);
	if (!tq_claim_request_cancel(MyDatabaseId, task_id))
		tq_database_tell(MyDatabaseId, TQ_NEWS_CANCEL);
	else
		(void) tq_slot_cancel_task(MyDatabaseId, task_id);
}

/* Claims go before the tasks that they were for come back: who takes one of those must not find it claimed. */
static void
deliver_claims(void)
{
	for (int i = 0; i < notes.ending.count; i++)
		tq_lease_end(notes.ending.notes[i].id, notes.ending.notes[i].token);
	for (int i = 0; i < notes.claiming.count; i++)
		tq_lease_confirm(notes.claiming.notes[i].id, notes.claiming.notes[i].token);
}

static void
deliver_at_commit(void)
{
	deliver_claims();
	if (notes.config)
	{
		tq_database_tell(MyDatabaseId, TQ_NEWS_CONFIG);
		tq_wake_all_workers(MyDatabaseId);
		tq_poll_wake_all(MyDatabaseId);
	}
	deliver_ready(&notes.ready, false);
	deliver_ready(&notes.ranges, true);
	if (notes.due != TQ_NEVER)
		tq_database_note_due(MyDatabaseId, notes.due);
	for (int i = 0; i < notes.ended.count; i++)
		tq_wait_wake(TQ_WAIT_TASK, notes.ended.notes[i].id);
	for (int i = 0; i < notes.dags.count; i++)
		tq_wait_wake(TQ_WAIT_DAG, notes.dags.notes[i].id);
	for (int i = 0; i < notes.cancels.count; i++)
		deliver_cancel(notes.cancels.notes[i].id);
	for (MeasureNote *note = notes.measures; note != NULL; note = note->next)
		tq_counters_add(note->handler, &note->measure);
}

/* What this (sub)transaction had locked is free again. */
static void
put_back(int level)
{
	NoteList   *list = &notes.locked;

	while (list->count > 0 && list->notes[list->count - 1].level >= level)
	{
		Note	   *note = &list->notes[--list->count];

		tq_ready_push(MyDatabaseId, note->id, &note->key);
		wake_for_lane(note->id, 1);
	}
}

/* Claims are as they were before this (sub)transaction. */
static void
undo_claims(int level)
{
	NoteList   *ending = &notes.ending;
	NoteList   *claiming = &notes.claiming;

	while (ending->count > 0 && ending->notes[ending->count - 1].level >= level)
	{
		Note	   *note = &ending->notes[--ending->count];

		tq_lease_keep(note->id, note->token);
	}
	while (claiming->count > 0 && claiming->notes[claiming->count - 1].level >= level)
	{
		Note	   *note = &claiming->notes[--claiming->count];

		tq_lease_undo(note->id, note->token);
	}
}

static void
refuse_prepare(void)
{
	if (notes.forbids_prepare)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has %s", notes.forbids_prepare),
				 errdetail("What it did to shared memory could not follow its later commit or rollback.")));
}

static void
at_xact_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (any_notes && tq_shmem_available())
				deliver_at_commit();
			break;
		case XACT_EVENT_ABORT:
			if (tq_shmem_available())
			{
				tq_ready_refill_cancel();
				undo_claims(0);
				put_back(0);
				tq_poll_abort();
				tq_wait_end();
				if (tq_my_slot == NULL)
					tq_held_return_all();
			}
			break;
		case XACT_EVENT_PRE_PREPARE:
			refuse_prepare();
			return;
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	if (any_notes)
		forget_all();
}

static void
drop_level(NoteList *list, int level)
{
	while (list->count > 0 && list->notes[list->count - 1].level >= level)
		list->count--;
}

static void
hand_to_parent(NoteList *list, int level)
{
	for (int i = list->count - 1; i >= 0 && list->notes[i].level >= level; i--)
		list->notes[i].level = level - 1;
}

static void
at_subxact_event(SubXactEvent event, SubTransactionId mySubid,
				 SubTransactionId parentSubid, void *arg)
{
	NoteList   *const undone[] = {&notes.ended, &notes.dags, &notes.cancels};
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB && tq_shmem_available())
	{
		tq_ready_refill_cancel();
		tq_poll_abort();
	}
	if (!any_notes)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		undo_claims(level);
		put_back(level);
		for (int i = 0; i < lengthof(undone); i++)
			drop_level(undone[i], level);
		while (notes.measures != NULL && notes.measures->level >= level)
			notes.measures = notes.measures->next;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		hand_to_parent(&notes.locked, level);
		hand_to_parent(&notes.claiming, level);
		hand_to_parent(&notes.ending, level);
		for (int i = 0; i < lengthof(undone); i++)
			hand_to_parent(undone[i], level);
		for (MeasureNote *note = notes.measures; note != NULL && note->level >= level; note = note->next)
			note->level = level - 1;
	}
}

void
tq_xact_init(void)
{
	forget_all();
	RegisterXactCallback(at_xact_event, NULL);
	RegisterSubXactCallback(at_subxact_event, NULL);
}
