# Whatever a handler leaves in its session is gone when the next task runs in
# the same process.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['task_queue.workers = 1']);

sql($node, <<'SQL');
CREATE ROLE app;
CREATE ROLE other;
GRANT USAGE ON SCHEMA task_queue TO app, other;
GRANT CREATE ON SCHEMA public TO app;
CREATE SEQUENCE seq CACHE 100;
GRANT USAGE ON SEQUENCE seq TO PUBLIC;
CREATE TABLE t1 (x int);
GRANT ALL ON t1 TO PUBLIC;

CREATE FUNCTION runs(command text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; RETURN pg_backend_pid(); END $$;
CREATE PROCEDURE proc_runs(command text) LANGUAGE plpgsql AS $$ BEGIN COMMIT; EXECUTE command; COMMIT; END $$;
CREATE PROCEDURE proc_runs_and_fails(command text) LANGUAGE plpgsql AS $$ BEGIN COMMIT; EXECUTE command; COMMIT; RAISE EXCEPTION 'failed'; END $$;
-- What a task sees of its session.
CREATE FUNCTION looks() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN jsonb_build_object(
		'settings', (SELECT jsonb_object_agg(name, setting) FROM pg_settings
			WHERE name IN ('search_path', 'work_mem', 'statement_timeout', 'lock_timeout', 'session_replication_role', 'TimeZone', 'DateStyle',
				'default_transaction_isolation', 'default_transaction_read_only', 'transaction_isolation', 'transaction_read_only',
				'transaction_deferrable', 'role', 'application_name', 'client_min_messages', 'row_security', 'synchronous_commit',
				'task_queue.execution', 'check_function_bodies', 'session_authorization')),
		'custom', coalesce(current_setting('my.setting', true), ''),
		'prepared', (SELECT count(*) FROM pg_prepared_statements),
		'cursors', (SELECT count(*) FROM pg_cursors),
		'locks', (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid IN (1, 2)),
		'temp', (SELECT count(*) FROM pg_class WHERE relpersistence = 't'),
		'temp schema', pg_my_temp_schema() <> 0 AND to_regclass('pg_temp.leak') IS NOT NULL,
		'listening', (SELECT count(*) FROM pg_listening_channels()),
		'user', current_user);
END $$;
CREATE FUNCTION next() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('seq') $$;
CREATE FUNCTION current() RETURNS bigint LANGUAGE sql AS $$ SELECT currval('seq') $$;
CREATE FUNCTION last() RETURNS bigint LANGUAGE sql AS $$ SELECT lastval() $$;
CREATE FUNCTION rolls_dice() RETURNS float8 LANGUAGE sql AS $$ SELECT random() $$;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

# Runs tasks one after the other: role, handler, command.
sub run_all
{
	my $script = '';
	for my $task (@_)
	{
		my ($role, $handler, $command) = @$task;
		my $args = defined $command ? "jsonb_build_array(\$\$$command\$\$)" : "'[]'";
		$script .= <<"END";
SET ROLE $role;
SELECT task_queue.enqueue('public.$handler', $args, retry_policy => task_queue.no_retry_policy()) AS id \\gset
SELECT :id, state FROM task_queue.wait(:id, '1 min');
END
	}
	return map { (split /\|/)[0] } split /\n/, sql($node, $script);
}

sub run_as
{
	return (run_all([@_]))[0];
}

sub outcome
{
	my ($id) = @_;
	return sql($node, "SELECT concat_ws(' ', t.state($id), (t.error($id)).sqlstate)");
}

my $clean = sql($node, 'SELECT t.result(' . run_as('other', 'looks') . ')');
like($clean, qr/"user": "other"/, 'a task looks at a clean session');

# Each is allowed, and leaves something behind; in functions, procedures, and procedures that then fail.
my @leaves = (
	'SET search_path = pg_temp, public',
	q{SET work_mem = '1MB'; SET my.setting = 'leaked'; SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'},
	q{SELECT set_config('search_path', 'leak', false)},
	q{SET statement_timeout = '1ms'},
	q{SET lock_timeout = '1ms'},
	'SET default_transaction_isolation = serializable; SET default_transaction_read_only = on',
	'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY',
	'SET client_min_messages = debug5; SET row_security = off; SET check_function_bodies = off; SET synchronous_commit = on',
	q{SET application_name = 'leaked'},
	q{SET task_queue.execution = 'inline'},
	'CREATE TEMP TABLE leak (x int)',
	'CREATE TEMP TABLE pg_class (x int)',
	'CREATE TEMP TABLE leak (x int) ON COMMIT DROP',
	'PREPARE leak AS SELECT 1',
	'DECLARE leak CURSOR WITH HOLD FOR SELECT 1',
	'SELECT pg_advisory_lock(1), pg_advisory_lock(2, 3), pg_advisory_lock_shared(4)',
	'SELECT setseed(0.5)',
	'DISCARD PLANS');
for my $command (@leaves)
{
	for my $handler ('runs', 'proc_runs', 'proc_runs_and_fails')
	{
		my ($id, $after) = run_all([ 'app', $handler, $command ], [ 'other', 'looks' ]);
		my $expected = $handler =~ /fails/ ? 'failed P0001' : 'done';
		my ($outcome, $seen) = split /; /, sql($node, "SELECT concat_ws(' ', t.state($id), (t.error($id)).sqlstate) || '; ' || t.result($after)"), 2;
		is("$outcome; " . ($seen eq $clean ? 'clean' : $seen), "$expected; clean", "$handler: $command");
	}
}

# Each is refused.
for my $case (
	[ 'LISTEN leak', '0A000' ], [ 'SET ROLE other', '42501' ], [ 'RESET ROLE', '42501' ], [ 'SET SESSION AUTHORIZATION other', '42501' ],
	[ 'RESET SESSION AUTHORIZATION', '42501' ], [ q{SELECT set_config('role', 'postgres', false)}, '42501' ], [ 'SET session_replication_role = replica', '42501' ],
	[ 'DISCARD ALL', '25001' ], [ 'VACUUM t1', '25001' ], [ q{PREPARE TRANSACTION 'leak'}, '0A000' ], [ 'ALTER ROLE app SUPERUSER', '42501' ],
	[ q{SET LOCAL ROLE postgres}, '42501' ], [ 'SET task_queue.claims = \'x\'', '42501' ])
{
	my ($command, $state) = @$case;
	for my $handler ('runs', 'proc_runs')
	{
		my ($id, $after) = run_all([ 'app', $handler, $command ], [ 'other', 'looks' ]);
		is(outcome($id) . '; ' . (sql($node, "SELECT t.result($after)") eq $clean ? 'clean' : 'changed'), "failed $state; clean", "$handler: $command is refused");
	}
}

# Sequences: neither the value nor the cached ones
is(sql($node, 'SELECT t.result(' . run_as('app', 'next') . ')'), '1', 'a task takes a number of a sequence');
is(outcome(run_as('app', 'current')), 'failed 55000', 'the next one has no currval()');
is(outcome(run_as('app', 'last')), 'failed 55000', 'nor lastval()');

# The seed of random() is one for the session: two tasks after the same setseed() differ.
my @dice = map { run_as('app', 'runs', 'SELECT setseed(0.5)'); sql($node, 'SELECT t.result(' . run_as('app', 'rolls_dice') . ')') } 1 .. 2;
isnt($dice[0], $dice[1], 'setseed() does not make the next task\'s random numbers');

# All of this happened in the same process.
is(sql($node, "SELECT count(DISTINCT result) FROM task_queue.history WHERE handler = 'public.runs' AND state = 'd'"), '1', 'the worker was the same all the time');
is(sql($node, 'SELECT count(*) FROM pg_class WHERE relpersistence = \'t\''), '0', 'no temporary table is left');
is(count_in_log($node, 'PANIC|TRAP|WARNING|FATAL'), 0, 'and the machinery has nothing to complain of');

$node->stop;
done_testing();
