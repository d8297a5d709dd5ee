# The system has no room for another process: what cannot be started is tried
# again with a pause, health() tells of it, and nothing is stuck afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

# A fork() that fails as long as a file is there.
my $dir = PostgreSQL::Test::Utils::tempdir();
my $no_forks = "$dir/no_forks";
append_to_file("$dir/fork.c", <<"C");
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

pid_t
fork(void)
{
	if (access("$no_forks", F_OK) == 0)
	{
		errno = EAGAIN;
		return -1;
	}
	return ((pid_t (*) (void)) dlsym(RTLD_NEXT, "fork")) ();
}
C
is(system('cc', '-shared', '-fPIC', '-o', "$dir/fork.so", "$dir/fork.c", '-ldl'), 0, 'the replacement of fork() compiles');

my $node = tq_node('main', install => undef, conf => [ 'task_queue.workers = 2', "task_queue.idle_worker_timeout = '100ms'" ]);
{
	local $ENV{LD_PRELOAD} = "$dir/fork.so";
	$node->start;
}
tq_install($node, 'postgres');
sql($node, <<'SQL');
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler('quick()');
SQL
ends_as($node, enqueue($node, 'public.quick'), 'done', 'workers run');
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'task_queue worker'", 'and leave', 0);

# All that follows is asked through a session that is there already.
my $session = session($node);
my $fork_failed = qr/LOG:  could not fork (?:worker|background worker) process/;
my $finding = q{SELECT coalesce(string_agg(concat_ws('|', severity, message, hint), ' '), 'none') FROM task_queue.health() WHERE check_name = 'start_failed'};
my $found = "error|a background process did not come up, or ended in an error; it is tried again|Look at the server's log.";

sub wait_in_session
{
	my ($query, $expected, $what) = @_;
	my $answer = '';

	for (1 .. 600)
	{
		$answer = $session->query_safe($query);
		last if $answer eq $expected;
		select(undef, undef, undef, 0.1);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($answer, $expected, $what);
}

# A failure of each of n processes every five seconds, and no more.
sub tries_again
{
	my ($start, $from, $n, $what) = @_;
	my $tries = 0;

	while (time() - $start < 60 && ($tries = count_in_log($node, $fork_failed, $from)) <= $n)
	{
		select(undef, undef, undef, 0.1);
	}
	my $most = $n * ((time() - $start) / 5 + 2);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($tries > $n && $tries <= $most, $what) || diag("$tries times, at most $most");
	return;
}

# Workers
my $start = time();
append_to_file($no_forks, '');
my @ids = map { $session->query_safe("SELECT task_queue.enqueue('public.quick', target => $_)") } 'NULL', "'worker:db/2'";
wait_for_log_line($node, $fork_failed, 0, 'a worker is wanted, and its fork fails');
wait_in_session($finding, $found, 'health() tells of it');
tries_again($start, 0, 2, 'two workers are tried again, with a pause');
is(count_in_log($node, qr/WARNING:  a task_queue worker did not come up/), 1, 'which is said once');
is($session->query_safe('SELECT count(*) FROM task_queue.tasks WHERE state = \'ready\''), '2', 'the tasks wait');
unlink $no_forks;
ends_as($node, $_, 'done', 'when forks succeed again they run') for @ids;
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'no attempt failed');
wait_for($node, $finding, 'health() is content', 'none');

# Scheduler and launcher
my $from = log_position($node);
$start = time();
append_to_file($no_forks, '');
$session->query_safe("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'task_queue scheduler'");
wait_for_log_line($node, $fork_failed, $from, 'the fork of a scheduler fails');
wait_in_session($finding, $found, 'health() tells of it');
$session->query_safe("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'task_queue launcher'");
my $id = $session->query_safe("SELECT task_queue.enqueue('public.quick')");
tries_again($start, $from, 1, 'it is tried again, with a pause');
unlink $no_forks;
$session->quit;
ends_as($node, $id, 'done', 'launcher, scheduler and worker come back');
wait_for($node, $finding, 'health() is content', 'none');

$node->stop;
done_testing();
