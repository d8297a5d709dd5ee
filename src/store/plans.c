/*-------------------------------------------------------------------------
 *
 * plans.c
 *	  Saved SPI plans for the extension's own SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "jit/jit.h"
#include "optimizer/cost.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "store/plans.h"

void
tq_spi_begin(TqSpi *spi)
{
	spi->caller = CurrentMemoryContext;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	tq_owner_enter(&spi->owner);
}

void
tq_spi_end(TqSpi *spi)
{
	tq_owner_leave(&spi->owner);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	MemoryContextSwitchTo(spi->caller);
}

bool
tq_spi_is_nested(void)
{
	return SPI_inside_nonatomic_context();
}

static Oid
resolve_type(Oid type)
{
	if (type == TQ_RETRY_POLICY_TYPE)
		return tq_type_oid("retry_policy");
	if (type == TQ_TASK_ERROR_TYPE)
		return tq_type_oid("task_error");
	return type;
}

/*
 * The composite types' oids change when the extension is dropped and made
 * again, so a plan remembers for which schema it was prepared.
 */
static void
prepare(TqPlan *plan)
{
	Oid			types[TQ_PLAN_MAX_ARGS];
	SPIPlanPtr	fresh;

	for (int i = 0; i < plan->nargs; i++)
		types[i] = resolve_type(plan->argtypes[i]);
	fresh = SPI_prepare(plan->sql, plan->nargs, types);
	if (fresh == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", plan->sql,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(fresh) != 0)
		elog(ERROR, "SPI_keepplan failed");
	if (plan->saved != NULL)
		SPI_freeplan(plan->saved);
	plan->saved = fresh;
	plan->schema = tq_schema_oid();
}

/*
 * Our statements find rows by index.  A plan made while a table was empty, or
 * looked so, would read all of it, and is kept after the table has grown.
 * Compiling them never pays either, and a plan that has to read a whole table
 * all the same would seem to be worth it.
 */
static int
execute_by_index(TqPlan *plan, const Datum *values, const char *flags, Snapshot snapshot,
				 bool read_only)
{
	bool		seqscan = enable_seqscan;
	bool		jit = jit_enabled;
	int			rc;

	enable_seqscan = false;
	jit_enabled = false;
	PG_TRY();
	{
		if (snapshot != InvalidSnapshot)
			rc = SPI_execute_snapshot(plan->saved, unconstify(Datum *, values), flags,
									  snapshot, InvalidSnapshot, read_only, false, 0);
		else
			rc = SPI_execute_plan(plan->saved, unconstify(Datum *, values), flags, read_only, 0);
	}
	PG_FINALLY();
	{
		enable_seqscan = seqscan;
		jit_enabled = jit;
	}
	PG_END_TRY();
	return rc;
}

static uint64
execute(TqPlan *plan, const Datum *values, const bool *nulls, Snapshot snapshot, bool read_only)
{
	char		flags[TQ_PLAN_MAX_ARGS];
	int			rc;

	if (plan->saved == NULL || plan->schema != tq_schema_oid())
		prepare(plan);
	for (int i = 0; i < plan->nargs; i++)
		flags[i] = (nulls != NULL && nulls[i]) ? 'n' : ' ';
	rc = execute_by_index(plan, values, flags, snapshot, read_only);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", plan->sql, SPI_result_code_string(rc));
	return SPI_processed;
}

uint64
tq_plan_run(TqPlan *plan, const Datum *values, const bool *nulls)
{
	return execute(plan, values, nulls, InvalidSnapshot, false);
}

uint64
tq_plan_run_snapshot(TqPlan *plan, const Datum *values, const bool *nulls, Snapshot snapshot)
{
	return execute(plan, values, nulls, snapshot, false);
}

uint64
tq_plan_execute(TqPlan *plan, const Datum *values, const bool *nulls)
{
	TqSpi		spi;
	uint64		n;

	tq_spi_begin(&spi);
	n = tq_plan_run(plan, values, nulls);
	tq_spi_end(&spi);
	return n;
}

uint64
tq_plan_query(TqPlan *plan, const Datum *values, const bool *nulls, Snapshot snapshot)
{
	return execute(plan, values, nulls, snapshot, true);
}

Datum
tq_row_datum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column + 1, isnull);
}

bool
tq_row_is_null(uint64 row, int column)
{
	bool		isnull;

	(void) tq_row_datum(row, column, &isnull);
	return isnull;
}

int64
tq_row_int64(uint64 row, int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

int32
tq_row_int32(uint64 row, int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

bool
tq_row_bool(uint64 row, int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);

	return isnull ? false : DatumGetBool(value);
}

char
tq_row_char(uint64 row, int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);

	return isnull ? '\0' : DatumGetChar(value);
}

Oid
tq_row_oid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

char *
tq_row_text(uint64 row, int column, MemoryContext context)
{
	bool		isnull;
	Datum		value = tq_row_datum(row, column, &isnull);
	MemoryContext old;
	char	   *result;

	if (isnull)
		return NULL;
	old = MemoryContextSwitchTo(context);
	result = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return result;
}

Datum
tq_row_copy(uint64 row, int column, MemoryContext context, bool *isnull)
{
	Form_pg_attribute attr = TupleDescAttr(SPI_tuptable->tupdesc, column);
	Datum		value = tq_row_datum(row, column, isnull);
	MemoryContext old;

	if (*isnull)
		return (Datum) 0;
	old = MemoryContextSwitchTo(context);
	if (attr->attlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, attr->attbyval, attr->attlen);
	MemoryContextSwitchTo(old);
	return value;
}
