/*-------------------------------------------------------------------------
 *
 * health.c
 *	  The checks of health(), which are SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/builtins.h"

#include "store/health.h"
#include "store/plans.h"

static TqPlan check = TQ_PLAN(
	"SELECT severity, check_name, message, hint"
	" FROM task_queue._health($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
	BOOLOID, INT4OID, BOOLOID, BOOLOID, BOOLOID, BOOLOID, INT4OID, TEXTOID, INT4OID, INT4OID, INT4OID, TEXTOID, TEXTOID);

void
tq_health_check(const TqHealthFacts *facts, Tuplestorestate *store)
{
	Datum		values[] = {
		BoolGetDatum(facts->preloaded),
		Int32GetDatum(facts->workers),
		BoolGetDatum(facts->enabled),
		BoolGetDatum(facts->listed),
		BoolGetDatum(facts->out_of_slots),
		BoolGetDatum(facts->start_failed),
		Int32GetDatum(facts->idle_workers),
		CStringGetTextDatum(facts->claims),
		Int32GetDatum(facts->ready_capacity),
		Int32GetDatum(facts->leases),
		Int32GetDatum(facts->lease_capacity),
		CStringGetTextDatum(psprintf(UINT64_FORMAT, GetSystemIdentifier())),
		CStringGetTextDatum(facts->home)
	};
	TqSpi		spi;

	tq_spi_begin(&spi);
	(void) tq_plan_run(&check, values, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(store, SPI_tuptable->vals[i]);
	tq_spi_end(&spi);
}
