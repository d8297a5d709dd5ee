# The workers in examples/: what a stranger copies works, in both languages,
# directly and behind PgBouncer in transaction mode. Each of them has a queue of
# its own, so that all can be put through the same things at the same time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

my $examples = "$FindBin::RealBin/../../examples";
my $node = tq_node('main', conf => [ 'task_queue.workers = 1' ]);

sql($node, <<'SQL');
CREATE ROLE client LOGIN;
GRANT USAGE ON SCHEMA task_queue TO client;
SELECT task_queue.grant_worker('client');
SELECT task_queue.register_external('example.echo');
SELECT task_queue.register_external('example.sleep', retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 3));
SELECT task_queue.register_external('example.other');
SQL

# What a process writes is kept beside the server's log.
sub start
{
	my ($name, @command) = @_;
	my $log = "$PostgreSQL::Test::Utils::log_path/100_external_clients_$name.log";

	# Not every pooler lets settings pass that a client asks for when it connects.
	delete local $ENV{PGOPTIONS};
	return IPC::Run::start(\@command, '<', \undef, '>', $log, '2>&1', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}

my $pooler;

# The host and the port of a pooler.
sub start_pooler
{
	my $folder = PostgreSQL::Test::Utils::tempdir_short();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($program) = grep { -x } map { "$_/pgbouncer" } '/usr/sbin', split(/:/, $ENV{PATH});

	append_to_file("$folder/users", qq("client" ""\n));
	append_to_file("$folder/ini", <<"END");
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]}
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $folder
auth_type = trust
auth_file = $folder/users
pool_mode = transaction
server_login_retry = 1
END
	$pooler = start('pooler', $program || die('PgBouncer is not installed'), "$folder/ini");
	return ($folder, $port);
}

my %programs = (python => [ "$examples/worker.py" ]);
$programs{node} = [ 'node', "$examples/worker.js" ] if system(q{node -e "require('pg')" 2>/dev/null}) == 0;
my %servers = (direct => [ $node->host, $node->port ], pooled => [ start_pooler() ]);
my @clients;

for my $language (sort keys %programs)
{
	for my $way (sort keys %servers)
	{
		my ($host, $port) = @{ $servers{$way} };
		push @clients, { name => "$language-$way", language => $language, starts => 0,
			command => [ @{ $programs{$language} }, "postgresql://client\@/postgres?host=$host&port=$port", "$language-$way" ] };
		sql($node, "SELECT task_queue.create_queue('$language-$way')");
	}
}

# One process for each client, the last one's successor.
sub start_clients
{
	my (%environment) = @_;

	local %ENV = (%ENV, %environment);
	for my $client (@clients)
	{
		$client->{worker} = $client->{name} . '-' . ++$client->{starts};
		local $ENV{WORKER} = $client->{worker};
		$client->{run} = start($client->{worker}, @{ $client->{command} });
	}
	return;
}

# Each of them must end well.
sub stop_clients
{
	my ($what, $meanwhile) = @_;

	$_->{run}->signal('TERM') for @clients;
	$meanwhile->() if $meanwhile;
	ok(eval { $_->{run}->finish }, "$_->{name}: $what") for @clients;
	return;
}

# A task for each client.
sub enqueue_all
{
	my ($handler, $args, $options) = @_;
	$options = $options ? ", $options" : '';
	return split /\n/, sql($node, join "\n", map { "SELECT task_queue.enqueue('$handler', '$args', queue => '$_->{name}'$options);" } @clients);
}

# For each of the clients and its task. In the query, ID stands for the task and WORKER for the client.
sub query_of
{
	my ($i, $query, @ids) = @_;
	return $query =~ s/\bID\b/$ids[$i]/gr =~ s/\bWORKER\b/'$clients[$i]{worker}'/gr;
}

