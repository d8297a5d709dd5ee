/*-------------------------------------------------------------------------
 *
 * state.c
 *		States and their names, over all characters.
 *
 *-------------------------------------------------------------------------
 */
#include "policy/state.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "tap.h"

typedef const char *(*NameOf) (char state);
typedef bool (*IsFinal) (char state);

static char names[1024];

/* All states with their names; final ones are marked. */
static const char *
names_of(NameOf name_of, IsFinal is_final)
{
	names[0] = '\0';
	for (int c = CHAR_MIN; c <= CHAR_MAX; c++)
	{
		const char *name = name_of((char) c);

		if (name == NULL)
		{
			if (is_final((char) c))
				strcat(names, "an unknown one is final ");
			continue;
		}
		strcat(names, (const char[]) {(char) c, '=', '\0'});
		strcat(names, name);
		strcat(names, is_final((char) c) ? "! " : " ");
	}
	return names;
}

static void
expect(NameOf name_of, IsFinal is_final, const char *what, const char *expected)
{
	ok(strcmp(names_of(name_of, is_final), expected) == 0, "%s states: %s", what, names);
}

static bool
parse_reverses_name(void)
{
	for (int c = CHAR_MIN; c <= CHAR_MAX; c++)
	{
		const char *name = tq_dag_state_name((char) c);
		TqDagState	back;

		if (name != NULL && (!tq_dag_state_parse(name, &back) || (char) back != (char) c))
			return false;
	}
	return true;
}

static bool
is_name(const char *name)
{
	return tq_dag_state_parse(name, &(TqDagState) {0});
}

int
main(void)
{
	expect(tq_task_state_name, tq_task_state_is_final, "task",
		   "c=canceled! d=done! f=failed! r=ready s=scheduled x=running ");
	expect(tq_step_state_name, tq_step_state_is_final, "step",
		   "c=canceled! d=done! f=failed! k=skipped! p=pending x=running ");
	expect(tq_dag_state_name, tq_dag_state_is_final, "DAG",
		   "c=canceled! d=done! f=failed! g=pausing h=paused x=running ");
	ok(parse_reverses_name(), "a DAG's state is found by its name");
	ok(!is_name("") && !is_name("Done") && !is_name("don"), "and by nothing else");
	return tap_done();
}
