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

#include <fcntl.h>
#include <unistd.h>

#include "pgstat.h"

#include "base/clock.h"
#include "shmem/poison.h"

#define CRASHES_IN_A_ROW	3
#define IN_A_ROW_SECONDS	3600

/* Base backups leave that folder out, so a copy charges nobody. */
#define VERDICT_FILE	PG_STAT_TMP_DIR "/task_queue.verdict"

/* A file of another build is of no use. */
typedef struct VerdictHeader
{
	char		version[32];
	uint32		slot_size;
	uint32		count;
} VerdictHeader;

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

static void
fill_header(VerdictHeader *header, int count)
{
	memset(header, 0, sizeof(VerdictHeader));
	strlcpy(header->version, TQ_VERSION "/" PG_VERSION, sizeof(header->version));
	header->slot_size = sizeof(TqSlot);
	header->count = count;
}

void
tq_poison_save(const TqSlot *slots, int nslots)
{
	VerdictHeader header;
	int			count = 0;
	int			fd;
	bool		ok;

	for (int i = 0; i < nslots; i++)
		count += slots[i].state == TQ_SLOT_DEAD && slots[i].guilty;
	if (count == 0)
		return;
	fd = open(VERDICT_FILE, O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return;
	fill_header(&header, count);
	ok = write(fd, &header, sizeof(header)) == sizeof(header);
	for (int i = 0; i < nslots && ok; i++)
	{
		if (slots[i].state == TQ_SLOT_DEAD && slots[i].guilty)
			ok = write(fd, &slots[i], sizeof(TqSlot)) == sizeof(TqSlot);
	}
	close(fd);
	if (!ok)
		unlink(VERDICT_FILE);
}

void
tq_poison_load(TqSlot *slots, int nslots)
{
	VerdictHeader header;
	VerdictHeader expected;
	int			fd = open(VERDICT_FILE, O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, &header, sizeof(header)) == sizeof(header))
	{
		fill_header(&expected, header.count);
		for (int i = 0; i < Min(header.count, nslots) && memcmp(&header, &expected, sizeof(header)) == 0; i++)
		{
			if (read(fd, &slots[i], sizeof(TqSlot)) != sizeof(TqSlot))
				memset(&slots[i], 0, sizeof(TqSlot));
		}
	}
	close(fd);
	unlink(VERDICT_FILE);
}
