-- DAGs: steps linked by data and order.

CREATE FUNCTION step(id text, handler text, args jsonb DEFAULT '[]', after text[] DEFAULT NULL, after_any text[] DEFAULT NULL,
	optional boolean DEFAULT false, retry_policy retry_policy DEFAULT NULL, timeout interval DEFAULT NULL, queue text DEFAULT NULL,
	priority int DEFAULT 0, target text DEFAULT NULL, colocate_with text DEFAULT NULL, follow_target_of text DEFAULT NULL,
	colocate_here boolean DEFAULT false, wait_for text[] DEFAULT NULL, break_before text[] DEFAULT NULL,
	break_after text[] DEFAULT NULL, delay interval DEFAULT NULL, run_if text DEFAULT NULL, for_each text DEFAULT NULL,
	undo text DEFAULT NULL)
RETURNS step
AS 'MODULE_PATHNAME', 'tq_step'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION step(text, text, jsonb, text[], text[], boolean, retry_policy, interval, text, int, text, text, text, boolean, text[], text[], text[], interval, text, text, text) IS
'Describe a step for submit_dag() and add_step(), which check it. args: as of enqueue(); top-level elements may be ref(), ref_or_default(), refs() and signal_ref(), and each step that they name is a dependency. after: steps that must succeed first. after_any: steps that must end first, however. optional: its failure alone does not fail the DAG. retry_policy, timeout, queue, priority: as of enqueue(). target: a claim; colocate_with: the worker that executed that step; follow_target_of: the target of that step; colocate_here (in add_step()): the worker of the step that adds it; at most one of the four. wait_for: signals. break_before, break_after: labels of breakpoints, effective if submit_dag() lists one as active. delay: starts that long after it became ready. run_if, for_each and undo are reserved (0A000). Example: task_queue.step(''load'', ''app.load'', jsonb_build_array(task_queue.ref(''fetch''), 7), after => ''{check}'').';

