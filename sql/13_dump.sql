-- User data that pg_dump must carry, though the tables belong to the extension. Day partitions are made at run time and are dumped as
-- ordinary tables.

SELECT pg_catalog.pg_extension_config_dump(t, '')
FROM pg_catalog.unnest(ARRAY['queue', 'handler', 'handler_name', 'lane', 'task', 'history_default', 'attempt_default', 'cancel_request',
	'privilege', 'meta', 'schedule', 'task_task_id_seq', 'handler_handler_id_seq']::pg_catalog.regclass[]) AS t;
