/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/guc.h"

char	   *tq_home = NULL;
char	   *tq_databases = NULL;
int			tq_workers = 4;
char	   *tq_claims = NULL;
int			tq_ready_capacity = 65536;
int			tq_lease_capacity = 16384;
int			tq_idle_worker_timeout = 60000;
int			tq_worker_memory_limit = 262144;
bool		tq_synchronous_commit = false;
int			tq_default_timeout = 0;
int			tq_max_step_error_bytes = 4096;
int			tq_log_min_duration = -1;
bool		tq_enabled = true;
int			tq_execution = TQ_EXECUTION_BACKGROUND;

static const struct config_enum_entry execution_options[] = {
	{"background", TQ_EXECUTION_BACKGROUND, false},
	{"inline", TQ_EXECUTION_INLINE, false},
	{"manual", TQ_EXECUTION_MANUAL, false},
	{NULL, 0, false}
};

/* Sizes and names that are fixed when the server starts. */
static void
define_startup_settings(void)
{
	DefineCustomStringVariable("task_queue.home",
							   "Names this server; a copy of the data directory with another name starts paused.",
							   NULL, &tq_home, "",
							   PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.ready_capacity",
							"How many ready tasks of the whole server are kept in shared memory.",
							NULL, &tq_ready_capacity, 65536, 1024, 16777216,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.lease_capacity",
							"How many leases of external workers of the whole server are kept in shared memory.",
							NULL, &tq_lease_capacity, 16384, 64, 16777216,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/* What workers obey; changed by a reload. */
static void
define_worker_settings(void)
{
	DefineCustomStringVariable("task_queue.databases",
							   "Comma-separated list of databases whose tasks run here; * is all.",
							   NULL, &tq_databases, "*",
							   PGC_SIGHUP, GUC_LIST_INPUT, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.workers",
							"The largest number of workers of a database.",
							NULL, &tq_workers, 4, 0, 1024,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("task_queue.claims",
							   "Comma-separated list of targets that in-database workers serve.",
							   NULL, &tq_claims, "",
							   PGC_SUSET, GUC_LIST_INPUT, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.idle_worker_timeout",
							"A worker that has had no task for this long leaves.",
							NULL, &tq_idle_worker_timeout, 60000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.worker_memory_limit",
							"A worker whose memory has grown beyond this is replaced between two tasks; 0 disables.",
							NULL, &tq_worker_memory_limit, 262144, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomBoolVariable("task_queue.synchronous_commit",
							 "Whether workers wait for the WAL flush of each task.",
							 "Off loses nothing: a task whose end was not flushed runs again, and its effects were not flushed either.",
							 &tq_synchronous_commit, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("task_queue.enabled",
							 "Whether workers start tasks; what runs goes on.",
							 NULL, &tq_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.log_min_duration",
							"Logs attempts that took at least this long; -1 disables, 0 logs all.",
							NULL, &tq_log_min_duration, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

static void
define_task_settings(void)
{
	DefineCustomIntVariable("task_queue.default_timeout",
							"The timeout of an attempt whose task and handler set none; 0 is none.",
							NULL, &tq_default_timeout, 0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("task_queue.max_step_error_bytes",
							"How much of an error's text the record of a DAG step keeps.",
							"0 is the default of 4096; a negative value keeps no text.",
							&tq_max_step_error_bytes, 4096, INT_MIN, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("task_queue.execution",
							 "Where tasks enqueued by this session run: background, inline or manual.",
							 "For tests: inline runs them before enqueue() returns, manual leaves them to drain().",
							 &tq_execution, TQ_EXECUTION_BACKGROUND, execution_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
}

void
tq_guc_init(bool preloading)
{
	if (preloading)
		define_startup_settings();
	define_worker_settings();
	define_task_settings();
	MarkGUCPrefixReserved("task_queue");
}
