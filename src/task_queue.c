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

#include "base/compat.h"

TQ_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
}
