# Canceling and deleting what workers are running: at the caller's commit, not
# before and not at a rollback, durably, and never the next task.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'task_queue'\ntask_queue.workers = 2");
$node->start;
$node->safe_psql('postgres', q{
CREATE EXTENSION task_queue;
CREATE TABLE log (what text);
CREATE FUNCTION slow(seconds float8) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO log VALUES ('slow');
	PERFORM pg_sleep(seconds);
	RETURN 'finished';
END $$;
CREATE FUNCTION stubborn() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pg_sleep(60);
	RETURN 'not interrupted';
EXCEPTION WHEN query_canceled THEN
	RETURN 'caught';
END $$;
CREATE FUNCTION fails_late() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	PERFORM pg_advisory_xact_lock(1);
	RAISE EXCEPTION 'failed by itself';
END $$;
CREATE PROCEDURE commits(n int) LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO log VALUES ('committed');
	COMMIT;
	PERFORM pg_sleep(n);
	INSERT INTO log VALUES ('never');
END $$;
SELECT task_queue.register_handler('slow(float8)', name => 'slow'), task_queue.register_handler('stubborn()', name => 'stubborn'),
	task_queue.register_handler('fails_late()', name => 'fails_late'), task_queue.register_handler('commits(int)', name => 'commits');
});

sub query { return $node->safe_psql('postgres', shift); }

sub start_task
{
	my ($handler, $args) = @_;
	my $id = query("SELECT task_queue.enqueue('$handler', '$args')");
	$node->poll_query_until('postgres', "SELECT state = 'running' FROM task_queue.tasks WHERE task_id = $id")
	  or die "task $id does not run";
	return $id;
}

sub outcome { my $id = shift; return query("SELECT state FROM task_queue.wait($id, '60 s')"); }

# A function: interrupted, its work undone.
my $id = start_task('slow', '[60]');
is(query("SELECT worker ~ '^db/' AND attempt = 1 AND started_at IS NOT NULL FROM task_queue.tasks WHERE task_id = $id"), 't',
	'a running task shows its worker');
is(query("SELECT tasks || ' ' || handler FROM task_queue.workers WHERE task_id = $id"), '1 slow', 'and the worker its task');
is(query("SELECT task_queue.alter_task($id, priority => 1)"), 'f', 'a running task cannot be altered');
is(query("SELECT task_queue.cancel($id, 'enough')"), 't', 'cancel of a running function');
is(outcome($id), 'canceled', 'it is canceled');
is(query("SELECT count(*) FROM log"), '0', 'its work is undone');
is(query("SELECT cancel_reason || ' ' || attempt FROM task_queue.tasks WHERE task_id = $id"), 'enough 1', 'the reason and the attempt are kept');
is(query("SELECT count(*) FROM task_queue.attempts WHERE task_id = $id"), '0', 'it is no failed attempt');
is(query("SELECT task_queue.cancel($id)"), 'f', 'a second cancel finds it ended');

# Rolled back: nothing happened; and the next task is not hit.
$id = start_task('slow', '[1]');
query("BEGIN; SELECT task_queue.cancel($id); ROLLBACK");
is(outcome($id), 'done', 'a cancel that is rolled back does nothing');
is(query("SELECT task_queue.cancel($id)"), 'f', 'a cancel that comes late answers false');
my $ids = query("SELECT string_agg(task_queue.enqueue('slow', '[0]')::text, ',') FROM generate_series(1, 20)");
is(query("SELECT count(*) FROM unnest('{$ids}'::bigint[]) AS id, task_queue.wait(id, '60 s') WHERE state = 'done'"), '20', 'no task that comes after is hit');

# A procedure keeps what it committed.
query('TRUNCATE log');
$id = start_task('commits', '[60]');
is(query("SELECT task_queue.cancel($id)"), 't', 'cancel of a running procedure');
is(outcome($id), 'canceled', 'it is canceled');
is(query("SELECT string_agg(what, ' ') FROM log"), 'committed', 'it keeps what it committed');

# A handler that catches the interrupt and returns is done.
$id = start_task('stubborn', '[]');
query("SELECT task_queue.cancel($id)");
is(outcome($id), 'done', 'a handler that catches the cancel is done');
is(query("SELECT task_queue.await($id)"), '"caught"', 'with its result');

