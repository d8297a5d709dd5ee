-- Which lane a task is in, and that every lane in use is listed.
SET search_path = task_queue, public;
CREATE SCHEMA tq_lanes;
CREATE FUNCTION tq_lanes.inside() RETURNS void LANGUAGE sql AS '';
SELECT register_handler('tq_lanes.inside()');
SELECT register_external('tq_lanes.outside', aliases => '{tq_lanes.alias}');
SELECT create_queue('tq_lane');
DELETE FROM lane;
CREATE TEMP VIEW lanes AS
	SELECT l.kind, l.queue, l.handler, l.target, count(t.task_id) AS tasks
	FROM task AS t LEFT JOIN lane AS l ON l.id = t.lane
	GROUP BY l.kind, l.queue, l.handler, l.target
	ORDER BY l.kind, l.queue, l.handler, l.target;

-- one lane for what runs in the database, one for each external name; each target its own
SELECT count(enqueue(h, queue => q, target => t))
FROM unnest(ARRAY['tq_lanes.inside', 'tq_lanes.outside', 'tq_lanes.alias']) AS h,
	unnest(ARRAY['default', 'tq_lane']) AS q,
	unnest(ARRAY[NULL, 'a', 'b']) AS t;
SELECT * FROM lanes;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id = 0) AS zero FROM lane;

-- sessions that run their tasks themselves keep them from workers; inline ones run at once
SET task_queue.execution = manual;
SELECT count(enqueue(h)) FROM unnest(ARRAY['tq_lanes.inside', 'tq_lanes.outside']) AS h;
INSERT INTO task (handler) VALUES ('tq_lanes.inside');
RESET task_queue.execution;
SELECT * FROM lanes WHERE queue = 'default' AND target IS NULL;
DELETE FROM task;
SELECT count(task_queue.delete_task(task_id)) >= 0 AS cleaned FROM tasks WHERE handler LIKE 'tq\_lanes.%';

-- a lane of a transaction that is rolled back is listed again by the next
DELETE FROM lane;
BEGIN;
SELECT enqueue('tq_lanes.inside') > 0 AS ok;
ROLLBACK;
SELECT count(*) FROM lane;
SELECT enqueue('tq_lanes.inside') > 0 AS ok;
SELECT * FROM lanes;

-- and of a savepoint, in the same transaction and after it
BEGIN;
SELECT enqueue('tq_lanes.inside', target => 'a') > 0 AS ok;
SAVEPOINT one;
SELECT enqueue('tq_lanes.inside', target => 'b') > 0 AS ok;
SAVEPOINT two;
SELECT enqueue('tq_lanes.inside', target => 'c') > 0 AS ok;
RELEASE two;
SELECT enqueue('tq_lanes.inside', target => 'd') > 0 AS ok;
ROLLBACK TO one;
SELECT enqueue('tq_lanes.inside', target => t) > 0 AS ok FROM unnest(ARRAY['a', 'b']) AS t;
COMMIT;
SELECT enqueue('tq_lanes.inside', target => t) > 0 AS ok FROM unnest(ARRAY['a', 'b', 'c', 'd']) AS t;
SELECT * FROM lanes;
SELECT count(*), count(DISTINCT id) FROM lane;

-- many at once
INSERT INTO task (handler, target) SELECT 'tq_lanes.outside', 't' || n % 2000 FROM generate_series(1, 4000) AS n;
SELECT count(*), count(DISTINCT id) FROM lane WHERE target LIKE 't%';
SELECT count(*) FROM task AS t WHERE NOT EXISTS (SELECT FROM lane AS l WHERE l.id = t.lane);

-- a lane that somebody removes is listed again when it is used
DELETE FROM lane WHERE target = 'a';
SELECT enqueue('tq_lanes.inside', target => 'a') > 0 AS ok;
SELECT count(*) FROM lane WHERE target = 'a';

DELETE FROM task;
DELETE FROM lane;
SET client_min_messages = warning;
SELECT unregister_handler('tq_lanes.inside'), unregister_handler('tq_lanes.outside'), drop_queue('tq_lane');
DROP SCHEMA tq_lanes CASCADE;
