/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  Worker slots: which in-database workers there are, and what they run.
 *
 * See slots.h.  Spinlocks are held for a few assignments only; nothing is
 * called while one is held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/mman.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "base/clock.h"
#include "shmem/databases.h"
#include "shmem/poison.h"
#include "shmem/slots.h"

/* What the callbacks of a process are told that did not end by proc_exit(). */
#define CODE_OF_EXIT	(-1)

TqSlot	   *tq_my_slot = NULL;

/* What the postmaster maps. */
typedef struct Memory
{
	TqWitness	witness;
	TqSuspect	suspects[TQ_MAX_SUSPECTS];
	TqSlot		slots[FLEXIBLE_ARRAY_MEMBER];
} Memory;

static Memory *memory = NULL;
static TqSlot *slots = NULL;
static int	nslots = 0;

/* How many workers were running a task and were not told to quit. */
static int
count_unmarked(void)
{
	int			n = 0;

	for (int i = 0; i < nslots; i++)
	{
		if (slots[i].state == TQ_SLOT_BUSY && !slots[i].stopped)
			n++;
	}
	return n;
}

/* After a crash: those that ran a task are dead, and to blame or not. */
static void
judge(void)
{
	int			unmarked = count_unmarked();

	for (int i = 0; i < nslots; i++)
	{
		TqSlot	   *slot = &slots[i];

		if (slot->state != TQ_SLOT_BUSY)
			continue;
		slot->guilty = tq_poison_judge(slot, &memory->witness, unmarked, memory->suspects);
		slot->stopped = true;
		slot->terminated = false;
		slot->state = TQ_SLOT_DEAD;
	}
	memory->witness.pid = 0;
}

/* Where the postmaster leaves after a crash, the next one has to charge the guilty. */
static void
leave(int code, Datum arg)
{
	if (code == 0)
		return;
	judge();
	tq_poison_save(slots, nslots);
}

/* Mapped once; forked children inherit the mapping at the same address. */
void
tq_slots_map(void)
{
	Size		size;

	nslots = max_worker_processes;
	size = add_size(offsetof(Memory, slots), mul_size(nslots, sizeof(TqSlot)));
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map shared memory for task_queue workers: %m")));
	memset(memory, 0, size);
	slots = memory->slots;
	if (!IsPostmasterEnvironment)
		return;
	tq_poison_load(slots, nslots);
	on_proc_exit(leave, (Datum) 0);
}

/*
 * After a crash every process is gone, whatever lock it held: slots with a
 * task keep what they were running and whether it is to blame, the others are
 * free.
 */
void
tq_slots_restart(void)
{
	judge();
	for (int i = 0; i < nslots; i++)
	{
		TqSlot	   *slot = &slots[i];

		SpinLockInit(&slot->mutex);
		if (slot->state != TQ_SLOT_DEAD)
			slot->state = TQ_SLOT_FREE;
		slot->pid = 0;
		slot->latch = NULL;
	}
}

void
tq_slots_witness(const ErrorData *edata)
{
	tq_poison_witness(&memory->witness, edata);
}

/* False: there is none. */
static bool
replace_parallel_pid(TqSlot *slot, int old, int new)
{
	bool		found = false;

	SpinLockAcquire(&slot->mutex);
	for (int i = 0; i < TQ_SLOT_PARALLEL_PIDS && !found; i++)
	{
		found = slot->parallel_pids[i] == old;
		if (found)
			slot->parallel_pids[i] = new;
	}
	SpinLockRelease(&slot->mutex);
	return found;
}

/* If user code has called exit() the server may take it for a crash. */
static void
leave_leader(int code, Datum slot)
{
	if (code != CODE_OF_EXIT)
		(void) replace_parallel_pid((TqSlot *) DatumGetPointer(slot), MyProcPid, 0);
}

void
tq_slots_enter_parallel_worker(void)
{
	static bool entered = false;
	int			leader = MyProc->lockGroupLeader ? MyProc->lockGroupLeader->pid : 0;

	if (entered || leader == 0)
		return;
	entered = true;
	for (int i = 0; i < nslots; i++)
	{
		if (slots[i].pid == leader && replace_parallel_pid(&slots[i], 0, MyProcPid))
			before_shmem_exit(leave_leader, PointerGetDatum(&slots[i]));
	}
}

