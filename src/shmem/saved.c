/*-------------------------------------------------------------------------
 *
 * saved.c
 *	  Leases of external workers over a clean restart of the server.
 *
 * Times in the file are relative to when it was written, and go on when it is
 * read: while the server is down nobody can extend his lease.  Only the limits
 * of leases, which come from deadlines, go on meanwhile.
 *
 * Nobody else runs when the file is written, so no lock is needed.  Whatever
 * is wrong with it, the server starts: the leases are forgotten then, and the
 * tasks are ready.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "base/clock.h"
#include "shmem/claims.h"
#include "shmem/lease.h"
#include "shmem/saved.h"

#define SAVED_FILE		"pg_stat/task_queue.leases"
#define SAVED_TEMPORARY	SAVED_FILE ".tmp"
#define SAVED_MAGIC		0x54514c31

typedef struct SavedHeader
{
	uint32		magic;
	uint32		size;			/* of a claim: the layout is that of this library */
	int64		count;
	TimestampTz saved_at;
} SavedHeader;

typedef struct SavedClaim
{
	Oid			database;
	TqClaim		claim;
} SavedClaim;

typedef struct Writer
{
	FILE	   *file;
	int64		now;
	int64		count;
} Writer;

static void
write_claim(Oid database, const TqClaim *claim, void *arg)
{
	Writer	   *writer = arg;
	SavedClaim	saved;

	if (!claim->external || claim->pid != 0)
		return;
	memset(&saved, 0, sizeof(saved));
	saved.database = database;
	saved.claim = *claim;
	saved.claim.ending = 0;
	saved.claim.lease_until -= writer->now;
	saved.claim.limit_until -= writer->now;
	(void) fwrite(&saved, sizeof(saved), 1, writer->file);
	writer->count++;
}

static bool
write_file(FILE *file, int64 *count)
{
	SavedHeader header = {.magic = SAVED_MAGIC, .size = sizeof(SavedClaim), .saved_at = tq_clock_now()};
	Writer		writer = {.file = file, .now = tq_clock_monotonic()};

	(void) fwrite(&header, sizeof(header), 1, file);
	tq_claim_for_each(write_claim, &writer);
	header.count = *count = writer.count;
	return fseek(file, 0, SEEK_SET) == 0 &&
		fwrite(&header, sizeof(header), 1, file) == 1 && !ferror(file);
}

static void
save(void)
{
	FILE	   *file = AllocateFile(SAVED_TEMPORARY, PG_BINARY_W);
	int64		count = 0;
	bool		ok;

	if (file == NULL)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", SAVED_TEMPORARY)));
		return;
	}
	ok = write_file(file, &count);
	if (FreeFile(file) != 0)
		ok = false;
	if (!ok)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", SAVED_TEMPORARY)));
	if (ok && count > 0)
		(void) durable_rename(SAVED_TEMPORARY, SAVED_FILE, LOG);
	else
		(void) unlink(SAVED_TEMPORARY);
}

/* An immediate stop ends with the same code, but in the middle of everything. */
static bool
has_shut_down_cleanly(void)
{
	bool		crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);

	return crc_ok && control->state == DB_SHUTDOWNED;
}

static void
save_at_exit(int code, Datum arg)
{
	if (code == 0 && MyProcPid == PostmasterPid && has_shut_down_cleanly())
		save();
}

static bool
restore(const SavedClaim *saved, int64 now, int64 down)
{
	TqClaim		claim = saved->claim;

	claim.lease_until += now;
	claim.limit_until += now - down;
	if (claim.limit_kind != TQ_LIMIT_NONE)
		claim.lease_until = Min(claim.lease_until, claim.limit_until);
	if (!tq_claim_restore(saved->database, &claim))
		return false;
	tq_lease_note(saved->database, claim.lease_until);
	return true;
}

static void
read_file(FILE *file)
{
	int64		now = tq_clock_monotonic();
	SavedHeader header;
	SavedClaim	saved;
	int64		restored = 0;

	if (fread(&header, sizeof(header), 1, file) != 1 ||
		header.magic != SAVED_MAGIC || header.size != sizeof(SavedClaim))
		return;
	while (restored < header.count && fread(&saved, sizeof(saved), 1, file) == 1 &&
		   restore(&saved, now, Max(0, tq_clock_now() - header.saved_at)))
		restored++;
	if (restored < header.count)
		ereport(LOG,
				(errmsg("task_queue: " INT64_FORMAT " of " INT64_FORMAT " leases of external workers are forgotten",
						header.count - restored, header.count),
				 errhint("Was task_queue.lease_capacity lowered?")));
}

void
tq_saved_load(void)
{
	FILE	   *file = AllocateFile(SAVED_FILE, PG_BINARY_R);

	on_shmem_exit(save_at_exit, (Datum) 0);
	if (file != NULL)
	{
		/* Otherwise it is an old one, whose removal did not survive a crash. */
		if (has_shut_down_cleanly())
			read_file(file);
		FreeFile(file);
	}
	else if (errno != ENOENT)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", SAVED_FILE)));
	(void) unlink(SAVED_FILE);
}
