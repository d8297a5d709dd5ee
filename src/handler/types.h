/*-------------------------------------------------------------------------
 *
 * types.h
 *	  What has to be known of a type to make a value of it from JSON.
 *
 * Entries are made at first use and live as long as the backend, so pointers
 * to them may be kept.  They are marked invalid when the type or its input
 * function changes; who uses an entry calls tq_type_refresh() first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TYPES_H
#define TQ_TYPES_H

#include "postgres.h"

#include "fmgr.h"

typedef enum TqTypeClass
{
	TQ_TYPE_INTEGER,			/* smallint, integer, bigint */
	TQ_TYPE_FLOAT,
	TQ_TYPE_NUMERIC,
	TQ_TYPE_BOOLEAN,
	TQ_TYPE_TEXT,
	TQ_TYPE_JSON,
	TQ_TYPE_JSONB,
	TQ_TYPE_OID,				/* oid and reg* */
	TQ_TYPE_ARRAY,
	TQ_TYPE_VECTOR,				/* int2vector and oidvector */
	TQ_TYPE_COMPOSITE,
	TQ_TYPE_DOMAIN,
	TQ_TYPE_OTHER				/* a string, through the input function */
} TqTypeClass;

typedef struct TqType
{
	Oid			oid;			/* hash key */
	bool		valid;
	TqTypeClass class;
	int16		len;
	bool		by_value;
	char		align;
	Oid			related;		/* array, vector: of an element; domain: the base type */
	int32		base_typmod;	/* domain: of the base type */
	bool		not_null;		/* domain: it, or one below it, is NOT NULL */
	FmgrInfo	input;			/* scalar types but JSON's */
	Oid			input_param;
	uint32		type_hash;		/* what invalidations name */
	uint32		input_hash;
} TqType;

extern TqType *tq_type_get(Oid oid);
extern void tq_type_reload(TqType *type);

static inline void
tq_type_refresh(TqType *type)
{
	if (unlikely(!type->valid))
		tq_type_reload(type);
}

/* Does an element of an array of it take a JSON array as a value, rather than as one more dimension? */
extern bool tq_type_takes_array(TqType *element);

/*
 * A name that finds the type again whatever search_path is, also after a dump
 * and restore, and the type of such a name; InvalidOid if there is none.
 */
extern char *tq_type_stable_name(Oid oid);
extern Oid	tq_type_of_stable_name(const char *name);

extern void tq_types_init(void);

#endif