int
tq_slot_count(void)
{
	return nslots;
}

TqSlot *
tq_slot(int index)
{
	Assert(index >= 0 && index < nslots);
	return &slots[index];
}

static void
enter_state(TqSlot *slot, TqSlotState state)
{
	slot->state = state;
	slot->since = tq_clock_now();
}

int
tq_slot_reserve(Oid database, int number)
{
	for (int i = 0; i < nslots; i++)
	{
		TqSlot	   *slot = &slots[i];
		bool		got = false;

		SpinLockAcquire(&slot->mutex);
		if (slot->state == TQ_SLOT_FREE)
		{
			enter_state(slot, TQ_SLOT_STARTING);
			slot->database = database;
			slot->number = number;
			slot->pid = 0;
			slot->latch = NULL;
			slot->task_id = 0;
			slot->terminated = slot->stopped = slot->guilty = false;
			slot->death[0] = '\0';
			got = true;
		}
		SpinLockRelease(&slot->mutex);
		if (got)
			return i;
	}
	return -1;
}

void
tq_slot_free(int index)
{
	TqSlot	   *slot = &slots[index];

	SpinLockAcquire(&slot->mutex);
	slot->pid = 0;
	slot->latch = NULL;
	slot->task_id = 0;
	enter_state(slot, TQ_SLOT_FREE);
	SpinLockRelease(&slot->mutex);
}

void
tq_slot_forget_database(Oid database)
{
	for (int i = 0; i < nslots; i++)
	{
		if (slots[i].state == TQ_SLOT_DEAD && slots[i].database == database)
			tq_slot_free(i);
	}
}

/*
 * A worker that leaves between tasks frees its slot; else the scheduler settles
 * the task, which is to blame if its code has called exit().
 */
static void
detach(int code, Datum arg)
{
	TqSlot	   *slot = tq_my_slot;

	tq_my_slot = NULL;
	SpinLockAcquire(&slot->mutex);
	slot->latch = NULL;
	slot->pid = 0;
	if (code == CODE_OF_EXIT)
	{
		slot->guilty = true;
		strlcpy(slot->death, "called exit()", sizeof(slot->death));
	}
	enter_state(slot, slot->state == TQ_SLOT_BUSY ? TQ_SLOT_DEAD : TQ_SLOT_FREE);
	SpinLockRelease(&slot->mutex);
	tq_database_wake_scheduler(slot->database);
}

/* A process that took very long to come up may find its slot taken by another one. */
bool
tq_slot_attach(int index, Oid database, int number)
{
	TqSlot	   *slot = &slots[index];

	SpinLockAcquire(&slot->mutex);
	if (slot->state == TQ_SLOT_STARTING && slot->database == database && slot->number == number)
	{
		slot->pid = MyProcPid;
		slot->latch = MyLatch;
		enter_state(slot, TQ_SLOT_AWAKE);
		tq_my_slot = slot;
	}
	SpinLockRelease(&slot->mutex);
	if (tq_my_slot == NULL)
		return false;
	before_shmem_exit(detach, (Datum) 0);
	return true;
}

void
tq_slot_set_state(TqSlotState state)
{
	SpinLockAcquire(&tq_my_slot->mutex);
	enter_state(tq_my_slot, state);
	SpinLockRelease(&tq_my_slot->mutex);
}

/* How many bytes of a text fit, whole characters only. */
static int
fitting_length(const char *text, int size)
{
	return pg_mbcliplen(text, strlen(text), size - 1);
}

static void
copy_text(char *to, const char *from, int len)
{
	memcpy(to, from, len);
	to[len] = '\0';
}

