/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Differences between the server versions that are supported (15 to 18).
 *
 * This is the only file that may look at PG_VERSION_NUM. Everything else is
 * written for the newest version; what an older one lacks is supplied here
 * under the newest name, or, where the signature changed, under a TQ_ name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_BASE_COMPAT_H
#define TQ_BASE_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "task_queue supports PostgreSQL 15 to 18"
#endif

/* Module magic: 18 lets a module state its name and version. */
#if PG_VERSION_NUM >= 180000
#define TQ_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "task_queue", .version = TQ_VERSION)
#else
#define TQ_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* TQ_BASE_COMPAT_H */
