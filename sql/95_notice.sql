-- What whoever creates the extension should know at once.

DO $$
BEGIN
	IF NOT task_queue._preloaded() THEN
		RAISE WARNING 'task_queue is not preloaded: no background workers will run tasks'
			USING DETAIL = 'Only drain(), run_tasks() and dequeue() will run them.',
				HINT = 'Add task_queue to shared_preload_libraries and restart the server.';
	END IF;
END
$$;
