/*-------------------------------------------------------------------------
 *
 * queue_change.c
 *	  Changes of queues and privileges.
 *
 * The trigger on these tables (api/config.c) registers an invalidation after
 * every statement, which resets the caches of queue.c, and makes workers look
 * again after the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "store/plans.h"
#include "store/queue.h"

#define NOPTIONS	5

/* Parameters $1 to $5 of the statements below. */
static void
bind_options(const char *name, const TqQueueOptions *options, Datum *values, bool *nulls)
{
	values[0] = CStringGetTextDatum(name);
	values[1] = Int32GetDatum(options->max_running);
	values[2] = options->retry_policy;
	values[3] = IntervalPGetDatum(options->keep_done);
	values[4] = IntervalPGetDatum(options->keep_failed);
	nulls[0] = false;
	nulls[1] = options->max_running < 0;
	nulls[2] = options->retry_policy == (Datum) 0;
	nulls[3] = options->keep_done == NULL;
	nulls[4] = options->keep_failed == NULL;
}

#define INSERT_QUEUE \
	"INSERT INTO task_queue.queue AS q (name, max_running, retry_policy, keep_done, keep_failed)" \
	" VALUES ($1, NULLIF($2, 0), $3, COALESCE($4, INTERVAL '1 day'), COALESCE($5, INTERVAL '30 days'))"

#define OPTION_TYPES \
	TEXTOID, INT4OID, TQ_RETRY_POLICY_TYPE, INTERVALOID, INTERVALOID

bool
tq_queue_create(const char *name, const TqQueueOptions *options, bool replace)
{
	static TqPlan insert = TQ_PLAN(INSERT_QUEUE " ON CONFLICT (name) DO NOTHING",
								   OPTION_TYPES);
	static TqPlan upsert = TQ_PLAN(INSERT_QUEUE " ON CONFLICT (name) DO UPDATE"
								   " SET max_running = EXCLUDED.max_running,"
								   " retry_policy = EXCLUDED.retry_policy,"
								   " keep_done = EXCLUDED.keep_done,"
								   " keep_failed = EXCLUDED.keep_failed",
								   OPTION_TYPES);
	Datum		values[NOPTIONS];
	bool		nulls[NOPTIONS];
	TqSpi		spi;
	bool		written;

	if (!replace && strcmp(name, TQ_DEFAULT_QUEUE) == 0)
		return false;
	tq_spi_begin(&spi);
	bind_options(name, options, values, nulls);
	written = tq_plan_run(replace ? &upsert : &insert, values, nulls) > 0;
	tq_spi_end(&spi);
	return written;
}

/* The queue "default" gets a row when it is altered for the first time. */
static void
make_row(const char *name)
{
	TqQueueOptions none = {.max_running = -1};

	if (strcmp(name, TQ_DEFAULT_QUEUE) != 0)
		(void) tq_queue_find(name, false);
	else
	{
		static TqPlan insert = TQ_PLAN(INSERT_QUEUE " ON CONFLICT (name) DO NOTHING",
									   OPTION_TYPES);
		Datum		values[NOPTIONS];
		bool		nulls[NOPTIONS];

		bind_options(name, &none, values, nulls);
		tq_plan_run(&insert, values, nulls);
	}
}

void
tq_queue_alter(const char *name, const TqQueueOptions *options)
{
	static TqPlan update = TQ_PLAN("UPDATE task_queue.queue"
								   " SET max_running = CASE WHEN $2 IS NULL THEN max_running"
								   " ELSE NULLIF($2, 0) END,"
								   " retry_policy = COALESCE($3, retry_policy),"
								   " keep_done = COALESCE($4, keep_done),"
								   " keep_failed = COALESCE($5, keep_failed)"
								   " WHERE name = $1",
								   OPTION_TYPES);
	Datum		values[NOPTIONS];
	bool		nulls[NOPTIONS];
	TqSpi		spi;

	tq_spi_begin(&spi);
	make_row(name);
	bind_options(name, options, values, nulls);
	tq_plan_run(&update, values, nulls);
	tq_spi_end(&spi);
}

void
tq_queue_set_paused(const char *name, bool paused)
{
	static TqPlan update = TQ_PLAN("UPDATE task_queue.queue SET paused = $2"
								   " WHERE name = $1 AND paused <> $2",
								   TEXTOID, BOOLOID);
	Datum		values[2];
	TqSpi		spi;

	tq_spi_begin(&spi);
	make_row(name);
	values[0] = CStringGetTextDatum(name);
	values[1] = BoolGetDatum(paused);
	tq_plan_run(&update, values, NULL);
	tq_spi_end(&spi);
}

/* With the queue go the grants to work on it. */
void
tq_queue_delete(const char *name)
{
	static TqPlan delete_queue = TQ_PLAN("DELETE FROM task_queue.queue WHERE name = $1",
										 TEXTOID);
	static TqPlan delete_grants = TQ_PLAN("DELETE FROM task_queue.privilege WHERE queue = $1",
										  TEXTOID);
	Datum		values[1];
	TqSpi		spi;

	tq_spi_begin(&spi);
	values[0] = CStringGetTextDatum(name);
	tq_plan_run(&delete_queue, values, NULL);
	tq_plan_run(&delete_grants, values, NULL);
	tq_spi_end(&spi);
}

int
tq_queue_live_tasks(const char *name, int64 above, int max_ids, int64 **ids)
{
	static TqPlan find = TQ_PLAN("SELECT task_id FROM task_queue.task"
								 " WHERE queue = $1 AND task_id > $2 ORDER BY task_id LIMIT $3",
								 TEXTOID, INT8OID, INT8OID);
	Datum		values[3];
	TqSpi		spi;
	int			n;

	*ids = palloc(sizeof(int64) * max_ids);
	tq_spi_begin(&spi);
	values[0] = CStringGetTextDatum(name);
	values[1] = Int64GetDatum(above);
	values[2] = Int64GetDatum(max_ids);
	n = (int) tq_plan_run(&find, values, NULL);
	for (int i = 0; i < n; i++)
		(*ids)[i] = tq_row_int64(i, 0);
	tq_spi_end(&spi);
	return n;
}

static void
change_privilege(TqPlan *plan, Oid role, char kind, const char *queue)
{
	Datum		values[3] = {ObjectIdGetDatum(role), CharGetDatum(kind)};
	bool		nulls[3] = {false, false, queue == NULL};
	TqSpi		spi;

	tq_spi_begin(&spi);
	if (queue != NULL)
		values[2] = CStringGetTextDatum(queue);
	tq_plan_run(plan, values, nulls);
	tq_spi_end(&spi);
}

void
tq_privilege_add(Oid role, char kind, const char *queue)
{
	static TqPlan insert = TQ_PLAN("INSERT INTO task_queue.privilege (role, kind, queue)"
								   " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
								   REGROLEOID, CHAROID, TEXTOID);

	change_privilege(&insert, role, kind, queue);
}

void
tq_privilege_remove(Oid role, char kind, const char *queue)
{
	static TqPlan delete = TQ_PLAN("DELETE FROM task_queue.privilege"
								   " WHERE role = $1 AND kind = $2 AND ($3 IS NULL OR queue = $3)",
								   REGROLEOID, CHAROID, TEXTOID);

	change_privilege(&delete, role, kind, queue);
}
