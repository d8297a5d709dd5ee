/*-------------------------------------------------------------------------
 *
 * upkeep.c
 *	  Regular work on the tables: partitions, and what may go.
 *
 * Each part has a transaction of its own, which gives up soon where somebody
 * has locked what it needs, so that it keeps nobody and none of the others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "bgw/transaction.h"
#include "bgw/upkeep.h"
#include "dag/engine.h"
#include "store/cancel.h"
#include "store/history.h"
#include "store/lane.h"

typedef struct Part
{
	const char *doing;			/* for the log */
	bool		(*run) (void);	/* false: something is left */
} Part;

static bool
forget_cancels(void)
{
	tq_cancel_forget_ended();
	return true;
}

static bool
remove_lanes(void)
{
	(void) tq_lane_remove_empty();
	return true;
}

static const Part parts[] = {
	{"maintaining partitions", tq_history_maintain},
	{"removing expired DAGs", tq_dag_expire},
	{"removing requests to cancel", forget_cancels},
	{"removing empty lanes", remove_lanes}
};

typedef struct Running
{
	const Part *part;
	bool		complete;
} Running;

static void
run_part(void *arg)
{
	Running    *running = arg;

	running->complete = running->part->run();
}

bool
tq_upkeep(void)
{
	bool		complete = true;

	for (int i = 0; i < lengthof(parts); i++)
	{
		Running		running = {.part = &parts[i]};
		ErrorData  *error = tq_transaction_try(run_part, &running);

		if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			tq_transaction_log(error, parts[i].doing);
		complete &= error == NULL && running.complete;
	}
	return complete;
}
