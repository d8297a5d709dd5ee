/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings of the extension.
 *
 * Settings of context postmaster exist only when the library is preloaded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_GUC_H
#define TQ_GUC_H

typedef enum TqExecution
{
	TQ_EXECUTION_BACKGROUND,
	TQ_EXECUTION_INLINE,
	TQ_EXECUTION_MANUAL
} TqExecution;

extern char *tq_home;
extern char *tq_databases;
extern int	tq_workers;				/* per database */
extern char *tq_claims;
extern int	tq_ready_capacity;
extern int	tq_lease_capacity;
extern int	tq_idle_worker_timeout; /* milliseconds */
extern int	tq_worker_memory_limit; /* kilobytes; a worker above it is replaced */
extern bool tq_synchronous_commit;
extern int	tq_default_timeout;		/* milliseconds; 0: none */
extern int	tq_max_step_error_bytes;
extern int	tq_log_min_duration;	/* milliseconds; -1: off */
extern bool tq_enabled;
extern int	tq_execution;			/* TqExecution */

extern void tq_guc_init(bool preloading);

#endif
