/*-------------------------------------------------------------------------
 *
 * task_queue.c
 *		Entry point of the library: what happens when it is loaded.
 *
 * The library is either preloaded by the postmaster (shared memory, hooks and
 * background workers are available) or loaded by a backend at the first call
 * of one of its functions (only the tables are). Every module that has
 * something to set up does so in its own tq_module_init(), called from here
 * in the order of the layers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "api/task_row.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/owner.h"
#include "base/role.h"
#include "handler/registry.h"
#include "bgw/bgw.h"
#include "shmem/flush.h"
#include "shmem/shmem.h"
#include "shmem/xact.h"
#include "store/lane.h"
#include "store/leaf.h"
#include "store/queue.h"
#include "store/task.h"

TQ_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	tq_guc_init(process_shared_preload_libraries_in_progress);
	tq_owner_init();
	tq_role_init();
	tq_queue_init();
	tq_lane_init();
	tq_leaf_init();
	tq_task_init();
	tq_registry_init();
	tq_task_row_init();
	tq_xact_init();
	tq_flush_init();
	tq_shmem_init(process_shared_preload_libraries_in_progress);
	if (process_shared_preload_libraries_in_progress)
		tq_bgw_init();
}
