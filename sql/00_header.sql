/* task_queue: install script. Generated from the numbered files of sql/. */

-- complain if the script is sourced in psql rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION task_queue" to load this file. \quit

/*
 * Everything below is created with fixed names in the schema task_queue. If
 * somebody else made that schema beforehand, they could have put objects
 * there that our functions would then find. CREATE EXTENSION does not look
 * who owns a schema that exists already, so the script does.
 */
DO $$
DECLARE
	schema_owner pg_catalog.oid;
BEGIN
	SELECT n.nspowner INTO schema_owner
	FROM pg_catalog.pg_namespace AS n
	WHERE n.nspname OPERATOR(pg_catalog.=) 'task_queue';
	IF schema_owner OPERATOR(pg_catalog.<>)
		(SELECT r.oid FROM pg_catalog.pg_roles AS r
		 WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER)
	THEN
		RAISE EXCEPTION 'schema "task_queue" exists already and belongs to somebody else'
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = pg_catalog.format('Its owner is %s, not %I.',
					schema_owner::pg_catalog.regrole, CURRENT_USER),
				HINT = 'Drop the schema, or make the role that creates the extension its owner.';
	END IF;
END
$$;

