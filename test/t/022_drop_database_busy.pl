# DROP, RENAME and copying of a database do not fail for workers in it, though
# they are busy, and leave nothing of it in shared memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

# Few worker slots, so that one that got lost at each drop would soon be missed.
my $node = tq_node('main', conf => ['max_worker_processes = 8', 'task_queue.workers = 2', "task_queue.idle_worker_timeout = '100ms'", "task_queue.databases = 'app, app2, copy'"]);

my $handlers = <<'SQL';
CREATE TABLE written (what text);
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN 1; END $$;
CREATE PROCEDURE proc_at_gate() LANGUAGE plpgsql AS $$ BEGIN COMMIT; PERFORM t.pass_gate(1); END $$;
SELECT task_queue.register_handler('at_gate()'), task_queue.register_handler('proc_at_gate()');
SQL

sub make_database
{
	sql($node, 'CREATE DATABASE app');
	tq_install($node, 'app');
	sql($node, $handlers, 'app');
	return;
}

# The tasks run, and the session that holds them up is gone as well as the gate in the end.
sub start_sleepers
{
	my ($what) = @_;
	sql($node, "SELECT task_queue.enqueue('public.sleeps')", 'app');
	return wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app' AND wait_event = 'PgSleep'", $what, 1);
}
$handlers .= <<'SQL';
CREATE FUNCTION sleeps() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN 1; END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler('sleeps()'), task_queue.register_handler('quick()');
SQL

# More often than there are worker slots
for my $round (1 .. 8)
{
	make_database();
	start_sleepers($round == 1 ? 'a task is running' : undef);
	sql($node, $round % 2 ? 'DROP DATABASE app' : 'DROP DATABASE app WITH (FORCE)');
	pass("DROP DATABASE succeeds, time $round");
}

# Rename
make_database();
start_sleepers('a task is running');
sql($node, 'ALTER DATABASE app RENAME TO app2');
pass('ALTER DATABASE RENAME succeeds');
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app2' AND wait_event = 'PgSleep'", 'and the task runs again', 1);
is(sql($node, 'SELECT count(*) FROM task_queue.attempt', 'app2'), '0', 'at no cost');

# Copy
sql($node, 'CREATE DATABASE copy TEMPLATE app2');
pass('CREATE DATABASE TEMPLATE succeeds');
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app2' AND wait_event = 'PgSleep'", 'and the task runs again in the original', 1);
my $id = enqueue($node, 'public.quick', '[]', undef, 'app2');
ends_as($node, $id, 'done', 'others too', 'app2');
is(sql($node, 'SELECT count(*) FROM task_queue.tasks', 'copy'), '1', 'the copy has the task');
$id = enqueue($node, 'public.quick', '[]', 'priority => -1', 'copy');
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'copy' AND backend_type = 'task_queue scheduler'", 'the copy is looked at', 1);
wait_for_log_line($node, 'this database is a copy', 0, 'and found to be a copy');
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'copy' AND backend_type = 'task_queue worker'"), '0', 'nobody works there');
is(state_of($node, $id, 'copy'), 'ready', 'its tasks do not run');
is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error' AND check_name = 'database_copy'", 'copy'), '1', 'as health() says');
sql($node, 'SELECT task_queue.cancel(task_id) FROM task_queue.tasks WHERE handler = \'public.sleeps\'', 'app2');
sql($node, 'SELECT task_queue.adopt_database()', 'copy');
ends_as($node, $id, 'done', 'once it is adopted they do', 'copy');

# Tablespace
my $folder = PostgreSQL::Test::Utils::tempdir();
sql($node, "CREATE TABLESPACE elsewhere LOCATION '$folder'");
sql($node, 'ALTER DATABASE app2 SET TABLESPACE elsewhere');
pass('ALTER DATABASE SET TABLESPACE succeeds');
$id = enqueue($node, 'public.quick', '[]', undef, 'app2');
ends_as($node, $id, 'done', 'and tasks run afterwards', 'app2');

# A drop that fails, as somebody else is connected
my $session = session($node, 'app2');
sql($node, "SELECT task_queue.enqueue('public.sleeps')", 'app2');
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app2' AND wait_event = 'PgSleep'", 'a task is running', 1);
like(sql_error($node, 'DROP DATABASE app2'), qr/^55006/, 'DROP DATABASE that fails');
$id = enqueue($node, 'public.quick', '[]', undef, 'app2');
ends_as($node, $id, 'done', 'leaves a database where tasks run', 'app2');
$session->quit;
like(sql_error($node, 'SET statement_timeout = 1; DROP DATABASE app2'), qr/^57014|no error/, 'so does one that is interrupted');

is(count_in_log($node, 'PANIC|TRAP|out of background worker'), 0, 'nothing was lost on the way');
$node->stop;
done_testing();
