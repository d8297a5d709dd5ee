# Schedules with the real pg_cron: a job of the extension's owner enqueues for
# the role that made the schedule, through the same queue as everything else.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($libdir) = run_command([ 'pg_config', '--pkglibdir' ]);
plan skip_all => 'pg_cron is not installed' unless -e "$libdir/pg_cron.so";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'task_queue, pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
max_worker_processes = 20
log_min_messages = info
});
$node->start;

# SQLSTATE and message of what a statement, run as that role, raises.
sub error_of
{
	my ($role, $sql) = @_;
	my (undef, undef, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET ROLE $role;\n$sql");
	return $stderr;
}

sub as_role
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', "SET ROLE $role;\n$sql");
}

sub query { return $node->safe_psql('postgres', $_[0]) }

query(q{
	CREATE EXTENSION task_queue;
	CREATE ROLE alice;
	CREATE ROLE bob;
	CREATE ROLE boss;
	GRANT USAGE ON SCHEMA task_queue TO alice, bob, boss;
	SELECT task_queue.grant_admin('boss');
	CREATE TABLE fired (who name, fire_time timestamptz, what text);
	GRANT INSERT ON fired TO alice;
	CREATE FUNCTION note(what text) RETURNS text LANGUAGE sql AS
		'INSERT INTO fired SELECT current_user, t.fire_time, $1 FROM task_queue.current_task() AS t; SELECT $1';
	SELECT task_queue.register_handler('note(text)', name => 'note');
});

my $schedule = q{SELECT task_queue.schedule('tick', '* * * * *', 'note', '["tick"]')};
like(error_of('alice', $schedule), qr/0A000: .*pg_cron/, 'refused before CREATE EXTENSION pg_cron');
query('CREATE EXTENSION pg_cron');

# The job that will really fire; the other checks run while its minute comes.
my $job = as_role('alice', $schedule);
my $made_at = time;
is(query("SELECT jobname, username = (SELECT extowner::regrole::text FROM pg_extension WHERE extname = 'task_queue'), active, command FROM cron.job WHERE jobid = $job"),
	q{task_queue: tick|t|t|SELECT task_queue._fire_schedule('tick')}, 'the job belongs to the owner of the extension');
is(as_role('alice', 'SELECT name, cron, handler, args, active, last_run_at, last_state, scheduled_by FROM task_queue.schedules'),
	'tick|* * * * *|note|["tick"]|t|||alice', 'the view shows it to its role');
is(as_role('bob', 'SELECT count(*) FROM task_queue.schedules'), '0', 'and to nobody else');

# What is refused.
like(error_of('alice', q{SELECT task_queue.schedule('bad', 'every day', 'note', '["x"]')}), qr/22023: /, 'a bad cron expression');
like(error_of('alice', q{SELECT task_queue.schedule('bad', '* * * * *', 'not', '["x"]')}), qr/42883: .*HINT:  .*note/s, 'an unknown handler');
like(error_of('alice', q{SELECT task_queue.schedule('bad', '* * * * *', 'note', '[]')}), qr/TQ001: /, 'arguments missing');
like(error_of('alice', q{SELECT task_queue.schedule('bad', '* * * * *', 'note', '[1]')}), qr/TQ002: /, 'an argument of another type');
like(error_of('alice', q{SELECT task_queue.schedule('bad', '* * * * *', 'note', '["x"]', queue => 'nowhere')}), qr/42704: /, 'an unknown queue');
like(error_of('alice', q{SELECT task_queue.schedule('bad', '* * * * *', 'note', '["x"]', timeout => '-1 s')}), qr/22023: /, 'a negative timeout');
like(error_of('alice', q{SELECT task_queue.schedule('bad', '* * * * *', 'note', '["x"]', target => '')}), qr/22023: /, 'an empty target');
query('REVOKE EXECUTE ON FUNCTION note(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION note(text) TO alice');
like(error_of('bob', q{SELECT task_queue.schedule('bad', '* * * * *', 'note', '["x"]')}), qr/42501: /, 'a function that one may not execute');
is(query("SELECT count(*) FROM task_queue.schedule WHERE name = 'bad'") . query("SELECT count(*) FROM cron.job WHERE jobname LIKE '%bad'"),
	'00', 'what is refused leaves neither a schedule nor a job');

# Replacing and removing.
query('GRANT EXECUTE ON FUNCTION note(text) TO PUBLIC');
my $yearly = as_role('alice', q{SELECT task_queue.schedule('Alice''s "own"\\', '0 0 1 1 *', 'note', '["a"]', queue => 'default', priority => 3, labels => '{l}')});
is(as_role('alice', q{SELECT task_queue.schedule('Alice''s "own"\\', '0 0 2 1 *', 'note', '{"what":"b"}')}), $yearly, 'the same name again changes the job');
is(query("SELECT schedule FROM cron.job WHERE jobid = $yearly"), '0 0 2 1 *', 'which has the new times');
is(query(q{SELECT cron, args, priority, labels IS NULL FROM task_queue.schedule WHERE name LIKE 'Alice%'}), '0 0 2 1 *|{"what": "b"}|0|t', 'and the options of the old one are gone');
like(error_of('bob', q{SELECT task_queue.schedule('Alice''s "own"\\', '0 0 2 1 *', 'note', '["b"]')}), qr/42501: .*DETAIL:  .*alice/s, 'another role may not replace it');
like(error_of('bob', q{SELECT task_queue.unschedule('Alice''s "own"\\')}), qr/42501: /, 'nor remove it');
like(error_of('alice', q{SELECT task_queue._fire_schedule('Alice''s "own"\\')}), qr/42501: /, 'nobody fires it by hand');

