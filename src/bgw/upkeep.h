/*-------------------------------------------------------------------------
 *
 * upkeep.h
 *	  Regular work on the tables: partitions, and what may go.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_UPKEEP_H
#define TQ_UPKEEP_H

/* False: something is left to do. */
extern bool tq_upkeep(void);

#endif
