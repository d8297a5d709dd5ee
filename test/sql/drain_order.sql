-- drain() runs in order what is there and what comes while it runs, and is not slower for what it has run already.
SET search_path = task_queue, public;
SET task_queue.execution = manual;
CREATE SCHEMA tq_order;
CREATE TABLE tq_order.seen (n serial, what text);
CREATE FUNCTION tq_order.note(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO tq_order.seen (what) VALUES (what)';
-- children that come before and after what waits, by priority and by time
CREATE FUNCTION tq_order.parent(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tq_order.note(what);
	PERFORM task_queue.enqueue('tq_order.note', jsonb_build_array(what || ': last'), priority => 9);
	PERFORM task_queue.enqueue('tq_order.note', jsonb_build_array(what || ': first'), priority => -9);
	PERFORM task_queue.enqueue('tq_order.note', jsonb_build_array(what || ': old'), run_at => '2000-01-01');
	PERFORM task_queue.enqueue('tq_order.note', jsonb_build_array(what || ': targeted'), priority => -8, target => 'worker:db/inline');
END $$;
CREATE FUNCTION tq_order.drains(what text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tq_order.note(what);
	PERFORM task_queue.enqueue('tq_order.note', jsonb_build_array(what || ': for the outer one'), queue => 'tq_order', priority => -5);
	PERFORM task_queue.enqueue('tq_order.note', jsonb_build_array(what || ': for the inner one'));
	RETURN (SELECT count(*) FROM task_queue.drain('default', max_tasks => 1));
END $$;
CREATE FUNCTION tq_order.resumes(what text) RETURNS void LANGUAGE sql AS $$ SELECT tq_order.note(what), task_queue.resume_queue('tq_order') $$;
CREATE FUNCTION tq_order.fails(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM nextval('tq_order.tries');
	IF currval('tq_order.tries') < 3 THEN RAISE EXCEPTION 'again'; END IF;
	PERFORM tq_order.note(what);
END $$;
CREATE SEQUENCE tq_order.tries;
SELECT register_handler(f) FROM unnest('{note,parent,drains,resumes,fails}'::text[]) AS n, LATERAL (SELECT ('tq_order.' || n || '(text)')::regprocedure AS f) AS f;
SELECT create_queue('tq_order');

SELECT count(enqueue('tq_order.note', jsonb_build_array(w))) FROM unnest('{a,b,c}'::text[]) AS w;
SELECT count(enqueue('tq_order.parent', '["parent 1"]')), count(enqueue('tq_order.parent', '["parent 2"]', priority => 1));
SELECT count(enqueue('tq_order.note', '["d"]')), count(enqueue('tq_order.note', '["e"]', priority => 5));
SELECT count(*) FROM drain();
SELECT string_agg(what, ', ' ORDER BY n) FROM tq_order.seen;
TRUNCATE tq_order.seen;

SELECT count(enqueue('tq_order.drains', '["outer"]')), count(enqueue('tq_order.note', '["z"]'));
SELECT count(*) FROM drain();
SELECT string_agg(what, ', ' ORDER BY n) FROM tq_order.seen;
TRUNCATE tq_order.seen;

-- what is behind, because it could not be served, is found at the end
SELECT pause_queue('tq_order');
SELECT count(enqueue('tq_order.note', '["was paused"]', queue => 'tq_order', priority => -7));
SELECT count(enqueue('tq_order.note', '["x"]')), count(enqueue('tq_order.resumes', '["resumes"]')), count(enqueue('tq_order.note', '["y"]'));
SELECT count(*) FROM drain();
SELECT string_agg(what, ', ' ORDER BY what) FROM tq_order.seen;
TRUNCATE tq_order.seen;

-- retried at once: behind what waits already
SELECT count(enqueue('tq_order.fails', '["third time"]', retry_policy => retry_policy('0'))), count(enqueue('tq_order.note', '["x"]'));
SELECT count(*) FROM drain();
SELECT string_agg(what, ', ' ORDER BY n) FROM tq_order.seen;
TRUNCATE tq_order.seen;

-- what was scheduled and is due by now is ready, whether anybody has looked at it or not
SELECT count(enqueue('tq_order.note', '["due"]', delay => '1 ms')), count(enqueue('tq_order.note', '["due first"]', delay => '1 ms', priority => -1)),
	count(enqueue('tq_order.note', '["not yet"]', delay => '1 h')), count(enqueue('tq_order.note', '["ready"]', priority => 1));
SELECT count(pg_sleep(0.01));
SELECT state, count(*) FROM tasks WHERE handler = 'tq_order.note' AND state IN ('ready', 'scheduled') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM drain();
SELECT string_agg(what, ', ' ORDER BY n) FROM tq_order.seen;
TRUNCATE tq_order.seen;
SELECT count(*) FROM tasks WHERE cancel(task_id);
-- not so what the call itself has scheduled
SELECT count(enqueue('tq_order.fails', '["later"]', retry_policy => retry_policy('1 us')))
FROM setval('tq_order.tries', 1);
SELECT state FROM drain();
SELECT count(pg_sleep(0.01));
SELECT state FROM drain();
TRUNCATE tq_order.seen;
-- with include_scheduled everything in order, also what is scheduled meanwhile
CREATE FUNCTION tq_order.schedules(what text) RETURNS void LANGUAGE sql AS $$
	SELECT tq_order.note(what), enqueue('tq_order.note', jsonb_build_array(what || ': first'), delay => '5 h', priority => -3),
		enqueue('tq_order.note', jsonb_build_array(what || ': next'), delay => '3 h')
$$;
SELECT register_handler('tq_order.schedules(text)');
SELECT count(enqueue('tq_order.note', jsonb_build_array(h || ' h'), delay => h * interval '1 h')) FROM unnest('{4,1,6}'::int[]) AS h;
SELECT count(enqueue('tq_order.schedules', '["2 h"]', delay => '2 h'));
SELECT count(*) FROM drain(include_scheduled => true);
SELECT string_agg(what, ', ' ORDER BY n) FROM tq_order.seen;
TRUNCATE tq_order.seen;

-- targets: those of the setting, which may be written as a list or as one string, and its own name
SELECT count(enqueue('tq_order.note', jsonb_build_array(t), target => t)) FROM unnest('{a,b c,d,worker:db/inline,worker:db/1}'::text[]) AS t;
SET task_queue.claims = 'd', ' b c ,,d';
SHOW task_queue.claims;
SELECT count(*) FROM drain();
SELECT string_agg(what, ', ' ORDER BY n) FROM tq_order.seen;
RESET task_queue.claims;
SELECT target, state FROM tasks WHERE state = 'ready' ORDER BY task_id;
SELECT count(*) FROM tasks WHERE cancel(task_id);
TRUNCATE tq_order.seen;

-- many in one transaction
BEGIN;
SELECT count(*) FROM enqueue_many('tq_order.note', array_fill('["n"]'::jsonb, ARRAY[5000]));
SELECT count(*) FROM drain(max_tasks => 3000);
SELECT count(*) FROM drain();
SELECT count(*) FROM drain();
ROLLBACK;

DELETE FROM history;
DELETE FROM attempt;
SET client_min_messages = warning;
SELECT count(unregister_handler('tq_order.' || n)) FROM unnest('{note,parent,drains,resumes,fails,schedules}'::text[]) AS n;
SELECT drop_queue('tq_order');
DROP SCHEMA tq_order CASCADE;
