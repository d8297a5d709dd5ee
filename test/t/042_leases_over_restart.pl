# What external workers hold is theirs over a clean restart, for what was left
# of the lease; a crash forgets it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');
sql($node, <<'SQL');
SELECT task_queue.create_queue('narrow', max_running => 2);
SELECT task_queue.register_external('outside', retry_policy => task_queue.no_retry_policy()),
	task_queue.register_external('in narrow', queue => 'narrow');
SQL

sub lease
{
	my ($lease, $queue) = @_;
	return split /\|/, sql($node, "SELECT task_id, lease_token FROM task_queue.dequeue('$queue', lease => '$lease', worker => 'w', wait => '20 s')");
}

sub take
{
	my ($lease) = @_;
	enqueue($node, 'outside');
	return lease($lease, 'default');
}

my ($kept, $kept_token) = take('1 hour');
my ($stopped) = take('1 hour');
my ($ended, $ended_token) = take('1 hour');
enqueue($node, 'in narrow') for 1 .. 3;
my ($narrow, $narrow_token) = lease('1 hour', 'narrow');
lease('1 hour', 'narrow');
is(sql($node, "SELECT task_queue.complete($ended, $ended_token)"), 't', 'one is completed before');
sql($node, "SELECT task_queue.cancel($stopped)");
$node->restart;

is(sql($node, "SELECT string_agg(task_id::text, ' ' ORDER BY task_id) FROM task_queue.dequeue('default')"), '', 'after a restart nobody else is given what is held');
is(sql($node, "SELECT count(*) FROM task_queue.tasks WHERE state = 'running' AND worker = 'w'"), '4', 'the tasks are seen as running');
is(sql($node, "SELECT cancel_requested FROM task_queue.heartbeat('w') WHERE task_id = $stopped"), 't', 'a cancel is still told');
is(sql($node, "SELECT count(*) FROM task_queue.dequeue('narrow')"), '0', 'a queue that was full is full');
is(sql($node, "SELECT task_queue.complete($narrow, $narrow_token)"), 't', 'until one of its tasks ends');
is(sql($node, "SELECT count(*) FROM task_queue.dequeue('narrow')"), '1', 'which makes room for one');
is(sql($node, "SELECT task_queue.complete($kept, $kept_token, '1')"), 't', 'a task is completed with the token it was handed out with');
is(sql($node, "SELECT t.attempt($kept)"), '1', 'at its first attempt');

my ($short, $short_token) = take('2 s');
$node->restart;
ends_as($node, $short, 'failed lease_lost', 'a lease ends also after a restart');
is(sql($node, "SELECT task_queue.complete($short, $short_token)"), 'f', 'and a late report is refused');

my ($forgotten, $old_token) = take('1 hour');
$node->restart;
$node->stop('immediate');
$node->start;
my ($again, $new_token) = lease('1 hour', 'default');
is($again, $forgotten, 'after a hard stop a task is handed out again');
is(sql($node, "SELECT task_queue.complete($forgotten, $old_token)"), 'f', 'to one owner');
is(sql($node, "SELECT task_queue.complete($forgotten, $new_token)"), 't', 'whose report counts');

sql($node, q{SELECT count(*) FROM task_queue.enqueue_many('outside', array_fill('[]'::jsonb, ARRAY[80]))});
is(sql($node, "SELECT count(*) FROM task_queue.dequeue('default', max_tasks => 80, lease => '1 hour')"), '80', 'many tasks are leased');
$node->append_conf('postgresql.conf', 'task_queue.lease_capacity = 64');
$node->restart;
like(sql($node, "SELECT count(*) FROM task_queue.tasks WHERE state = 'running' AND queue = 'default'"), qr/^6[1-4]$/, 'with a lower capacity as many as it has room for are kept');
ok(count_in_log($node, 'leases of external workers are forgotten') == 1, 'which the log says');

is(sql($node, "SELECT count(*) FROM pg_ls_dir('pg_stat') AS name WHERE name LIKE 'task_queue.leases%'"), '0', 'the file is gone when the server runs');
is(count_in_log($node, 'WARNING:  task_queue'), 0, 'nobody complains');

$node->stop;
done_testing();
