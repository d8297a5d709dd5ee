/*-------------------------------------------------------------------------
 *
 * lane.h
 *	  The layout of lane ids.
 *
 * A lane id is a hash of what the lane is for; its low 16 bits tell which
 * kind of claimer serves it, so that a commit knows whom to wake from the id
 * alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_POLICY_LANE_H
#define TQ_POLICY_LANE_H

#define TQ_LANE_CLASS_DATABASE	1	/* any in-database worker */
#define TQ_LANE_CLASS_EXTERNAL	2	/* external workers */
#define TQ_LANE_CLASS_MANUAL	3	/* only drain() */
#define TQ_LANE_CLASS_TARGET	4	/* in-database workers that claim a target */
#define TQ_LANE_CLASS_WORKER	0x1000	/* plus n: the worker db/n */
#define TQ_LANE_CLASS_WORKER_MAX	0x7fff

#define TQ_LANE_CLASS(lane)		((int) ((uint64) (lane) & 0xffff))

#endif
