/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Fencing tokens of external leases.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "run/token.h"

#define RANDOM_BITS		37
#define GENERATIONS		65535	/* told apart by 16 bits, of which 0 is left out */
#define POOL_SIZE		32

/* Asking for many random numbers at once costs little more than asking for one. */
static uint64 pool[POOL_SIZE];
static int	pool_left = 0;

static uint64
random_bits(void)
{
	if (pool_left == 0)
	{
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		pool_left = POOL_SIZE;
	}
	return pool[--pool_left] & ((UINT64CONST(1) << RANDOM_BITS) - 1);
}

static uint64
generation_part(int32 gen)
{
	return (uint32) gen % GENERATIONS + 1;
}

int64
tq_token_make(int32 gen)
{
	return (int64) (generation_part(gen) << RANDOM_BITS | random_bits());
}

bool
tq_token_is_of(int64 token, int32 gen)
{
	return token > 0 && (uint64) token >> RANDOM_BITS == generation_part(gen);
}
