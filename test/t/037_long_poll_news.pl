# A long poll that began before there was anything to wait for is woken by what
# is made later: a handler, a lane, a resumed queue. Whoever waits is told before
# the commit that says so has sent its invalidation messages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use Time::HiRes qw(time);
use TqTest;

my $node = tq_node('main');
my $prompt = 0;

sub poll
{
	my $session = session($node);
	$session->query_until(qr/polling/, "\\echo polling\nSELECT count(*) FROM task_queue.dequeue(wait => '20 s');\n");
	wait_for($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%dequeue(wait%'
		AND wait_event_type = 'Extension' AND pid <> pg_backend_pid()");
	return $session;
}

sub takes_at_once
{
	my ($session) = @_;
	my $since = time();
	my ($output) = $session->query_safe('SELECT 2') =~ /(\d+)/;
	$session->quit;
	$prompt++ if time() - $since < 10 && $output == 1;
	return;
}

for my $i (1 .. 8)
{
	my $session = poll();
	sql($node, "SELECT task_queue.register_external('external $i')");
	sql($node, "SELECT task_queue.enqueue('external $i')");
	takes_at_once($session);

	sql($node, "SELECT task_queue.pause_queue('default')");
	sql($node, "SELECT task_queue.enqueue('external $i')");
	$session = poll();
	sql($node, "SELECT task_queue.resume_queue('default')");
	takes_at_once($session);
}
is($prompt, 16, 'tasks of handlers and queues that are news to the waiting client are handed out at once');

$node->stop;
done_testing();
