# A copy of a database does not do the work of the original until somebody says
# so: a clone made by CREATE DATABASE, a server with another task_queue.home,
# and rows that logical replication brings.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ["task_queue.home = 'here'", 'wal_level = logical', 'max_wal_senders = 4', 'max_replication_slots = 4']);
my $define = q{
CREATE FUNCTION work(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
SELECT task_queue.register_handler('work(int)', name => 'work');
SELECT task_queue.register_external('outside');
};

sql($node, $define);
my $id = enqueue($node, 'work', '[1]');
is(sql($node, "SELECT task_queue.await($id)"), '1', 'the original runs its tasks');
is(sql($node, 'SELECT home FROM task_queue.meta'), 'here', 'and knows where it is at home');

# A clone in the same server: the database has another oid.
sql($node, "SELECT task_queue.pause_queue('default')");
my $waiting = enqueue($node, 'work', '[2]');
sql($node, 'CREATE DATABASE clone TEMPLATE postgres', 'template1');
sql($node, "SELECT task_queue.resume_queue('default')");
is(sql($node, "SELECT task_queue.await($waiting)"), '2', 'the original goes on');
sql($node, "SELECT task_queue.resume_queue('default')", 'clone');
wait_for($node, "SELECT count(*) = 1 FROM task_queue.health() WHERE check_name = 'database_copy' AND severity = 'error'",
	'health() reports the clone', 't', 'clone');
my $cloned = enqueue($node, 'work', '[3]', undef, 'clone');
is(sql($node, "SELECT state FROM task_queue.wait($cloned, '500 ms')", 'clone'), 'ready', 'the clone runs nothing');
is(sql($node, "SELECT state FROM task_queue.wait($waiting, '0')", 'clone'), 'ready', 'neither old nor new tasks');
like(sql_error($node, "SELECT task_queue.await($cloned)", 'clone'), qr/^57P03: no workers serve/, 'so nobody can wait for them without end');
sql($node, 'SELECT task_queue.adopt_database()', 'clone');
is(sql($node, "SELECT task_queue.await($cloned, '1 min')", 'clone'), '3', 'once adopted it does');
is(sql($node, "SELECT task_queue.await($waiting, '1 min')", 'clone'), '2', 'old tasks too');
is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'", 'clone'), '0', 'health() has no complaint left');

# Another home: a physical copy that was given a name of its own.
$node->append_conf('postgresql.conf', "task_queue.home = 'elsewhere'");
$node->restart;
$id = enqueue($node, 'work', '[4]');
is(sql($node, "SELECT state FROM task_queue.wait($id, '500 ms')"), 'ready', 'a server of another name runs nothing');
is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE check_name = 'database_copy'"), '1', 'health() says so');
sql($node, 'SELECT task_queue.adopt_database()');
is(sql($node, "SELECT task_queue.await($id, '1 min')"), '4', 'once adopted it does');
$node->restart;
$id = enqueue($node, 'work', '[5]');
is(sql($node, "SELECT task_queue.await($id, '1 min')"), '5', 'and so it stays');

# Logical replication: the subscriber gets rows that nobody serves there.
sql($node, 'CREATE DATABASE subscriber', 'template1');
tq_install($node, 'subscriber');
sql($node, $define, 'subscriber');
sql($node, "SELECT task_queue.pause_queue('default')");
my $replicated = enqueue($node, 'work', '[6]');
my $external = enqueue($node, 'outside', '[]', "target => 'there'");
sql($node, "CREATE PUBLICATION tasks FOR TABLE task_queue.task; SELECT pg_create_logical_replication_slot('tasks', 'pgoutput')");
(my $connection = $node->connstr('postgres')) =~ s/'/''/g;
sql($node, "CREATE SUBSCRIPTION tasks CONNECTION '$connection' PUBLICATION tasks WITH (create_slot = false, slot_name = 'tasks')", 'subscriber');
wait_for($node, 'SELECT count(*) = 2 FROM task_queue.task', 'rows that were there are replicated', 't', 'subscriber');
my $later = enqueue($node, 'work', '[7]');
wait_for($node, 'SELECT count(*) = 3 FROM task_queue.task', 'and those that come', 't', 'subscriber');
is(sql($node, "SELECT count(*) FROM task_queue.task WHERE lane <> 0", 'subscriber'), '0', 'they are in no lane');
is(sql($node, "SELECT count(*) FROM task_queue.drain()", 'subscriber'), '0', 'drain() leaves them alone');
sql($node, "ALTER SUBSCRIPTION tasks DISABLE; ALTER SUBSCRIPTION tasks SET (slot_name = NONE); DROP SUBSCRIPTION tasks", 'subscriber');
sql($node, "SELECT pg_drop_replication_slot('tasks')");
sql($node, 'SELECT task_queue.adopt_database()', 'subscriber');
is(sql($node, "SELECT task_queue.await($later, '1 min'), task_queue.await($replicated, '1 min')", 'subscriber'), '7|6',
	'once the database is adopted they run');
is(sql($node, "SELECT state FROM task_queue.tasks WHERE task_id = $external", 'subscriber'), 'ready', 'external ones wait for their workers');

$node->stop;
done_testing();
