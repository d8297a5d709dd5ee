/*-------------------------------------------------------------------------
 *
 * plans.h
 *	  Saved SPI plans for the extension's own SQL.
 *
 * A store function opens a TqSpi scope (SPI_connect, then the owner scope of
 * base/owner.h), runs saved plans, copies out what it needs in the caller's
 * memory (scope.caller) and closes the scope.  User code must never run
 * inside.  SQL texts name tables with their schema; search_path is pinned, so
 * functions and operators are those of pg_catalog.
 *
 *	  static TqPlan find = TQ_PLAN("SELECT … WHERE task_id = $1", INT8OID);
 *
 * A plan is prepared at its first use and kept for the backend's life; the
 * plan cache follows DDL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_PLANS_H
#define TQ_PLANS_H

#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/snapshot.h"

#include "base/owner.h"

/* Stand-ins for types whose oids are known only at run time. */
#define TQ_RETRY_POLICY_TYPE	((Oid) 1)
#define TQ_TASK_ERROR_TYPE		((Oid) 2)

#define TQ_PLAN_MAX_ARGS	40

typedef struct TqPlan
{
	const char *sql;
	int			nargs;
	Oid			argtypes[TQ_PLAN_MAX_ARGS];
	SPIPlanPtr	saved;
	Oid			schema;			/* the schema it was prepared for */
} TqPlan;

#define TQ_PLAN0(sql_) {.sql = (sql_), .nargs = 0}
#define TQ_PLAN(sql_, ...) \
	{.sql = (sql_), \
	 .nargs = sizeof((Oid[]) {__VA_ARGS__}) / sizeof(Oid), \
	 .argtypes = {__VA_ARGS__}}

typedef struct TqSpi
{
	TqOwnerScope owner;
	MemoryContext caller;		/* the context to copy results into */
} TqSpi;

extern void tq_spi_begin(TqSpi *spi);
extern void tq_spi_end(TqSpi *spi);

/* Of a CALL that may end transactions: was it made by a DO block or a procedure? */
extern bool tq_spi_is_nested(void);

/*
 * Run a plan with the snapshot of a new command, which from REPEATABLE READ on
 * is the transaction's; the result is in SPI_processed and SPI_tuptable.  nulls
 * may be NULL (none).  Returns SPI_processed.
 * tq_plan_run_snapshot runs it with the given snapshot.
 * tq_plan_query reads with the given snapshot, without counting as a command.
 * tq_plan_execute is tq_plan_run in a scope of its own, for the count alone.
 */
extern uint64 tq_plan_run(TqPlan *plan, const Datum *values, const bool *nulls);
extern uint64 tq_plan_run_snapshot(TqPlan *plan, const Datum *values, const bool *nulls, Snapshot snapshot);
extern uint64 tq_plan_execute(TqPlan *plan, const Datum *values, const bool *nulls);
extern uint64 tq_plan_query(TqPlan *plan, const Datum *values, const bool *nulls, Snapshot snapshot);

/* A column (counted from 0) of a row of SPI_tuptable. */
extern Datum tq_row_datum(uint64 row, int column, bool *isnull);
extern bool tq_row_is_null(uint64 row, int column);
extern int64 tq_row_int64(uint64 row, int column);	/* 0 if null */
extern int32 tq_row_int32(uint64 row, int column);
extern bool tq_row_bool(uint64 row, int column);
extern char tq_row_char(uint64 row, int column);
extern Oid	tq_row_oid(uint64 row, int column);
/* Copied into context; NULL if null. */
extern char *tq_row_text(uint64 row, int column, MemoryContext context);
/* Copied into context if by reference; (Datum) 0 if null. */
extern Datum tq_row_copy(uint64 row, int column, MemoryContext context, bool *isnull);

#endif
