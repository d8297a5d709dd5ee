-- User data that pg_dump must carry, though the tables belong to the extension. Day partitions are made at run time and are dumped as
-- ordinary tables. One statement each: every call changes the same row of pg_extension.

DO $$
DECLARE
	relation pg_catalog.regclass;
BEGIN
	FOREACH relation IN ARRAY ARRAY['queue', 'handler', 'handler_name', 'lane', 'task', 'history_default', 'attempt_default',
		'cancel_request', 'privilege', 'meta', 'schedule', 'task_task_id_seq', 'handler_handler_id_seq']::pg_catalog.regclass[]
	LOOP
		PERFORM pg_catalog.pg_extension_config_dump(relation, '');
	END LOOP;
END
$$;
