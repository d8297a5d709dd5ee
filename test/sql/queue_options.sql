-- Queues: making, altering, pausing and dropping them.
SET search_path = task_queue, public;

-- the queue default exists without a row
SELECT count(*) FROM queue;
\set VERBOSITY sqlstate
SELECT create_queue('default');
SELECT pause_queue('nope');
SELECT resume_queue('nope');
SELECT alter_queue('nope');
SELECT drop_queue('nope');
SELECT drop_queue('nope', true);
\set VERBOSITY default
SELECT drop_queue('default', true);

-- all options, and none
SELECT create_queue('mail', 2, retry_policy('2 s'), '7 days', '90 days');
SELECT create_queue('other');
SELECT create_queue('zero', 0, NULL, NULL, NULL, NULL);
SELECT * FROM queue ORDER BY name;

-- taken, and replaced as a whole
SELECT create_queue('mail');
SELECT pause_queue('mail');
SELECT create_queue('mail', 3, or_replace => true);
SELECT * FROM queue WHERE name = 'mail';
SELECT create_queue('default', 4, or_replace => true);
SELECT * FROM queue WHERE name = 'default';

-- altered: null leaves as it is
SELECT alter_queue('mail', keep_done => '0');
SELECT alter_queue('mail', retry_policy => no_retry_policy());
SELECT alter_queue('mail', keep_failed => '1 hour');
SELECT alter_queue('mail', NULL, NULL, NULL, NULL);
SELECT * FROM queue WHERE name = 'mail';
SELECT alter_queue('mail', 0);
SELECT max_running FROM queue WHERE name = 'mail';

-- pausing twice is the same as once
SELECT resume_queue('mail'), resume_queue('mail');
SELECT paused FROM queue WHERE name = 'mail';
SELECT pause_queue('default'), pause_queue('default');
SELECT name, paused FROM queue ORDER BY name;
SELECT resume_queue('default');

-- bad values
\set VERBOSITY sqlstate
SELECT create_queue(NULL);
SELECT create_queue('');
SELECT create_queue(repeat('x', 64));
SELECT create_queue('bad', -1);
SELECT create_queue('bad', keep_done => '-1 s');
SELECT create_queue('bad', keep_failed => '-1 s');
SELECT create_queue('bad', retry_policy => ROW(NULL, NULL, NULL, NULL, NULL, 1));
SELECT alter_queue(NULL);
SELECT alter_queue('mail', -1);
SELECT alter_queue('mail', keep_done => '-1 s');
SELECT pause_queue(NULL);
SELECT resume_queue(NULL);
SELECT drop_queue(NULL);
\set VERBOSITY default
SELECT create_queue(repeat('x', 63));
SELECT create_queue(repeat('ä', 32));
SELECT alter_queue('Mail');

-- a queue that is gone is unknown; what a rolled-back transaction did is too
SELECT drop_queue(repeat('x', 63)), drop_queue('zero'), drop_queue('other', NULL);
SELECT pause_queue('other');
BEGIN;
SELECT create_queue('brief');
SAVEPOINT one;
SELECT create_queue('briefer');
SELECT pause_queue('briefer');
ROLLBACK TO one;
SELECT pause_queue('brief');
SAVEPOINT two;
SELECT pause_queue('briefer');
ROLLBACK TO two;
ROLLBACK;
SELECT pause_queue('brief');

-- nothing is left in a read-only transaction
BEGIN READ ONLY;
SELECT pause_queue('mail');
ROLLBACK;

-- rows that come in otherwise, as by restoring a dump, are seen as well
INSERT INTO queue VALUES ('restored', NULL, NULL, '1 day', '1 day', true);
SELECT drop_queue('restored');
DELETE FROM queue;
SELECT drop_queue('mail');
