/*-------------------------------------------------------------------------
 *
 * list.h
 *	  Lists of names, as callers give them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_DAG_LIST_H
#define TQ_DAG_LIST_H

#include "postgres.h"

typedef struct TqNameList
{
	int			n;
	char	  **names;
} TqNameList;

/*
 * Read a text[] (0: none): NULLs and duplicates are dropped, order is kept.
 * what, if not NULL, names the elements in the error (22023) for an empty one.
 */
extern void tq_list_read(TqNameList *list, Datum array, const char *what);
extern void tq_list_append(TqNameList *list, char *name);
extern void tq_list_unique(TqNameList *list);

/* A text[], or 0 if the list is empty. */
extern Datum tq_list_datum(const TqNameList *list);
extern bool tq_list_overlaps(const TqNameList *list, const TqNameList *other);

#endif
