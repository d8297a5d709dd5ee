/*-------------------------------------------------------------------------
 *
 * start.c
 *	  Registration of the background processes, and what their starts have in
 *	  common.
 *
 * Cluster-wide settings made for clients (timeouts, default isolation) must
 * not disturb the machinery, so they are overridden here.  What a task's
 * handler needs it gets from the task.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/timeout.h"

#include "base/guc.h"
#include "bgw/bgw.h"
#include "shmem/slots.h"

StaticAssertDecl(sizeof(TqWorkerArgs) <= BGW_EXTRALEN, "worker arguments must fit");

static volatile sig_atomic_t stopped_by_postmaster = false;

static void
describe(BackgroundWorker *worker, const char *function, const char *type, const char *name)
{
	memset(worker, 0, sizeof(BackgroundWorker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker->bgw_library_name, "task_queue", sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, function, sizeof(worker->bgw_function_name));
	strlcpy(worker->bgw_type, type, sizeof(worker->bgw_type));
	strlcpy(worker->bgw_name, name, sizeof(worker->bgw_name));
}

void
tq_bgw_init(void)
{
	BackgroundWorker worker;

	if (IsBinaryUpgrade)
		return;
	describe(&worker, "tq_launcher_main", "task_queue launcher", "task_queue launcher");
	worker.bgw_restart_time = 5;
	RegisterBackgroundWorker(&worker);
}

static BackgroundWorkerHandle *
start(BackgroundWorker *worker, const TqWorkerArgs *args)
{
	BackgroundWorkerHandle *handle;

	memcpy(worker->bgw_extra, args, sizeof(TqWorkerArgs));
	worker->bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(worker, &handle) ? handle : NULL;
}

BackgroundWorkerHandle *
tq_bgw_start_scheduler(Oid database, const char *name)
{
	TqWorkerArgs args = {.database = database};
	BackgroundWorker worker;

	describe(&worker, "tq_scheduler_main", "task_queue scheduler",
			 psprintf("task_queue scheduler of database %s", name));
	return start(&worker, &args);
}

BackgroundWorkerHandle *
tq_bgw_start_worker(const TqWorkerArgs *args)
{
	BackgroundWorker worker;

	describe(&worker, "tq_worker_main", "task_queue worker",
			 psprintf("task_queue worker db/%d of database %u", args->number, args->database));
	return start(&worker, args);
}

void
tq_bgw_args(TqWorkerArgs *args)
{
	memcpy(args, MyBgworkerEntry->bgw_extra, sizeof(TqWorkerArgs));
}

/*
 * Who sent SIGTERM tells a shutdown (the postmaster) from a
 * pg_terminate_backend(), which is an attempt that failed.
 */
static void
handle_sigterm(int signo, siginfo_t *info, void *context)
{
	stopped_by_postmaster = info->si_pid == PostmasterPid;
	if (tq_my_slot != NULL)
	{
		if (stopped_by_postmaster)
			tq_my_slot->stopped = true;
		else if (!tq_my_slot->stopped)	/* DDL marks the slot before it sends the signal */
			tq_my_slot->terminated = true;
	}
	die(signo);
}

static void
catch_sigterm(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = handle_sigterm;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
}

static void
override(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_OVERRIDE, GUC_ACTION_SET, true, 0, false);
}

/* A worker that does not wait for the flush loses nothing: see the setting's description. */
static void
set_commit_mode(void)
{
	override("synchronous_commit", tq_synchronous_commit ? "on" : "off");
}

static void
override_settings(void)
{
	set_commit_mode();
	override("statement_timeout", "0");
	override("lock_timeout", "0");
	override("idle_in_transaction_session_timeout", "0");
	override("idle_session_timeout", "0");
	override("default_transaction_isolation", "read committed");
	override("default_transaction_read_only", "off");
	override("default_transaction_deferrable", "off");
	override("client_min_messages", "error");
	override("application_name", MyBgworkerEntry->bgw_type);
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		override("transaction_timeout", "0");
}

/*
 * The server tells a process by SIGINT that its lock_timeout has passed.
 * Somebody's pg_cancel_backend() is ignored.
 */
static void
handle_lock_timeout(SIGNAL_ARGS)
{
	int			save_errno = errno;

	if (get_timeout_indicator(LOCK_TIMEOUT, false))
	{
		InterruptPending = true;
		QueryCancelPending = true;
		SetLatch(MyLatch);
	}
	errno = save_errno;
}

void
tq_bgw_connect(Oid database)
{
	catch_sigterm();
	/* Launcher and scheduler run no user code; an error would end them. */
	if (tq_my_slot == NULL)
		pqsignal(SIGINT, handle_lock_timeout);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	override_settings();
}

void
tq_bgw_report(const char *activity)
{
	if (activity)
	{
		SetCurrentStatementStartTimestamp();
		pgstat_report_activity(STATE_RUNNING, activity);
	}
	else
		pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * Told to stop between tasks: leave quietly, that is no error.  The launcher's
 * code tells the postmaster whether to start another one.
 */
bool
tq_bgw_check_interrupts(void)
{
	if (ProcDiePending)
		proc_exit(stopped_by_postmaster ? 0 : 1);

	/* Whoever is never idle does not learn of it while waiting. */
	if (!PostmasterIsAlive())
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	set_commit_mode();
	return true;
}
