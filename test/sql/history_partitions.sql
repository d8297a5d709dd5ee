-- Where ended tasks are kept, and for how long. Maintenance is called by hand;
-- at the end partitions of the past stand in for the passing of days.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET task_queue.execution = manual;
CREATE SCHEMA history_partitions;
-- the scheduler may be at it just now
CREATE FUNCTION history_partitions.maintain() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..100 LOOP
		IF task_queue._maintain_history() THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END
$$;
CREATE FUNCTION history_partitions.half(n int) RETURNS int LANGUAGE sql AS 'SELECT 10 / n';
SELECT task_queue.register_handler('history_partitions.half(int)', name => 'hp.half', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.register_handler('history_partitions.half(int)', name => 'hp.long', keep_done => '400 days');
SELECT task_queue.register_handler('history_partitions.half(int)', name => 'hp.years', keep_done => '1100 days');
SELECT task_queue.register_handler('history_partitions.half(int)', name => 'hp.none', keep_done => '0');
SELECT task_queue.create_queue('hp_days', keep_done => '3 days', keep_failed => '41 days');

-- what the install script makes: default partitions only, without rows
SELECT count(*) FROM task_queue.history_default WHERE handler LIKE 'hp.%';

-- upkeep makes partitions for the coming days, and there is nothing left to do
SELECT history_partitions.maintain();
SELECT count(*) > 3 AS some FROM pg_inherits WHERE inhparent = 'task_queue.history'::regclass;
SELECT count(*) AS orphans FROM pg_class AS c
WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^(history|attempt)_\d+$' AND NOT c.relispartition;

-- each row is in the partition of its day, not in the default one
SELECT task_queue.enqueue('hp.half', '[2]') AS a, task_queue.enqueue('hp.half', '[0]') AS b, task_queue.enqueue('hp.half', '[5]', queue => 'hp_days') AS c,
	task_queue.enqueue('hp.half', '[0]', queue => 'hp_days') AS d, task_queue.enqueue('hp.long', '[1]') AS e,
	task_queue.enqueue('hp.years', '[1]') AS f, task_queue.enqueue('hp.none', '[1]') AS g \gset
SELECT count(*) FROM task_queue.drain();
SELECT handler, queue, state,
	expires_at - finished_at BETWEEN interval '1 day' AND interval '42 days' + interval '31 days' AS days,
	tableoid::regclass::text = 'task_queue.history_' || to_char(expires_at, 'YYYYMMDD') AS own_partition
FROM task_queue.history WHERE handler IN ('hp.half') ORDER BY task_id;
-- above 40 days: rounded up to the first of a month; above 1000 days, of a year
SELECT handler, expires_at = date_trunc(CASE handler WHEN 'hp.long' THEN 'month' ELSE 'year' END, expires_at) AS rounded,
	expires_at >= finished_at + interval '400 days' AS long_enough,
	expires_at < finished_at + interval '440 days' AS month, expires_at < finished_at + interval '1100 days' + interval '367 days' AS year
FROM task_queue.history WHERE handler IN ('hp.long', 'hp.years') ORDER BY task_id;
SELECT queue, expires_at = date_trunc('month', expires_at) AS first_of_month, expires_at >= finished_at + interval '41 days' AS long_enough
FROM task_queue.history WHERE task_id = :d;
SELECT count(*) AS no_row FROM task_queue.history WHERE handler = 'hp.none';
SELECT queue, tableoid::regclass::text = 'task_queue.attempt_' || to_char(expires_at, 'YYYYMMDD') AS own_partition
FROM task_queue.attempt WHERE task_id IN (:b, :d) ORDER BY task_id;

-- found through every index of the partition
SET enable_seqscan = off;
SELECT task_id = :a AS found FROM task_queue.history WHERE task_id = :a;
SELECT count(*) FROM task_queue.history WHERE state = 'f' AND finished_at > '2000-01-01' AND handler LIKE 'hp.%';
RESET enable_seqscan;

-- a new keeping time: rows go to the default partition until the next upkeep
SELECT task_queue.alter_queue('hp_days', keep_done => '12 days');
-- (looked at before the commit, because the scheduler may be at it right after that)
BEGIN;
SELECT task_queue.enqueue('hp.half', '[3]', queue => 'hp_days') AS h \gset
SELECT count(*) FROM task_queue.drain();
SELECT tableoid::regclass FROM task_queue.history WHERE task_id = :h;
SELECT check_name, message FROM task_queue.health() WHERE check_name = 'default_partition';
COMMIT;
SELECT history_partitions.maintain();
SELECT tableoid::regclass::text = 'task_queue.history_' || to_char(expires_at, 'YYYYMMDD') AS own_partition, result FROM task_queue.history WHERE task_id = :h;
SELECT count(*) FROM task_queue.health() WHERE check_name = 'default_partition';

-- a trigger, an index or another column does not get lost on the short way
CREATE FUNCTION history_partitions.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'trigger saw %', NEW.result; RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON task_queue.history FOR EACH ROW EXECUTE FUNCTION history_partitions.note();
SELECT task_queue.enqueue('hp.half', '[1]') AS i \gset
SELECT count(*) FROM task_queue.drain();
DROP TRIGGER note ON task_queue.history;
CREATE INDEX hp_queue ON task_queue.history (queue, handler);
SELECT task_queue.enqueue('hp.half', '[2]', queue => 'hp_days') AS j \gset
SELECT count(*) FROM task_queue.drain();
SET enable_seqscan = off;
SELECT count(*) FROM task_queue.history WHERE queue = 'hp_days' AND handler = 'hp.half';
RESET enable_seqscan;
DROP INDEX task_queue.hp_queue;
-- a large document
SELECT task_queue.enqueue('hp.half', '[2]', trace_ctx => jsonb_build_object('x', repeat('abc', 100000))) AS k \gset
SELECT count(*) FROM task_queue.drain();
SELECT length(trace_ctx ->> 'x') FROM task_queue.history WHERE task_id = :k;

-- a lock that somebody holds: upkeep gives up soon and says so
SELECT task_queue.alter_queue('hp_days', keep_done => '14 days');
CREATE EXTENSION dblink;
SELECT dblink_connect('other', 'dbname=' || quote_literal(current_database()));
SELECT dblink_exec('other', 'BEGIN; LOCK TABLE task_queue.history_default IN ACCESS SHARE MODE');
SELECT task_queue._maintain_history();
SELECT dblink_exec('other', 'ROLLBACK');
SELECT dblink_disconnect('other');
DROP EXTENSION dblink;
SELECT history_partitions.maintain();

-- days pass: expired partitions go with their rows, expired rows of the default partition too
SELECT task_queue._add_partition('history', '2001-02-03'), task_queue._add_partition('attempt', '2001-02-03');
UPDATE task_queue.history SET expires_at = '2001-02-03 04:05' WHERE task_id = :a;
UPDATE task_queue.history SET expires_at = '2001-02-04 04:05' WHERE task_id = :b;
SELECT tableoid::regclass, count(*) FROM task_queue.history WHERE task_id IN (:a, :b) GROUP BY 1 ORDER BY 1;
SELECT history_partitions.maintain();
SELECT to_regclass('task_queue.history_20010203') IS NULL AS dropped, to_regclass('task_queue.attempt_20010203') IS NULL AS dropped;
SELECT count(*) FROM task_queue.history WHERE task_id IN (:a, :b);

-- requests to cancel tasks that ended without looking
INSERT INTO task_queue.cancel_request (task_id, role, discard) VALUES (:c, 'pg_monitor', false), (:j, 'pg_monitor', true);
SELECT history_partitions.maintain();
SELECT count(*) FROM task_queue.cancel_request;
SELECT task_id = :c AS kept FROM task_queue.history WHERE task_id IN (:c, :j);

SELECT count(task_queue.delete_task(task_id)) > 0 AS cleaned FROM task_queue.tasks WHERE handler LIKE 'hp.%';
SELECT task_queue.drop_queue('hp_days');
SELECT count(task_queue.unregister_handler(name)) FROM task_queue.handlers WHERE name LIKE 'hp.%';
DROP SCHEMA history_partitions CASCADE;
