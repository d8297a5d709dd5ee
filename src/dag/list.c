/*-------------------------------------------------------------------------
 *
 * list.c
 *	  Lists of names, as callers give them.
 *
 * A list can have as many elements as a DAG has steps, so duplicates are
 * found by sorting.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "dag/list.h"

typedef struct Place
{
	char	   *name;
	int			index;
} Place;

static int
compare_places(const void *a, const void *b)
{
	const Place *left = a;
	const Place *right = b;
	int			order = strcmp(left->name, right->name);

	return order != 0 ? order : left->index - right->index;
}

/* Keep the first of equal names. */
void
tq_list_unique(TqNameList *list)
{
	Place	   *places;
	int			kept = 0;

	if (list->n < 2)
		return;
	places = palloc(list->n * sizeof(Place));
	for (int i = 0; i < list->n; i++)
	{
		places[i].name = list->names[i];
		places[i].index = i;
	}
	qsort(places, list->n, sizeof(Place), compare_places);
	for (int i = 1; i < list->n; i++)
	{
		if (strcmp(places[i].name, places[i - 1].name) == 0)
			list->names[places[i].index] = NULL;
	}
	for (int i = 0; i < list->n; i++)
	{
		if (list->names[i] != NULL)
			list->names[kept++] = list->names[i];
	}
	list->n = kept;
	pfree(places);
}

void
tq_list_append(TqNameList *list, char *name)
{
	if (list->n == 0)
		list->names = palloc(sizeof(char *));
	else
		list->names = repalloc(list->names, (list->n + 1) * sizeof(char *));
	list->names[list->n++] = name;
}

void
tq_list_read(TqNameList *list, Datum array, const char *what)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	list->n = 0;
	list->names = NULL;
	if (array == (Datum) 0)
		return;
	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	if (n == 0)
		return;
	list->names = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		char	   *name;

		if (nulls[i])
			continue;
		name = TextDatumGetCString(elements[i]);
		if (what != NULL && name[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not be empty", what)));
		list->names[list->n++] = name;
	}
	tq_list_unique(list);
}

Datum
tq_list_datum(const TqNameList *list)
{
	Datum	   *elements;

	if (list->n == 0)
		return (Datum) 0;
	elements = palloc(list->n * sizeof(Datum));
	for (int i = 0; i < list->n; i++)
		elements[i] = CStringGetTextDatum(list->names[i]);
	return PointerGetDatum(construct_array(elements, list->n, TEXTOID, -1, false, TYPALIGN_INT));
}

bool
tq_list_overlaps(const TqNameList *list, const TqNameList *other)
{
	for (int i = 0; i < list->n; i++)
	{
		for (int j = 0; j < other->n; j++)
		{
			if (strcmp(list->names[i], other->names[j]) == 0)
				return true;
		}
	}
	return false;
}
