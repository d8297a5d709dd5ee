# What the TAP tests have in common: servers with the library preloaded, and
# waiting for conditions instead of for time.
#
# Tasks are looked at through the schema "t" that tq_node() makes in the
# database: t.state(id), t.result(id), t.error(id), t.attempts(id).

package TqTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(tq_node tq_standby tq_install sql sql_error try_sql wait_for wait_state ends_as enqueue enqueue_fatal crash state_of
  session hold_gate workers_of count_in_log wait_for_log_line log_position);

# Notices would be taken for complaints.
$ENV{PGOPTIONS} = '-c client_min_messages=warning';

my $setup = <<'SQL';
CREATE SCHEMA t;
GRANT USAGE ON SCHEMA t TO PUBLIC;

CREATE FUNCTION t.state(id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT CASE state WHEN 'r' THEN 'ready' WHEN 's' THEN 'scheduled' WHEN 'x' THEN 'running' END
	FROM task_queue.task WHERE task_id = id
	UNION ALL
	SELECT CASE state WHEN 'd' THEN 'done' WHEN 'f' THEN 'failed' WHEN 'c' THEN 'canceled' END
	FROM task_queue.history WHERE task_id = id
$$;

CREATE FUNCTION t.result(id bigint) RETURNS jsonb LANGUAGE sql AS
	'SELECT result FROM task_queue.history WHERE task_id = id';

CREATE FUNCTION t.error(id bigint) RETURNS task_queue.task_error LANGUAGE sql AS
	'SELECT error FROM task_queue.history WHERE task_id = id';

-- Number of the last execution that counted.
CREATE FUNCTION t.attempt(id bigint) RETURNS int LANGUAGE sql AS $$
	SELECT attempt FROM task_queue.task WHERE task_id = id
	UNION ALL
	SELECT attempt FROM task_queue.history WHERE task_id = id
$$;

-- Failed attempts: number, kind, SQLSTATE, in order.
CREATE FUNCTION t.attempts(id bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', attempt, (error).kind, (error).sqlstate), ', ' ORDER BY attempt)
	FROM task_queue.attempt WHERE task_id = id
$$;

CREATE FUNCTION t.running(id bigint) RETURNS boolean LANGUAGE sql AS
	'SELECT EXISTS (SELECT FROM task_queue._running() AS r WHERE r.task_id = id)';

-- A handler that waits here has started, and goes on when the gate is opened.
CREATE FUNCTION t.pass_gate(gate int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_lock_shared(1234, gate);
	PERFORM pg_advisory_unlock_shared(1234, gate);
END
$$;

CREATE FUNCTION t.waiting_at_gate(gate int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1234 AND objid = gate AND NOT granted
$$;
SQL

# tq_node(NAME, conf => [LINES], init => {...}, install => 0): a running server.
sub tq_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	# Not what the environment's locale implies, which may be SQL_ASCII.
	$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], %{ $options{init} || {} });
	$node->append_conf(
		'postgresql.conf', join "\n",
		"shared_preload_libraries = 'task_queue'",
		'max_worker_processes = 16',
		'log_statement = none',
		'task_queue.log_min_duration = 0',
		@{ $options{conf} || [] }, '');
	return $node if exists $options{install} && !defined $options{install};
	$node->start;
	tq_install($node, 'postgres') unless exists $options{install} && !$options{install};
	return $node;
}

# A running standby of a node that allows streaming.
sub tq_standby
{
	my ($primary) = @_;
	my $standby = PostgreSQL::Test::Cluster->new('standby');

	$primary->backup('base');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	return $standby;
}

# The extension and the schema t in a database.
sub tq_install
{
	my ($node, $database) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION task_queue');
	$node->safe_psql($database, $setup);
	return;
}

sub sql
{
	my ($node, $sql, $database) = @_;
	return $node->safe_psql($database || 'postgres', $sql);
}

# Output and complaints. Where psql() dies, because the server has gone before psql has read the statement, there is no output.
sub try_sql
{
	my ($node, $sql, $database) = @_;
	my ($status, $stdout, $stderr) = eval { $node->psql($database || 'postgres', $sql) };
	($status, $stderr) = (2, $@) if !defined $status;
	return wantarray ? ($stdout, $stderr, $status) : $stdout;
}

# The SQLSTATE and the message that the last statement is refused with.
sub sql_error
{
	my ($node, $sql, $database) = @_;
	my ($status, $stdout, $stderr) =
	  $node->psql($database || 'postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 1);
	return $stderr =~ /(?:ERROR|FATAL):  (\w{5}: .*)/ ? $1 : "no error: $stdout$stderr";
}

# Wait until a query answers as expected ('t' unless given). The server may be down meanwhile.
sub wait_for
{
	my ($node, $query, $what, $expected, $database) = @_;
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
	my ($stdout, $stderr);

	$expected = 't' unless defined $expected;
	do
	{
		($stdout, $stderr) = try_sql($node, $query, $database);
		if (defined $stdout && $stdout eq $expected)
		{
			local $Test::Builder::Level = $Test::Builder::Level + 1;
			pass($what) if defined $what;
			return 1;
		}
		usleep(30_000);
	} while (time() < $deadline);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fail($what || 'wait for a condition');
	diag("query:    $query\nexpected: $expected\nlast:     $stdout\n$stderr");
	return 0;
}

sub enqueue
{
	my ($node, $handler, $args, $options, $database) = @_;
	$args = defined $args ? $args : '[]';
	return sql($node,
		"SELECT task_queue.enqueue('$handler', '$args'" . (defined $options ? ", $options" : '') . ')', $database);
}

# A task that takes the server down, once its id is known: a session that starts
# it may not live to tell.
sub enqueue_fatal
{
	my ($node, $handler, $args) = @_;
	my $id = enqueue($node, $handler, $args, "delay => '1 h'");
	try_sql($node, "SELECT task_queue.alter_task($id, run_at => '-infinity')");
	return $id;
}

# Kill a process of the server and wait until the others are gone too.
sub crash
{
	my ($node, $pid) = @_;
	my $from = log_position($node);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	kill 'KILL', $pid;
	return wait_for_log_line($node, 'all server processes terminated; reinitializing', $from, 'the server crashes');
}

sub state_of
{
	my ($node, $id, $database) = @_;
	return sql($node, "SELECT t.state($id)", $database);
}

sub wait_state
{
	my ($node, $id, $state, $what, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for($node, "SELECT t.state($id)", $what, $state, $database) || diag(
		sql($node, "SELECT concat_ws(E'\\n', t.state($id), t.error($id), t.attempts($id))", $database));
}

# Wait for the end of a task and compare: state, or "state kind sqlstate".
sub ends_as
{
	my ($node, $id, $expected, $what, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for($node, "SELECT t.state($id) IN ('done', 'failed', 'canceled')", undef, 't', $database);
	return is(
		sql($node, "SELECT concat_ws(' ', t.state($id), (t.error($id)).kind, (t.error($id)).sqlstate)", $database),
		$expected, $what)
	  || diag(sql($node, "SELECT concat_ws(E'\\n', t.error($id), t.attempts($id))", $database));
}

# A session that stays open: query_safe(), quit().
sub session
{
	my ($node, $database, %options) = @_;
	return $node->background_psql($database || 'postgres', %options);
}

# A session that keeps a gate of t.pass_gate() closed until it quits.
sub hold_gate
{
	my ($node, $gate, $database) = @_;
	my $session = session($node, $database);
	$session->query_safe("SELECT pg_advisory_lock(1234, $gate)");
	return $session;
}

sub workers_of
{
	my ($node, $database) = @_;
	return sql($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'task_queue worker'"
		. ' AND datname = ' . "'" . ($database || 'postgres') . "'");
}

sub log_position
{
	my ($node) = @_;
	return -s $node->logfile;
}

sub count_in_log
{
	my ($node, $pattern, $from) = @_;
	my $log = slurp_file($node->logfile, $from || 0);
	my @found = $log =~ /$pattern/g;
	return scalar @found;
}

sub wait_for_log_line
{
	my ($node, $pattern, $from, $what) = @_;
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	while (time() < $deadline)
	{
		return pass($what) if count_in_log($node, $pattern, $from);
		usleep(50_000);
	}
	return fail($what);
}

1;
