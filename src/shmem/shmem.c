/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of the extension: sizes, locks and the server's hooks.
 *
 * Each module below src/shmem supplies a size and an initializer; the table
 * here is the whole inventory.  This is the only file that installs hooks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "tcop/utility.h"
#include "utils/wait_event.h"

#include "base/role.h"
#include "shmem/claims.h"
#include "shmem/counters.h"
#include "shmem/databases.h"
#include "shmem/ddl.h"
#include "shmem/lease.h"
#include "shmem/poll.h"
#include "shmem/ready.h"
#include "shmem/running.h"
#include "shmem/saved.h"
#include "shmem/seen.h"
#include "shmem/shmem.h"
#include "shmem/slots.h"
#include "shmem/wait.h"

typedef struct TqShmemPart
{
	const char *name;
	Size		(*size) (void);
	Size		(*hash_size) (void);	/* of hash tables that attach() makes beside it */
	void		(*attach) (void *memory, bool found);
} TqShmemPart;

static const TqShmemPart parts[] = {
	{"task_queue databases", tq_databases_shmem_size, NULL, tq_databases_shmem_attach},
	{"task_queue ready index", tq_ready_shmem_size, tq_ready_hash_size, tq_ready_shmem_attach},
	{"task_queue claims", tq_claims_shmem_size, tq_claims_hash_size, tq_claims_shmem_attach},
	{"task_queue running", tq_running_shmem_size, NULL, tq_running_shmem_attach},
	{"task_queue channels", tq_wait_shmem_size, tq_wait_hash_size, tq_wait_shmem_attach},
	{"task_queue leases", tq_lease_shmem_size, NULL, tq_lease_shmem_attach},
	{"task_queue polls", tq_poll_shmem_size, NULL, tq_poll_shmem_attach},
	{"task_queue external workers", tq_seen_shmem_size, NULL, tq_seen_shmem_attach},
};

static bool attached = false;
static LWLockPadded *locks;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;
static ProcessUtility_hook_type previous_utility_hook = NULL;
static ExecutorStart_hook_type previous_executor_hook = NULL;
static emit_log_hook_type previous_log_hook = NULL;

bool
tq_shmem_available(void)
{
	return attached;
}

LWLock *
tq_shmem_lock(int id)
{
	return &locks[id].lock;
}

uint32
tq_shmem_wait_event(void)
{
	return PG_WAIT_EXTENSION;
}

void
tq_shmem_copy_text(char *to, const char *from, Size size)
{
	int			len = pg_mbcliplen(from, strlen(from), size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

void
tq_shmem_forget_database(Oid database)
{
	tq_slot_forget_database(database);
	tq_claim_forget_database(database);
	tq_ready_reset(database, true);
	tq_counters_forget_database(database);
}

static void
utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
		ProcessUtilityContext context, ParamListInfo params,
		QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	ProcessUtility_hook_type next = previous_utility_hook ? previous_utility_hook : standard_ProcessUtility;

	tq_role_resume();
	if (attached)
		tq_ddl_utility(pstmt, query, read_only_tree, context, params, environment, dest,
					   completion, next);
	else
		next(pstmt, query, read_only_tree, context, params, environment, dest, completion);
}

static void
emit_log(ErrorData *edata)
{
	if (previous_log_hook)
		previous_log_hook(edata);
	if (MyProcPid == PostmasterPid)
		tq_slots_witness(edata);
}

static void
executor_start(QueryDesc *query, int eflags)
{
	tq_role_resume();
	if (attached && IsParallelWorker())
		tq_slots_enter_parallel_worker();
	if (previous_executor_hook)
		previous_executor_hook(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (int i = 0; i < lengthof(parts); i++)
	{
		RequestAddinShmemSpace(parts[i].size());
		if (parts[i].hash_size)
			RequestAddinShmemSpace(parts[i].hash_size());
	}
	RequestNamedLWLockTranche("task_queue", TQ_LOCK_COUNT);
}

static void
startup_shmem(void)
{
	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	locks = GetNamedLWLockTranche("task_queue");
	for (int i = 0; i < lengthof(parts); i++)
	{
		bool		found;
		void	   *memory = ShmemInitStruct(parts[i].name, parts[i].size(), &found);

		parts[i].attach(memory, found);
	}
	LWLockRelease(AddinShmemInitLock);
	tq_slots_restart();
	if (!IsUnderPostmaster)
		tq_saved_load();
	tq_counters_restart();
	attached = true;
}

static void
install_statement_hooks(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	previous_executor_hook = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}

void
tq_shmem_init(bool preloaded)
{
	if (preloaded || TQ_ROLE_IS_SUSPENDED)
		install_statement_hooks();
	if (!preloaded)
		return;
	tq_slots_map();
	tq_counters_map();
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
	previous_log_hook = emit_log_hook;
	emit_log_hook = emit_log;
	tq_ddl_init();
}
