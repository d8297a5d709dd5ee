/*-------------------------------------------------------------------------
 *
 * poison.c
 *	  Which task killed its process.
 *
 * Everything here runs in the postmaster, which must not fail: no allocation,
 * no locks, only the anonymous memory of slots.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "shmem/poison.h"

#define CRASHES_IN_A_ROW	3
#define IN_A_ROW_SECONDS	3600

/*
 * LogChildExit() says how a child ended; the message may be translated, but
 * its id is not, and "PID <number>" stands in all translations.  Exit codes 0
 * and 1 are no crashes.
 */
void
tq_poison_witness(TqWitness *witness, const ErrorData *edata)
{
	const char *at;
	int			pid;
	int			number;

	if (witness->pid != 0 || edata->message_id == NULL || edata->message == NULL)
		return;
	at = strstr(edata->message, "PID ");
	if (at == NULL || sscanf(at, "PID %d", &pid) != 1)
		return;
	at = strchr(at, ')');
	if (at == NULL)
		return;
	at += strcspn(at, "0123456789");
	if (sscanf(at, "%d", &number) != 1)
		return;
	if (strstr(edata->message_id, "terminated by signal") != NULL)
		snprintf(witness->text, sizeof(witness->text), "was terminated by signal %d: %s",
				 number, pg_strsignal(number));
	else if (strstr(edata->message_id, "exited with exit code") != NULL && number > 1)
		snprintf(witness->text, sizeof(witness->text), "exited with exit code %d", number);
	else
		return;
	witness->pid = pid;
}

static bool
is_witnessed(const TqSlot *slot, const TqWitness *witness)
{
	if (slot->pid == witness->pid)
		return true;
	for (int i = 0; i < TQ_SLOT_PARALLEL_PIDS; i++)
	{
		if (slot->parallel_pids[i] == witness->pid)
			return true;
	}
	return false;
}

static TqSuspect *
find_suspect(TqSuspect *suspects, Oid database, int64 task_id)
{
	TqSuspect  *oldest = &suspects[0];

	for (int i = 0; i < TQ_MAX_SUSPECTS; i++)
	{
		TqSuspect  *suspect = &suspects[i];

		if (suspect->database == database && suspect->task_id == task_id)
			return suspect;
		if (suspect->last < oldest->last)
			oldest = suspect;
	}
	memset(oldest, 0, sizeof(TqSuspect));
	oldest->database = database;
	oldest->task_id = task_id;
	return oldest;
}

/* The net below: who is there at every crash is charged, whoever did it. */
static bool
was_there_too_often(const TqSlot *slot, TqSuspect *suspects)
{
	TqSuspect  *suspect = find_suspect(suspects, slot->database, slot->task_id);
	TimestampTz now = tq_clock_now();

	if (now > tq_clock_add(suspect->last, IN_A_ROW_SECONDS * USECS_PER_SEC))
		suspect->crashes = 0;
	suspect->crashes++;
	suspect->last = now;
	if (suspect->crashes < CRASHES_IN_A_ROW)
		return false;
	suspect->task_id = 0;
	return true;
}

bool
tq_poison_judge(TqSlot *slot, const TqWitness *witness, int unmarked, TqSuspect *suspects)
{
	if (witness->pid != 0 && is_witnessed(slot, witness))
	{
		strlcpy(slot->death, witness->text, sizeof(slot->death));
		return true;
	}
	if (witness->pid == 0 && !slot->stopped && unmarked == 1)
	{
		strlcpy(slot->death, "was killed or exited", sizeof(slot->death));
		return true;
	}
	if (was_there_too_often(slot, suspects))
	{
		strlcpy(slot->death, "was running at three crashes of the server in a row", sizeof(slot->death));
		return true;
	}
	return false;
}
