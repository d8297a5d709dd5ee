/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Fencing tokens of external leases.
 *
 * A token is the generation of the task and random bits: new for every
 * hand-out, without anything being written, and still telling after a crash
 * whether the task has changed hands since.  It stays below 2^53, so that
 * every client language can hold it in a number.  The part of the generation
 * is never zero, so small numbers are no tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_TOKEN_H
#define TQ_TOKEN_H

#include "postgres.h"

extern int64 tq_token_make(int32 gen);
extern bool tq_token_is_of(int64 token, int32 gen);

#endif