sub all_answer
{
	my ($query, $expected, $what, @ids) = @_;
	my @answers = split /\n/, sql($node, join "\n", map { query_of($_, "$query;", @ids) } 0 .. $#clients), -1;

	is($answers[$_], $expected, "$clients[$_]{name}: $what") for 0 .. $#clients;
	return;
}

sub all_come_to
{
	my ($query, $what, @ids) = @_;
	wait_for($node, query_of($_, $query, @ids), "$clients[$_]{name}: $what") for 0 .. $#clients;
	return;
}

sub all_end_as
{
	my ($expected, $what, @ids) = @_;
	ends_as($node, $ids[$_], $expected, "$clients[$_]{name}: $what") for 0 .. $#clients;
	return;
}

sub all_run
{
	my ($what, @ids) = @_;
	all_come_to("SELECT worker = WORKER FROM task_queue.tasks WHERE task_id = ID AND state = 'running'", $what, @ids);
	return;
}

start_clients(LEASE => 3);
all_come_to('SELECT count(*) = 1 FROM task_queue.workers WHERE worker = WORKER', 'the worker is seen');

# results and errors
sql($node, "SELECT task_queue.enqueue_many('example.echo', array_fill('[]'::jsonb, '{20}'), queue => '$_->{name}')") for @clients;
my @lists = enqueue_all('example.echo', '[7, {"a": "ä"}, [null, []]]');
my @wrong = enqueue_all('example.sleep', '["long"]');
my @never = enqueue_all('example.sleep', '["long"]',
	"retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 9, non_retryable_error_kinds => '{TypeError}')");
all_end_as('done', 'a task is done', @lists);
all_answer('SELECT t.result(ID)', '[7, {"a": "ä"}, [null, []]]', 'with what its handler returned', @lists);
all_end_as('failed TypeError', 'a task fails', @wrong);
all_answer('SELECT t.attempts(ID)', '1 TypeError, 2 TypeError, 3 TypeError', 'after all its attempts', @wrong);
all_end_as('failed TypeError', 'another one fails', @never);
all_answer('SELECT t.attempts(ID)', '1 TypeError', 'at once, for the policy says so', @never);

# longer than its lease, which heartbeats extend
my @long = enqueue_all('example.sleep', '[5]');
# a task whose hand-out did not get through: nobody but a heartbeat can know of it
my @unheard = enqueue_all('example.other', '[]');
for my $client (@clients)
{
	is(sql($node, "SET ROLE client; SELECT count(*) FROM task_queue.dequeue('$client->{name}', lease => '1 hour',
		worker => '$client->{worker}', handlers => '{example.other}')"), 1, "$client->{name}: is handed a task that it does not hear of");
}
all_come_to('SELECT NOT t.running(ID)', 'gives it back', @unheard);
all_answer('SELECT task_queue.cancel(ID)', 't', 'unharmed', @unheard);
all_answer('SELECT t.attempts(ID)', '', 'at no cost', @unheard);
all_end_as('done', 'a long task is done', @long);
all_answer('SELECT t.attempt(ID)', 1, 'under its first lease', @long);

# a cancel comes with a heartbeat
my @canceled = enqueue_all('example.sleep', '[600]');
all_run('a task to cancel runs', @canceled);
all_answer('SELECT task_queue.cancel(ID)', 't', 'is told to cancel it', @canceled);
all_end_as('canceled', 'does so', @canceled);

# killed in the middle of a task
my @taken_over = enqueue_all('example.sleep', '[600]');
all_run('a task runs when the worker is killed', @taken_over);
for my $client (@clients)
{
	$client->{run}->signal('KILL');
	eval { $client->{run}->finish };
}
start_clients(LEASE => 6, CONCURRENCY => 1);
all_run('another worker takes the task over', @taken_over);
all_answer('SELECT t.attempts(ID)', '1 lease_lost', 'when the lease has ended', @taken_over);
all_answer('SELECT task_queue.cancel(ID)', 't', 'is told to cancel it', @taken_over);
all_end_as('canceled', 'does so', @taken_over);

# a restart in the middle of a task
my @over_restart = enqueue_all('example.sleep', '[3]');
all_run('a task runs when the server is restarted', @over_restart);
$node->restart;
all_end_as('done', 'it is done', @over_restart);
all_answer('SELECT attempt = 1 AND started_at < pg_postmaster_start_time() FROM task_queue.tasks WHERE task_id = ID',
	't', 'by the worker that had begun it', @over_restart);

# told to stop: what runs is finished, what waits stays
my @last = enqueue_all('example.sleep', '[1]');
my @waiting;
all_run('a task runs when the worker is told to stop', @last);
stop_clients('it stops', sub { @waiting = enqueue_all('example.echo', '[]') });
all_answer('SELECT t.state(ID)', 'done', 'when its task is done', @last);
all_answer('SELECT t.state(ID)', 'ready', 'without taking another one', @waiting);

# told to stop while idle: the call that waits for tasks is ended
start_clients();
all_end_as('done', 'the next worker takes it', @waiting);
my $polling = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'dequeue' AND usename = 'client' AND wait_event_type = 'Extension'";
wait_for($node, $polling, 'all are idle', scalar @clients);
my $from = log_position($node);
stop_clients('it stops');
wait_for($node, $polling, 'nobody polls any more', 0);
is(count_in_log($node, qr/canceling statement due to user request|connection to client lost/, $from), scalar @clients, 'nor did anybody wait in vain');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), 0, 'nothing is left');
$pooler->signal('INT');
eval { $pooler->finish };
$node->stop;
done_testing();