void
tq_slot_begin_task(const char *handler, const char *queue, int64 task_id,
				   int32 attempt, int32 gen, Oid enqueuer, bool procedure)
{
	TqSlot	   *slot = tq_my_slot;
	TimestampTz now = tq_clock_now();
	int			handler_len = fitting_length(handler, sizeof(slot->handler));
	int			queue_len = fitting_length(queue, sizeof(slot->queue));

	SpinLockAcquire(&slot->mutex);
	slot->epoch++;
	slot->task_id = task_id;
	slot->attempt = attempt;
	slot->gen = gen;
	slot->enqueuer = enqueuer;
	slot->procedure = procedure;
	slot->started_at = now;
	copy_text(slot->handler, handler, handler_len);
	copy_text(slot->queue, queue, queue_len);
	memset(slot->parallel_pids, 0, sizeof(slot->parallel_pids));
	slot->progress = -1;
	slot->message[0] = '\0';
	slot->state = TQ_SLOT_BUSY;
	slot->since = now;
	SpinLockRelease(&slot->mutex);
}

void
tq_slot_end_task(void)
{
	TqSlot	   *slot = tq_my_slot;

	SpinLockAcquire(&slot->mutex);
	slot->epoch++;
	slot->task_id = 0;
	enter_state(slot, TQ_SLOT_AWAKE);
	SpinLockRelease(&slot->mutex);
}

/* Reads single words without the lock: it is called by a signal handler. */
bool
tq_slot_cancel_requested(void)
{
	volatile TqSlot *slot = tq_my_slot;

	return slot != NULL && slot->state == TQ_SLOT_BUSY && slot->cancel_epoch == slot->epoch;
}

void
tq_slot_progress(double fraction, const char *message)
{
	TqSlot	   *slot = tq_my_slot;
	int			len;

	if (slot == NULL)
		return;
	if (message == NULL)
		message = "";
	len = fitting_length(message, sizeof(slot->message));
	SpinLockAcquire(&slot->mutex);
	slot->progress = fraction;
	copy_text(slot->message, message, len);
	SpinLockRelease(&slot->mutex);
}

bool
tq_slot_cancel_task(Oid database, int64 task_id)
{
	for (int i = 0; i < nslots; i++)
	{
		TqSlot	   *slot = &slots[i];
		int			pid = 0;

		if (slot->state != TQ_SLOT_BUSY || slot->task_id != task_id)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->state == TQ_SLOT_BUSY && slot->task_id == task_id &&
			slot->database == database)
		{
			slot->cancel_epoch = slot->epoch;
			pid = slot->pid;
		}
		SpinLockRelease(&slot->mutex);
		if (pid != 0)
		{
			kill(pid, SIGINT);
			return true;
		}
	}
	return false;
}

/* Mark an idle worker awake, so that the next wake-up goes to another one. */
static Latch *
take_idle(TqSlot *slot, Oid database, int number)
{
	Latch	   *latch = NULL;

	if (slot->state != TQ_SLOT_IDLE || slot->database != database)
		return NULL;
	SpinLockAcquire(&slot->mutex);
	if (slot->state == TQ_SLOT_IDLE && slot->database == database &&
		(number == 0 || slot->number == number))
	{
		slot->state = TQ_SLOT_AWAKE;
		latch = slot->latch;
	}
	SpinLockRelease(&slot->mutex);
	return latch;
}

void
tq_wake_worker(Oid database, int number)
{
	for (int i = 0; i < nslots; i++)
	{
		Latch	   *latch = take_idle(&slots[i], database, number);

		if (latch != NULL)
		{
			SetLatch(latch);
			return;
		}
	}
	tq_database_want_worker(database, number);
}

void
tq_wake_all_workers(Oid database)
{
	for (int i = 0; i < nslots; i++)
	{
		TqSlot	   *slot = &slots[i];
		Latch	   *latch = NULL;

		SpinLockAcquire(&slot->mutex);
		if (slot->database == database && slot->state != TQ_SLOT_FREE)
			latch = slot->latch;
		SpinLockRelease(&slot->mutex);
		if (latch != NULL)
			SetLatch(latch);
	}
}

int
tq_slot_count_workers(Oid database, int *idle)
{
	int			total = 0;

	*idle = 0;
	for (int i = 0; i < nslots; i++)
	{
		TqSlot	   *slot = &slots[i];

		if (slot->database != database || slot->state == TQ_SLOT_FREE ||
			slot->state == TQ_SLOT_DEAD)
			continue;
		total++;
		if (slot->state == TQ_SLOT_IDLE || slot->state == TQ_SLOT_AWAKE ||
			slot->state == TQ_SLOT_STARTING)
			(*idle)++;
	}
	return total;
}
