-- drop_queue() with live tasks.
SET search_path = task_queue, public;
CREATE SCHEMA tq_drop;
CREATE FUNCTION tq_drop.h() RETURNS void LANGUAGE sql AS '';
SELECT register_handler('tq_drop.h()');
SELECT register_external('tq_drop.x');
SELECT create_queue('tq_drop'), create_queue('tq_stay');
SELECT count(enqueue(h, queue => q, delay => d))
FROM unnest(ARRAY['tq_drop.h', 'tq_drop.x']) AS h, unnest(ARRAY['tq_drop', 'tq_stay']) AS q, unnest(ARRAY[NULL, interval '1 h']) AS d;

-- refused, and nothing has changed
SELECT drop_queue('tq_drop');
SELECT drop_queue('tq_drop', false);
SELECT count(*) FROM task WHERE queue = 'tq_drop';

-- forced, and rolled back
BEGIN;
SELECT drop_queue('tq_drop', true);
SELECT count(*) FROM task WHERE queue = 'tq_drop';
SELECT enqueue('tq_drop.h', queue => 'tq_drop');
ROLLBACK;
SELECT count(*) FROM task WHERE queue = 'tq_drop';

-- forced
SELECT drop_queue('tq_drop', true);
SELECT count(*) FROM task WHERE queue = 'tq_drop';
SELECT handler, state, cancel_reason, attempt FROM history WHERE queue = 'tq_drop' ORDER BY task_id;
SELECT enqueue('tq_drop.h', queue => 'tq_drop');
SELECT queue, count(*) FROM task GROUP BY queue;

-- made anew it is empty
SELECT create_queue('tq_drop');
SELECT drop_queue('tq_drop');

DELETE FROM task;
DELETE FROM history;
SET client_min_messages = warning;
SELECT unregister_handler('tq_drop.h'), unregister_handler('tq_drop.x'), drop_queue('tq_stay');
DROP SCHEMA tq_drop CASCADE;
