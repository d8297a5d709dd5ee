/*-------------------------------------------------------------------------
 *
 * queue.h
 *	  Queues and privileges, with per-backend caches that relcache
 *	  invalidations of their tables reset.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TQ_QUEUE_H
#define TQ_QUEUE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define TQ_DEFAULT_QUEUE	"default"

/* Kinds of privileges. */
#define TQ_PRIVILEGE_ADMIN	'a'
#define TQ_PRIVILEGE_WORKER	'w'

typedef struct TqQueue
{
	char	   *name;
	int			max_running;	/* 0: no limit */
	Datum		retry_policy;	/* a retry_policy, or 0 */
	int64		keep_done_us;
	int64		keep_failed_us;
	bool		paused;
} TqQueue;

/* The queue "default" always exists.  missing_ok: NULL, else 42704 with a HINT.  Valid until the next invalidation is accepted: copy what must last. */
extern const TqQueue *tq_queue_find(const char *name, bool missing_ok);
extern const TqQueue *const *tq_queue_list(int *nqueues);

/* Rights.  Superusers, the extension's owner and those who hold a grant_admin() are administrators. */
extern bool tq_role_is_admin(Oid role);

/* May a role decide what is done as another one?  An administrator may, but not for a superuser. */
extern bool tq_role_may_instruct(Oid role, Oid other);
extern void tq_require_admin(Oid role, const char *action);		/* 42501 */
extern bool tq_role_serves_queue(Oid role, const char *queue);	/* a grant_worker(), or an administrator */

/*
 * Changes.  Names and rights are the caller's business.  Values that may be
 * null are Datums with a flag; policies and intervals as in table queue.
 */
typedef struct TqQueueOptions
{
	int			max_running;	/* -1: not given; 0: no limit */
	Datum		retry_policy;	/* 0: not given */
	Interval   *keep_done;		/* NULL: not given */
	Interval   *keep_failed;
} TqQueueOptions;

/* False: the queue exists and replace is not set. */
extern bool tq_queue_create(const char *name, const TqQueueOptions *options, bool replace);
extern void tq_queue_alter(const char *name, const TqQueueOptions *options);	/* 42704 */
extern void tq_queue_set_paused(const char *name, bool paused); /* 42704 */
extern void tq_queue_delete(const char *name);

/* Ids of live tasks of a queue above a given one, ascending; palloc'd. */
extern int	tq_queue_live_tasks(const char *name, int64 above, int max_ids, int64 **ids);

/* queue NULL: every queue.  Removing that removes those to single queues, too. */
extern void tq_privilege_add(Oid role, char kind, const char *queue);
extern void tq_privilege_remove(Oid role, char kind, const char *queue);

extern void tq_queue_init(void);

#endif
