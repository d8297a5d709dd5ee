/*-------------------------------------------------------------------------
 *
 * bgw.h
 *	  The background processes: launcher, schedulers, workers.
 *
 * One launcher (no database) starts a scheduler in each database that has the
 * extension; a scheduler starts and watches the workers of its database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_BGW_H
#define TQ_BGW_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* What a scheduler or worker is told through bgw_extra. */
typedef struct TqWorkerArgs
{
	Oid			database;
	int			slot;			/* worker only */
	int			number;			/* worker only: it is db/<number> */
} TqWorkerArgs;

extern void tq_bgw_init(void);	/* registers the launcher while preloading */

/* NULL: out of background worker slots. */
extern BackgroundWorkerHandle *tq_bgw_start_scheduler(Oid database, const char *name);
extern BackgroundWorkerHandle *tq_bgw_start_worker(const TqWorkerArgs *args);

/* Common start of schedulers and workers: signals, connection, settings. */
extern void tq_bgw_connect(Oid database);
extern void tq_bgw_args(TqWorkerArgs *args);
extern void tq_bgw_report(const char *activity);	/* NULL: idle */

/* Handle interrupts; exit if told to; reload the configuration if asked to, and then return true. */
extern bool tq_bgw_check_interrupts(void);

extern PGDLLEXPORT void tq_launcher_main(Datum arg);
extern PGDLLEXPORT void tq_scheduler_main(Datum arg);
extern PGDLLEXPORT void tq_worker_main(Datum arg);

#endif
