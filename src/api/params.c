/*-------------------------------------------------------------------------
 *
 * params.c
 *	  The parameters of a handler as SQL arrays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "api/params.h"

Datum
tq_params_names(const TqSignature *signature)
{
	int			n = signature->nparams;
	Datum	   *values = palloc0(Max(1, n) * sizeof(Datum));
	bool	   *nulls = palloc(Max(1, n) * sizeof(bool));
	int			lower = 1;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	for (int i = 0; i < n; i++)
	{
		nulls[i] = signature->params[i].name == NULL;
		if (!nulls[i])
			values[i] = CStringGetTextDatum(signature->params[i].name);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
tq_params_types(const TqSignature *signature)
{
	Datum	   *values = palloc(Max(1, signature->nparams) * sizeof(Datum));

	for (int i = 0; i < signature->nparams; i++)
		values[i] = ObjectIdGetDatum(signature->params[i].type);
	return PointerGetDatum(construct_array(values, signature->nparams, REGTYPEOID,
										   sizeof(Oid), true, TYPALIGN_INT));
}
