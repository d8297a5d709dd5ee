/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Stepping aside for DDL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DDL_H
#define TQ_DDL_H

#include "postgres.h"

#include "tcop/utility.h"

/*
 * The ProcessUtility hook: databases and extensions that are dropped, renamed,
 * moved or copied get rid of our processes first and get them back afterwards,
 * also after an error.
 */
extern void tq_ddl_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
						   ProcessUtilityContext context, ParamListInfo params,
						   QueryEnvironment *environment, DestReceiver *dest,
						   QueryCompletion *completion, ProcessUtility_hook_type next);

extern void tq_ddl_init(void);

#endif
