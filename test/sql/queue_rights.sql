-- Who may change queues, and what grants do.
SET search_path = task_queue, public;
CREATE ROLE tq_plain;
CREATE ROLE tq_group;
CREATE ROLE tq_member IN ROLE tq_group;
GRANT USAGE ON SCHEMA task_queue TO tq_plain, tq_group;
SELECT create_queue('mail');

-- nothing of this is for everybody
SET ROLE tq_plain;
SELECT create_queue('x');
\set VERBOSITY sqlstate
SELECT create_queue('mail', or_replace => true);
SELECT alter_queue('mail', 3);
SELECT alter_queue('nope', 3);
SELECT pause_queue('mail');
SELECT resume_queue('mail');
SELECT drop_queue('mail');
SELECT grant_worker('tq_plain');
SELECT revoke_worker('tq_plain');
SELECT grant_admin('tq_plain');
SELECT revoke_admin('tq_plain');
SELECT * FROM queue;
INSERT INTO queue (name, keep_done, keep_failed) VALUES ('x', '0', '0');
SELECT * FROM privilege;
SELECT * FROM lane;
\set VERBOSITY default
RESET ROLE;

-- a grant to a role is one to its members
SELECT grant_admin('tq_group'), grant_admin('tq_group');
SET ROLE tq_member;
SELECT pause_queue('mail'), resume_queue('mail');
SELECT grant_worker('tq_plain', 'mail'), grant_worker('tq_plain', 'mail'), grant_worker('tq_plain');
RESET ROLE;
SELECT * FROM privilege ORDER BY role::text, kind, queue;
SELECT revoke_worker('tq_plain', 'mail');
SELECT * FROM privilege ORDER BY role::text, kind, queue;
SELECT grant_worker('tq_plain', 'mail'), revoke_worker('tq_plain');
SELECT * FROM privilege ORDER BY role::text, kind, queue;

-- membership that ends, and a grant that is taken back, count at once
REVOKE tq_group FROM tq_member;
GRANT USAGE ON SCHEMA task_queue TO tq_member;
SET ROLE tq_member;
SELECT pause_queue('mail');
RESET ROLE;
SET ROLE tq_group;
SELECT revoke_admin('tq_group');
SELECT pause_queue('mail');
RESET ROLE;

-- a grant that is rolled back does not
BEGIN;
SELECT grant_admin('tq_plain');
SET LOCAL ROLE tq_plain;
SELECT pause_queue('mail');
ROLLBACK;
SET ROLE tq_plain;
SELECT resume_queue('mail');
RESET ROLE;

-- bad values
SELECT grant_worker('tq_plain', 'maill');
\set VERBOSITY sqlstate
SELECT grant_worker(NULL);
SELECT grant_admin(NULL);
SELECT revoke_worker(NULL);
SELECT revoke_admin(NULL);
SELECT grant_worker(4294967295::oid::regrole);
SELECT grant_admin('-');
SELECT revoke_worker('tq_plain', 'nope');
\set VERBOSITY default

-- with a queue go the grants to work on it
SELECT grant_worker('tq_plain', 'mail');
SELECT drop_queue('mail');
SELECT * FROM privilege;

REVOKE USAGE ON SCHEMA task_queue FROM tq_plain, tq_group, tq_member;
DROP ROLE tq_plain, tq_group, tq_member;
