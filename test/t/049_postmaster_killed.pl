# When the postmaster is killed, workers that are never idle leave too, and so
# do not keep the server from being started again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TqTest;

my $node = tq_node('main', conf => [ 'task_queue.workers = 2', 'task_queue.log_min_duration = -1' ]);
my $tasks = 100_000;

sql($node, <<"SQL");
CREATE TABLE effect (n int);
CREATE FUNCTION act(n int) RETURNS void LANGUAGE sql AS 'INSERT INTO effect VALUES (n)';
SELECT task_queue.register_handler('act(int)', 'act');
SELECT count(*) FROM task_queue.enqueue_many('act',
	ARRAY(SELECT jsonb_build_array(i) FROM generate_series(1, $tasks) AS i));
SQL
wait_for($node, 'SELECT count(*) > 1000 FROM effect', 'workers are busy');
my @workers = split /\n/, sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'task_queue worker'");

$node->kill9;
my $alive = @workers;
for (my $i = 0; $i < 200 && $alive; $i++)
{
	usleep(50_000);
	$alive = grep { -r "/proc/$_/stat" && slurp_file("/proc/$_/stat") !~ /\) Z/ } @workers;
}
is($alive, 0, 'the workers left');

# The other processes may take a moment more.
my $started = 0;
for (my $i = 0; $i < 100 && !$started; $i++)
{
	usleep(100_000);
	$started = $node->start(fail_ok => 1) or $node->stop('fast', fail_ok => 1);
}
ok($started, 'the server can be started again');
wait_for($node, 'SELECT count(*) = 0 FROM task_queue.task', 'the rest ran after a restart');
is(sql($node, 'SELECT count(*), count(DISTINCT n) FROM effect'), "$tasks|$tasks", 'each task once');

$node->stop;
done_testing();