CREATE FUNCTION ref(step_id text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'tq_ref'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ref(text) IS
'As a top-level element of a step''s args: the result of another step. If that step fails or is skipped, this one is skipped. A step without a result gives null. Raises 22023 for an empty or null id.';

CREATE FUNCTION ref_or_default(step_id text, fallback jsonb)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'tq_ref_or_default'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION ref_or_default(text, jsonb) IS
'As a top-level element of a step''s args: the result of another step, or fallback if that step fails, is skipped or canceled; null is JSON null. Raises 22023 for an empty or null id.';

CREATE FUNCTION refs(step_ids text[])
RETURNS jsonb
AS 'MODULE_PATHNAME', 'tq_refs'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION refs(text[]) IS
'As a top-level element of a step''s args: the results of these steps as one JSON array, in order. If one of them fails or is skipped, this step is skipped. Raises 22023 for a null array, and an empty or null id.';

CREATE FUNCTION signal_ref(name text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'tq_signal_ref'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION signal_ref(text) IS
'As a top-level element of a step''s args: the payload of a signal, for which the step waits. Raises 22023 for an empty or null name.';

CREATE FUNCTION submit_dag(steps step[], id text DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, labels text[] DEFAULT NULL,
	active_breakpoints text[] DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, reply_to text DEFAULT NULL, keep interval DEFAULT NULL,
	deadline timestamptz DEFAULT NULL, on_conflict text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'tq_submit_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION submit_dag(step[], text, retry_policy, text[], text[], jsonb, text, interval, timestamptz, text) IS
'Run steps in the order of their dependencies; returns the DAG''s id, a random UUID if none is given. All or nothing, and part of the transaction: it starts at commit. retry_policy: for steps that have none. labels: for list_dags(); also those of its tasks. active_breakpoints: labels at which it stops until resume_breakpoint(). trace_ctx: of its tasks. reply_to: a NOTIFY channel that is told of its end, with dag_id and state. keep: how long it is kept after its end; NULL: until delete_dag(). deadline and on_conflict are reserved (0A000). Raises 42710 for an id that is taken or a step that is there twice, 42704 for an unknown step or queue, TQ008 for a cycle (DETAIL: its path), 42883 for an unknown handler, 42501 without EXECUTE on a function, TQ001 to TQ003 for arguments that do not fit, 22023 for what is empty or malformed, 55000 for colocate_here. Example: SELECT task_queue.submit_dag(ARRAY[task_queue.step(''a'', ''app.fetch''), task_queue.step(''b'', ''app.load'', jsonb_build_array(task_queue.ref(''a'')))]).';

CREATE FUNCTION add_step(step step, dag_id text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_add_step'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION add_step(step, text) IS
'Add a step to a DAG that has not ended. Inside a step, dag_id NULL is its own DAG: the new step starts after this one succeeded, and in a function handler it is undone with a failed attempt. From elsewhere, or for another DAG, name in after what it shall wait for. The same id with the same definition changes nothing. Raises 42710 for an id that is taken by another definition, 55000 without a DAG or for one that has ended, 42704 for an unknown DAG, step or queue, TQ008 for a step that depends on itself, and otherwise as submit_dag().';

CREATE FUNCTION pause_dag(dag_id text)
RETURNS text
AS 'MODULE_PATHNAME', 'tq_pause_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pause_dag(text) IS
'Hold the pending steps of a running DAG. Returns paused, or pausing while steps that were handed over before have not ended. Raises 55000 in any other state, 42704 for an unknown DAG.';

CREATE FUNCTION resume_dag(dag_id text)
RETURNS text
AS 'MODULE_PATHNAME', 'tq_resume_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION resume_dag(text) IS
'Let a pausing or paused DAG go on; returns running. A running one stays so. Raises 55000 for one that has ended, 42704 for an unknown DAG.';

CREATE FUNCTION cancel_dag(dag_id text, reason text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'tq_cancel_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION cancel_dag(text, text) IS
'Cancel a DAG and its pending and waiting steps at once; steps being executed are told, at commit, and are canceled when they end unless they finish first. Returns canceled, or the state of a DAG that had ended as done or failed. On a canceled DAG it cancels what is left. Raises 42704 for an unknown DAG.';

CREATE FUNCTION delete_dag(dag_id text, force boolean DEFAULT false)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_delete_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION delete_dag(text, boolean) IS
'Remove an ended DAG with its steps, results, signals and tasks; false if there is none of that id. One that has not ended raises 55000 unless force: then steps being executed are told to stop, and their outcome is dropped.';

CREATE FUNCTION purge_dags(older_than interval, labels text[] DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'tq_purge_dags'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION purge_dags(interval, text[]) IS
'Remove the DAGs that ended longer ago than older_than and have all these labels (NULL: any), with their tasks; returns how many. Administrators only (42501).';

CREATE FUNCTION retry_step(dag_id text, step_id text)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_retry_step'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION retry_step(text, text) IS
'Run a failed step again, from attempt 1, and with it the steps that were skipped because of it. A DAG that had ended is running again. Raises 55000 for a step that has not failed and for a canceled DAG, 42704 for an unknown DAG or step.';

CREATE FUNCTION signal(dag_id text, name text, payload jsonb DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_signal'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION signal(text, text, jsonb) IS
'Deliver a signal to a DAG: present and future steps that wait for it go on, and signal_ref() gives its payload (NULL: JSON null). True for the first delivery of a name; false afterwards, and for a DAG that has ended: nothing is stored then. Raises 22023 for an empty name, 42704 for an unknown DAG.';

CREATE FUNCTION resume_breakpoint(dag_id text, label text)
RETURNS int
AS 'MODULE_PATHNAME', 'tq_resume_breakpoint'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION resume_breakpoint(text, text) IS
'Release every breakpoint with this label at which the DAG stands still now; returns how many. Released ones do not stop again. Raises 42704 for an unknown DAG.';

CREATE FUNCTION await_step(dag_id text, step_id text, timeout interval DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'tq_await_step'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION await_step(text, text, interval) IS
'Wait for a step and return its result (NULL if it has none). Raises TQ004 if it failed (DETAIL: the kind), TQ009 if it was skipped, TQ005 if it was canceled, TQ007 at the end of the timeout (NULL: wait for ever; zero: look once), 42704 for an unknown DAG or step, 55000 for a DAG that this transaction submitted or changed and, without a timeout, inside a handler, 57P03 if no workers would ever run it.';

CREATE FUNCTION await_dag(dag_id text, timeout interval DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'tq_await_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION await_dag(text, interval) IS
'Wait until a DAG has ended and return its state: done, failed or canceled. Raises TQ007 at the end of the timeout (NULL: wait for ever; zero: look once), and otherwise as await_step().';
