/*-------------------------------------------------------------------------
 *
 * state.c
 *		States and their names, in both directions, over all characters.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/state.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "tap.h"

#define WRITE_NAMES(kind, type) \
static void \
names_of_##kind(char *buf) \
{ \
	buf[0] = '\0'; \
	for (int c = CHAR_MIN; c <= CHAR_MAX; c++) \
	{ \
		const char *name = tq_##kind##_state_name((char) c); \
		type		back; \
\
		if (name == NULL) \
		{ \
			if (tq_##kind##_state_is_final((char) c)) \
				strcat(buf, "an unknown one is final "); \
			continue; \
		} \
		if (!tq_##kind##_state_parse(name, &back) || (char) back != (char) c) \
			strcat(buf, "not reversible: "); \
		strcat(buf, (const char[]) {(char) c, '=', '\0'}); \
		strcat(buf, name); \
		strcat(buf, tq_##kind##_state_is_final((char) c) ? "! " : " "); \
	} \
	if (tq_##kind##_state_parse("", &(type) {0}) || \
		tq_##kind##_state_parse("Done", &(type) {0}) || \
		tq_##kind##_state_parse("don", &(type) {0})) \
		strcat(buf, "accepts what is no name"); \
}

WRITE_NAMES(task, TqTaskState)
WRITE_NAMES(step, TqStepState)
WRITE_NAMES(dag, TqDagState)

int
main(void)
{
	char		buf[1024];

	names_of_task(buf);
	ok(strcmp(buf, "c=canceled! d=done! f=failed! r=ready s=scheduled x=running ") == 0,
	   "task states: %s", buf);
	names_of_step(buf);
	ok(strcmp(buf, "c=canceled! d=done! f=failed! k=skipped! p=pending x=running ") == 0,
	   "step states: %s", buf);
	names_of_dag(buf);
	ok(strcmp(buf, "c=canceled! d=done! f=failed! g=pausing h=paused x=running ") == 0,
	   "DAG states: %s", buf);
	return tap_done();
}