# Firing, as the job's command does it.
my $command = query("SELECT command FROM cron.job WHERE jobid = $yearly");
my $task = query($command);
is(query("SELECT state FROM task_queue.wait($task, '60 s')"), 'done', 'the command enqueues a task, which runs');
is(query("SELECT who, what, fire_time > now() - interval '1 min' FROM fired"), 'alice|b|t', 'as the role that scheduled, with the time');
is(as_role('alice', q{SELECT last_task_id, last_state, last_run_at > now() - interval '1 min' FROM task_queue.schedules WHERE name LIKE 'Alice%'}),
	"$task|done|t", 'and the view tells what became of it');
is(query("SELECT enqueued_by FROM task_queue.tasks WHERE task_id = $task"), 'alice', 'whose task it is');

# Who and what may be gone when it fires.
query(q{SELECT task_queue.unregister_handler('note')});
like(error_of('none', $command), qr/42883: /, 'a handler that was unregistered is an error of the job');
query(q{SELECT task_queue.register_handler('note(text)', name => 'note')});
query('REVOKE EXECUTE ON FUNCTION note(text) FROM PUBLIC, alice');
like(error_of('none', $command), qr/42501: /, 'so is a right that was taken away');
query('GRANT EXECUTE ON FUNCTION note(text) TO PUBLIC');
query(q{CREATE ROLE carol; GRANT USAGE ON SCHEMA task_queue TO carol});
as_role('carol', q{SELECT task_queue.schedule('orphan', '0 0 1 1 *', 'note', '["c"]')});
query('REVOKE USAGE ON SCHEMA task_queue FROM carol; DROP ROLE carol');
like(error_of('none', q{SELECT task_queue._fire_schedule('orphan')}), qr/42704: /, 'and a role that was dropped');
is(as_role('boss', q{SELECT task_queue.unschedule('orphan')}), 't', 'administrators remove what nobody owns');

is(as_role('boss', q{SELECT task_queue.schedule('Alice''s "own"\\', '0 0 3 1 *', 'note', '["boss"]')}), $yearly, 'administrators may replace a schedule');
is(query(q{SELECT scheduled_by FROM task_queue.schedules WHERE name LIKE 'Alice%'}), 'boss', 'which is theirs then');
query(qq{SELECT cron.alter_job($yearly, active := false)});
is(query(q{SELECT active FROM task_queue.schedules WHERE name LIKE 'Alice%'}), 'f', 'a job that was switched off shows');
is(as_role('boss', q{SELECT task_queue.unschedule('Alice''s "own"\\')}), 't', 'unschedule says that there was one');
is(query("SELECT count(*) FROM cron.job WHERE jobid = $yearly"), '0', 'and its job is gone');
is(as_role('boss', q{SELECT task_queue.unschedule('Alice''s "own"\\')}), 'f', 'but not twice');

# A rolled back schedule fires nothing.
query(q{BEGIN; SELECT task_queue.schedule('undone', '* * * * *', 'note', '["undone"]'); ROLLBACK});
is(query("SELECT count(*) FROM cron.job WHERE jobname LIKE '%undone'"), '0', 'a schedule is part of the transaction');

# The real thing.
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM fired WHERE what = 'tick'}), 'pg_cron fires');
cmp_ok(time - $made_at, '<', 125, 'within two minutes');
is(query(q{SELECT DISTINCT who FROM fired WHERE what = 'tick'}), 'alice', 'for the role that scheduled');
ok($node->poll_query_until('postgres', qq{SELECT status = 'succeeded' FROM cron.job_run_details WHERE jobid = $job ORDER BY runid LIMIT 1}),
	'the job has succeeded');
ok($node->poll_query_until('postgres', q{SELECT last_state = 'done' AND last_run_at = (SELECT max(fire_time) FROM fired WHERE what = 'tick')
	FROM task_queue.schedules WHERE name = 'tick'}), 'and the handler saw when');

# Without pg_cron again, and back.
query('DROP EXTENSION pg_cron');
is(query(q{SELECT name, active FROM task_queue.schedules}), 'tick|f', 'a schedule outlives pg_cron, not active');
query('CREATE EXTENSION pg_cron');
is(query(q{SELECT name, active FROM task_queue.schedules}), 'tick|f', 'and is not active by itself when that comes back');
as_role('alice', $schedule);
is(query(q{SELECT name, active, last_state FROM task_queue.schedules}), 'tick|t|done', 'but when it is scheduled again');
query('DROP EXTENSION pg_cron');
is(as_role('alice', q{SELECT task_queue.unschedule('tick')}), 't', 'it can be removed without pg_cron');

$node->stop;
done_testing();