# It fails by itself between the call and its commit: still no retry.
my $lock = $node->background_psql('postgres');
$lock->query_safe('SELECT pg_advisory_lock(1)');
$id = start_task('fails_late', '[]');
my $canceler = $node->background_psql('postgres');
$canceler->query_safe('BEGIN');
is($canceler->query_safe("SELECT task_queue.cancel($id, 'in time')"), 't', 'cancel while it runs');
$lock->query_safe('SELECT pg_advisory_unlock(1)');
$node->poll_query_until('postgres', "SELECT state <> 'running' FROM task_queue.tasks WHERE task_id = $id");
$canceler->query_safe('COMMIT');
is(outcome($id), 'canceled', 'a cancel that commits after the attempt failed is not lost');
$lock->quit;
$canceler->quit;

# Workers learn of a resumed queue and of a new lane before the commit that
# says so has sent its invalidation messages.
my $prompt = 0;
for my $i (1 .. 10)
{
	query("SELECT task_queue.pause_queue('default')");
	$id = query("SELECT task_queue.enqueue('slow', '[0]')");
	query("SELECT task_queue.resume_queue('default')");
	$prompt++ if query("SELECT state FROM task_queue.wait($id, '20 s')") eq 'done';
	query("SELECT task_queue.create_queue('new$i')");
	$id = query("SELECT task_queue.enqueue('slow', '[0]', queue => 'new$i')");
	$prompt++ if query("SELECT state FROM task_queue.wait($id, '20 s')") eq 'done';
}
is($prompt, 20, 'tasks of queues that were resumed or made just now start at once');

# Rolled back cancels and alterations of a waiting task do not lose it.
query("SELECT task_queue.pause_queue('default')");
$id = query("SELECT task_queue.enqueue('slow', '[0]')");
query("BEGIN; SELECT task_queue.cancel($id); ROLLBACK");
query("BEGIN; SAVEPOINT s; SELECT task_queue.alter_task($id, priority => 3); ROLLBACK TO s; COMMIT");
query("SELECT task_queue.resume_queue('default')");
is(outcome($id), 'done', 'a task that was locked and let go runs');
$canceler = $node->background_psql('postgres');
$canceler->query_safe('BEGIN');
$canceler->query_safe("SELECT task_queue.enqueue('slow', '[0]')");
$canceler->query_safe('COMMIT');
$canceler->query_safe('BEGIN');
$id = query("SELECT task_queue.enqueue('slow', '[0]', run_at => now() + interval '1 h')");
$canceler->query_safe("SELECT task_queue.alter_task($id, run_at => now())");
is(query("SELECT state FROM task_queue.wait($id, '0')"), 'scheduled', 'an alteration shows at commit');
$canceler->query_safe('COMMIT');
is(outcome($id), 'done', 'a task that was moved to now runs at once');
$canceler->quit;

# delete_task(force) of a running task keeps nothing.
query('TRUNCATE log');
$id = start_task('slow', '[60]');
is(query("SELECT task_queue.delete_task($id, force => true)"), 't', 'delete_task(force) does not wait');
$node->poll_query_until('postgres', "SELECT task_queue.get_task($id) IS NULL");
is(query('SELECT count(*) FROM log'), '0', 'the handler was interrupted');
$id = start_task('stubborn', '[]');
is(query("SELECT task_queue.delete_task($id, force => true)"), 't', 'of one that finishes all the same');
$node->poll_query_until('postgres', "SELECT task_queue.get_task($id) IS NULL");
is(query("SELECT count(*) FROM task_queue.cancel_request WHERE task_id = $id"), '0', 'no request is left');

# requeue: at once, by the workers
query("CREATE FUNCTION fragile() RETURNS text LANGUAGE plpgsql AS 'BEGIN IF NOT EXISTS (SELECT FROM log) THEN RAISE EXCEPTION ''empty''; END IF; RETURN ''ok''; END';
	SELECT task_queue.register_handler('fragile()', name => 'fragile', retry_policy => task_queue.no_retry_policy()); TRUNCATE log");
$id = query("SELECT task_queue.enqueue('fragile')");
is(outcome($id), 'failed', 'a dead letter');
query("INSERT INTO log VALUES ('something'); SELECT task_queue.requeue($id)");
is(query("SELECT task_queue.await($id, '60 s')"), '"ok"', 'requeued, it runs again at once');

# A crash after the cancel committed: the task does not run again.
$id = start_task('slow', '[60]');
$node->safe_psql('postgres', "ALTER SYSTEM SET task_queue.enabled = off; SELECT pg_reload_conf()");
query("SELECT task_queue.cancel($id, 'before the crash')");
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "ALTER SYSTEM RESET task_queue.enabled; SELECT pg_reload_conf()");
is(outcome($id), 'canceled', 'a cancel survives a crash');
is(query("SELECT cancel_reason FROM task_queue.tasks WHERE task_id = $id"), 'before the crash', 'with its reason');

$node->stop;
done_testing();
