# health() tells of limits of the server: room in shared memory, and whoever
# holds back vacuum. Each finding goes with its cause.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'task_queue.ready_capacity = 1024', 'task_queue.lease_capacity = 64', 'max_prepared_transactions = 2' ]);

sql($node, 'CREATE DATABASE other');
tq_install($node, 'other');
sql($node, "SELECT task_queue.register_external('outside')", $_) for 'postgres', 'other';

# A finding of a check: severity, message, hint.
sub finding
{
	my ($check, $database) = @_;
	return sql($node, "SELECT severity, message, hint FROM task_queue.health() WHERE check_name = '$check'", $database);
}

sub enqueue_outside
{
	my ($n, $database) = @_;
	return sql($node, "SELECT count(*) FROM task_queue.enqueue_many('outside', array_fill('[]'::jsonb, ARRAY[$n]))", $database);
}

# More ready tasks than memory has room for
enqueue_outside(1024);
is(finding('ready_capacity'), '', 'the ready index holds as many tasks as it has room for');
enqueue_outside(1);
is( finding('ready_capacity'),
	'info|1025 tasks are ready, more than the ready index of the server holds (1024)|Nothing is lost, only slower. Consider a higher task_queue.ready_capacity.',
	'one more is told');
is(finding('ready_capacity', 'other'), '', 'elsewhere it is not');

# As many leases as memory has room for, in all databases
my $hint = "Nothing is lost, only slower: further leases are written to the tasks' rows. Consider a higher task_queue.lease_capacity.";
sql($node, 'CREATE TABLE held (task_id bigint, lease_token bigint)', $_) for 'postgres', 'other';

sub hold
{
	my ($n, $database) = @_;
	return sql($node, <<"SQL", $database);
WITH d AS (INSERT INTO held SELECT task_id, lease_token FROM task_queue.dequeue(worker => 'client', max_tasks => $n, lease => '10 min') RETURNING 1)
SELECT count(*) FROM d
SQL
}

enqueue_outside(10, 'other');
is(hold(49), '49', 'a client holds 49 tasks');
is(hold(8, 'other'), '8', 'one of another database eight');
is(finding('lease_capacity'), '', 'which is no matter');
is(hold(1), '1', 'then one more');
is(finding('lease_capacity', $_), "warning|external workers hold 58 leases in memory, which has room for 64|$hint", "it is getting tight, as one hears in $_")
  for 'postgres', 'other';
is(hold(50), '50', 'more can be had than memory has room for');
is(finding('lease_capacity'), "warning|external workers hold 64 leases in memory, which has room for 64|$hint", 'that is told as well');
is(sql($node, 'SELECT count(*) FROM held WHERE task_queue.complete(task_id, lease_token)'), '100', 'when the tasks are done');
is(finding('lease_capacity', $_), '', "it is not told any more in $_") for 'postgres', 'other';
is(finding('ready_capacity'), '', 'nor that there are more tasks than the index holds');

# What holds back vacuum: whoever is in a transaction for ten minutes. This asks
# the check itself, as if ten minutes had passed since the transactions before.
sub snapshots
{
	my ($database) = @_;
	return sql($node, <<'SQL', $database);
SELECT check_name, severity, regexp_replace(message, 'since .*[0-9](?=,|$)', 'since then'), hint
FROM task_queue._health_of_storage(true, transaction_timestamp() + interval '10 min') WHERE check_name = 'old_snapshot'
SQL
}

my $session = session($node);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $told = "old_snapshot|warning|process $pid (postgres) has held back vacuum since then";
my $end = 'Dead rows cannot be removed meanwhile. End its transaction, or give the waiting call a timeout.';

$session->query_safe('BEGIN');
is(snapshots(), '', 'a session that has only begun holds back nothing');
$session->query_safe('CREATE TABLE made ()');
is(snapshots(), "$told|$end", 'one that has written does');
is(snapshots('other'), '', 'though not in other databases');
is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE check_name = 'old_snapshot'"), '0', 'health() gives it ten minutes');
$session->query_safe('ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM held LIMIT 1');
is(snapshots(), "$told|$end", 'so does one that keeps a snapshot');
$session->query_safe('ROLLBACK');
is(snapshots(), '', 'until it ends its transaction');

$session->query_safe("CREATE TABLE large AS SELECT n FROM generate_series(1, 100000) AS n; SET vacuum_cost_delay = '100 ms'; SET vacuum_cost_limit = 1");
$session->query_until(qr/starts/, "\\echo starts\nVACUUM large;\n");
wait_for($node, 'SELECT count(*) FROM pg_stat_progress_vacuum', 'a session vacuums', 1);
is(snapshots(), '', 'which holds back no other one');
sql($node, "SELECT pg_terminate_backend($pid, 60000)");
eval { $session->quit };
$session = session($node);
$pid = $session->query_safe('SELECT pg_backend_pid()');
$told = "old_snapshot|warning|process $pid (postgres) has held back vacuum since then";

my $id = enqueue($node, 'outside', '[]', 'priority => -1');
$session->query_until(qr/waits/, "\\echo waits\nSELECT task_queue.await($id);\n");
wait_for($node, "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid", 'a session waits for a task');
is(snapshots(), "$told, waiting in a call of task_queue|$end", 'so does one that waits');
sql($node, "SELECT task_queue.complete(task_id, lease_token) FROM task_queue.dequeue() WHERE task_id = $id");
wait_for($node, "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $pid", 'the task is done');
is(snapshots(), '', 'then it does not any more');
$session->quit;

sql($node, "BEGIN; CREATE TABLE made (); PREPARE TRANSACTION 'half'", 'other');
is( snapshots('other'),
	'old_snapshot|warning|prepared transaction "half" has held back vacuum since then|Dead rows cannot be removed meanwhile. Commit it or roll it back.',
	'so does a prepared transaction');
is(snapshots(), '', 'in its own database');
sql($node, "ROLLBACK PREPARED 'half'", 'other');
is(snapshots('other'), '', 'until it is decided');

$node->stop;
done_testing();
