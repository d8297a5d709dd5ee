# The examples do what they say.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

my $examples = "$FindBin::RealBin/../../examples";
my $node = tq_node('main', conf => [ 'task_queue.workers = 2', 'restart_after_crash = on' ]);

# The lines that an example prints of what it has checked; the session may be lost on purpose.
sub run_example
{
	my ($file, %options) = @_;
	my ($stdout, $stderr, $status) = try_sql($node, "\\i $examples/$file");
	my $checks = () = $stdout =~ /^ok: /mg;
	my $complaints = join "\n", grep { !/^$/ && !/NOTICE|WARNING|DETAIL|HINT/ } split /\n/, $stderr;
	my $expected = $options{expected} || qr/^$/;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($complaints, $expected, "$file: no complaint");
	ok($checks >= $options{checks}, "$file: $checks checks") || diag($stdout, $stderr);
	return;
}

my $lost = qr/server closed the connection|connection to server was lost|terminating connection/;
my @simple = (
	[ '01_hello.sql', 1 ], [ '02_retry.sql', 4 ], [ '03_fire_and_forget.sql', 2 ], [ '06_pipeline.sql', 2 ],
	[ '07_fan_in.sql', 2 ], [ '08_optional.sql', 2 ], [ '09_dynamic.sql', 5 ], [ '10_ordering.sql', 4 ],
	[ '12_placement.sql', 12 ], [ '13_cancel.sql', 8 ], [ '14_pause.sql', 3 ], [ '15_breakpoints.sql', 8 ],
	[ '16_labels.sql', 4 ], [ '17_approval.sql', 5 ], [ '18_playground.sql', 3 ]);

run_example($_->[0], checks => $_->[1]) for @simple;
run_example('19_wrong_order.sql', checks => 2, expected => qr/^psql:.*ERROR:  JSON string does not fit type integer$/);

# it makes servers of its own, where it finds those of the server under test
my ($printed, $complaints) = run_command([ 'sh', "$examples/04_failover.sh" ]);
is(() = $printed =~ /^ok: /mg, 9, '04_failover.sh: 9 checks') || diag($printed, $complaints);
is($complaints, '', '04_failover.sh: no complaint');

# each attempt leaves a line in the log
my $from = log_position($node);
run_example('05_observation.sql', checks => 2, expected => qr/^$|$lost/);
wait_for($node, "SELECT EXISTS (SELECT FROM task_queue.dead_letters WHERE error_kind = 'panic')", 'the server is back after a panic');
run_example('05_observation_after.sql', checks => 1);
is(count_in_log($node, qr/LOG:  task \d+ handler "example\.observed" attempt 1: done after [\d.]+ ms/, $from), 1, 'a line for the success');
is(count_in_log($node, qr/LOG:  task \d+ handler "example\.observed" attempt 1: failed after [\d.]+ ms\n.*DETAIL:  handler: observed to fail/, $from), 1, 'a line for the failure');
is(count_in_log($node, qr/LOG:  task \d+ handler "example\.observed" attempt 1: failed after [\d.]+ ms\n.*DETAIL:  panic: /, $from), 1, 'a line for the panic');

run_example('11_other_session.sql', checks => 0);
$node->restart;
run_example('11_other_session_after.sql', checks => 1);

run_example('20_end_to_end_1.sql', checks => 2);
$node->stop('immediate');
$node->start;
run_example('20_end_to_end_2.sql', checks => 4);
$node->stop('immediate');
$node->start;
run_example('20_end_to_end_3.sql', checks => 1, expected => qr/^$|$lost/);
wait_for($node, "SELECT EXISTS (SELECT FROM task_queue.dead_letters WHERE handler = 'example.die')", 'the server is back');
run_example('20_end_to_end_4.sql', checks => 9);
is(sql($node, 'SELECT count(*) FROM task_queue.dags'), 0, 'no DAG is left');

done_testing();
