/*-------------------------------------------------------------------------
 *
 * unknown.c
 *	  What is said of a handler name that nobody registered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include "base/errors.h"
#include "handler/registry.h"
#include "store/plans.h"

static TqPlan names_plan = TQ_PLAN0("SELECT name FROM task_queue.handler_name");

static TqPlan of_function_plan = TQ_PLAN(
	"SELECT name FROM task_queue.handler"
	" WHERE function_schema OPERATOR(pg_catalog.=) $1 AND function_name OPERATOR(pg_catalog.=) $2"
	" ORDER BY handler_id",
	TEXTOID, TEXTOID);

static char *
closest_name(const char *name)
{
	TqSpi		spi;
	uint64		n;
	const char **known;
	const char *closest;
	char	   *copy = NULL;

	tq_spi_begin(&spi);
	n = tq_plan_run(&names_plan, NULL, NULL);
	known = palloc_extended(Max(1, n) * sizeof(char *), MCXT_ALLOC_HUGE);
	for (uint64 i = 0; i < n; i++)
		known[i] = tq_row_text(i, 0, CurrentMemoryContext);
	closest = tq_error_closest(name, known, (int) n);
	if (closest != NULL)
		copy = MemoryContextStrdup(spi.caller, closest);
	tq_spi_end(&spi);
	return copy;
}

/* The name of a handler of a function; NULL if it is not registered. */
static char *
name_of_function(Oid function)
{
	TqSpi		spi;
	Datum		values[2];
	char	   *name = NULL;

	tq_spi_begin(&spi);
	values[0] = CStringGetTextDatum(get_namespace_name(get_func_namespace(function)));
	values[1] = CStringGetTextDatum(get_func_name(function));
	if (tq_plan_run(&of_function_plan, values, NULL) > 0)
		name = tq_row_text(0, 0, spi.caller);
	tq_spi_end(&spi);
	return name;
}

/* A function of that name is a better guess than a handler whose name is alike. */
void
tq_handler_unknown(const char *name)
{
	Oid			function = tq_function_named(name);
	char	   *meant;
	char	   *signature;

	meant = OidIsValid(function) ? name_of_function(function) : closest_name(name);
	if (OidIsValid(function) && meant == NULL)
	{
		signature = format_procedure_qualified(function);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("handler \"%s\" does not exist", name),
				 errdetail("There is a function %s, but it is not registered.", signature),
				 errhint("Register it: SELECT task_queue.register_handler(%s);",
						 quote_literal_cstr(signature))));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("handler \"%s\" does not exist", name),
			 meant != NULL ? errhint("Did you mean \"%s\"?", meant) : 0));
	pg_unreachable();
}
