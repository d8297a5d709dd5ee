/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Differences between the server versions that are supported (15 to 18).
 *
 * This is the only file that looks at PG_VERSION_NUM. Everything else is
 * written for the newest version: what an older one lacks is supplied here
 * under the newest name or, where a signature changed, under a TQ_ name.
 *
 * Differences that need nothing here, as long as callers keep to this:
 * pqsignal() returns nothing from 18 on, so its result is not used; entry
 * points of workers are PGDLLEXPORT, since 16 hides all other symbols;
 * attributes are reached through TupleDescAttr() only; identities that are
 * kept are pid and generation, not numbers of backends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_BASE_COMPAT_H
#define TQ_BASE_COMPAT_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/dshash.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "task_queue supports PostgreSQL 15 to 18"
#endif

/* 18: a module may state its name and version. */
#if PG_VERSION_NUM >= 180000
#define TQ_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "task_queue", .version = TQ_VERSION)
#else
#define TQ_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 18: stands before the declaration, where the older spelling works too. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 18: renamed. Callers include postmaster/interrupt.h. */
#if PG_VERSION_NUM < 180000
#define ProcessMainLoopInterrupts HandleMainLoopInterrupts
#endif

/* 17: extensions can name their wait events. Costs a lookup: call it once. */
#if PG_VERSION_NUM >= 170000
#define TQ_WAIT_EVENT_NEW(name) WaitEventExtensionNew(name)
#else
#define TQ_WAIT_EVENT_NEW(name) ((uint32) PG_WAIT_EXTENSION)
#endif

/*
 * 17: a function to copy keys, in the middle of the struct. These are the
 * functions for keys that are compared byte by byte; use it as a designated
 * initializer beside key_size, entry_size and tranche_id.
 */
#if PG_VERSION_NUM >= 170000
#define TQ_DSHASH_BINARY_KEYS \
	.compare_function = dshash_memcmp, \
	.hash_function = dshash_memhash, \
	.copy_function = dshash_memcpy
#else
#define TQ_DSHASH_BINARY_KEYS \
	.compare_function = dshash_memcmp, \
	.hash_function = dshash_memhash
#endif

/* 17: one number of a process instead of two. */
#if PG_VERSION_NUM < 170000
typedef int ProcNumber;

#define INVALID_PROC_NUMBER	(-1)
#define MyProcNumber		((ProcNumber) MyProc->pgprocno)
#define GetNumberFromPGProc(proc)	((ProcNumber) (proc)->pgprocno)
#define AmBackgroundWorkerProcess()	(IsBackgroundWorker)
#endif

/*
 * 17: a worker may connect as a role that cannot log in. Before, such a role
 * cannot be a worker's session user at all.
 */
#if PG_VERSION_NUM >= 170000
#define TQ_HAVE_BYPASS_ROLELOGINCHECK	1
#else
#define TQ_HAVE_BYPASS_ROLELOGINCHECK	0
#define BGWORKER_BYPASS_ROLELOGINCHECK	0
#endif

/* 17: a stronger lock can count as well. Callers include storage/lock.h. */
#if PG_VERSION_NUM >= 170000
#define TQ_LOCK_HELD_BY_ME(tag, mode)	LockHeldByMe((tag), (mode), false)
#else
#define TQ_LOCK_HELD_BY_ME(tag, mode)	LockHeldByMe((tag), (mode))
#endif

/* 17: intervals can be infinite. */
#ifndef INTERVAL_NOT_FINITE
#define INTERVAL_NOT_FINITE(interval)	((void) (interval), false)
#endif

/* 16: memory of values made by check hooks of settings. Callers include utils/guc.h. */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size)	malloc(size)
#define guc_free(ptr)				free(ptr)
#endif

/* 16: all settings and their number, n. Callers include utils/guc_tables.h. */
#if PG_VERSION_NUM >= 160000
#define TQ_GUC_VARIABLES(n)		get_guc_variables(&(n))
#else
#define TQ_GUC_VARIABLES(n)		((n) = GetNumConfigOptions(), get_guc_variables())
#endif

/* 16: the right to SET ROLE is told apart from membership. */
#if PG_VERSION_NUM < 160000
#define member_can_set_role(member, role)	is_member_of_role(member, role)
#endif

/*
 * 16: one function for all kinds of objects. Only those that this extension
 * looks at are here. Callers include the catalog's header for the class.
 */
#if PG_VERSION_NUM < 160000
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"

static inline AclResult
object_aclcheck(Oid classid, Oid objectid, Oid roleid, AclMode mode)
{
	switch (classid)
	{
		case ProcedureRelationId:
			return pg_proc_aclcheck(objectid, roleid, mode);
		case NamespaceRelationId:
			return pg_namespace_aclcheck(objectid, roleid, mode);
		case TypeRelationId:
			return pg_type_aclcheck(objectid, roleid, mode);
		default:
			elog(ERROR, "unexpected object class %u", classid);
	}
}

static inline bool
object_ownercheck(Oid classid, Oid objectid, Oid roleid)
{
	switch (classid)
	{
		case ProcedureRelationId:
			return pg_proc_ownercheck(objectid, roleid);
		case NamespaceRelationId:
			return pg_namespace_ownercheck(objectid, roleid);
		case ExtensionRelationId:
			return pg_extension_ownercheck(objectid, roleid);
		case DatabaseRelationId:
			return pg_database_ownercheck(objectid, roleid);
		default:
			elog(ERROR, "unexpected object class %u", classid);
	}
}
#endif

/*
 * 18: index scans can be instrumented. 16: updates say which indexes need the
 * new version. Callers include access/genam.h, access/tableam.h and
 * executor/executor.h.
 */
#if PG_VERSION_NUM >= 180000
#define TQ_INDEX_BEGINSCAN(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define TQ_INDEX_BEGINSCAN(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

#if PG_VERSION_NUM >= 160000
#define TQ_INSERT_INDEX_TUPLES(rri, slot, estate, update, only_summarizing) \
	ExecInsertIndexTuples(rri, slot, estate, update, false, NULL, NIL, only_summarizing)
#else
typedef bool TU_UpdateIndexes;

#define TU_None			false
#define TU_Summarizing	2		/* no such answer */
#define TQ_INSERT_INDEX_TUPLES(rri, slot, estate, update, only_summarizing) \
	ExecInsertIndexTuples(rri, slot, estate, update, false, NULL, NIL)
#endif

#endif							/* TQ_BASE_COMPAT_H */
