# Random DAGs on several workers end as the model of the rules says, whatever
# is paused, resumed, signaled, stopped at breakpoints, terminated or crashed
# meanwhile. TQ_DAGS: how many; TQ_SEED: which ones.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TqTest;

my $top = "$FindBin::RealBin/../..";
my $dags = $ENV{TQ_DAGS} || 1500;
my $seed = $ENV{TQ_SEED} || time();
my $model = "$PostgreSQL::Test::Utils::tmp_check/dag_model";
my $cc = $ENV{CC} || 'cc';

srand($seed);
note("TQ_SEED=$seed");
if (system("$cc -std=gnu99 -I$top/src $top/test/model/dag_model.c $top/src/policy/graph.c $top/src/policy/state.c -o $model") != 0)
{
	plan skip_all => 'no C compiler';
}

my $node = tq_node('main', conf => [ 'task_queue.workers = 3', 'task_queue.log_min_duration = -1', 'max_connections = 30' ]);
sql($node, <<'SQL');
CREATE SCHEMA stress;
CREATE TABLE stress.spec (no int PRIMARY KEY, name text, batch text, spec jsonb);
CREATE FUNCTION stress.work(id text, fails boolean, adds jsonb, VARIADIC args jsonb[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	added jsonb;
BEGIN
	IF random() < 0.1 THEN
		PERFORM pg_sleep(random() * 0.005);
	END IF;
	IF EXISTS (SELECT FROM unnest(args) AS a WHERE jsonb_typeof(a) IS DISTINCT FROM 'string') THEN
		PERFORM task_queue.raise_error('wrong argument', args::text);
	END IF;
	FOR added IN SELECT * FROM jsonb_array_elements(adds) LOOP
		PERFORM task_queue.add_step(stress.step(added));
	END LOOP;
	IF fails THEN
		PERFORM task_queue.raise_error('stress', id);
	END IF;
	RETURN id;
END
$$;
-- needs, defaults, optionals: steps it depends on, by kind; refs: whether by reference
CREATE FUNCTION stress.step(s jsonb) RETURNS task_queue.step LANGUAGE sql AS $$
	SELECT task_queue.step(s ->> 'id', 'stress.work',
		jsonb_build_array(s ->> 'id', (s ->> 'fails')::boolean, COALESCE(s -> 'adds', '[]'))
			|| COALESCE((SELECT jsonb_agg(task_queue.ref(u)) FROM jsonb_array_elements_text(s -> 'needs') AS u WHERE (s ->> 'refs')::boolean), '[]')
			|| COALESCE((SELECT jsonb_agg(task_queue.ref_or_default(u, '"D"')) FROM jsonb_array_elements_text(s -> 'defaults') AS u), '[]'),
		after => CASE WHEN NOT (s ->> 'refs')::boolean THEN ARRAY(SELECT jsonb_array_elements_text(s -> 'needs')) END,
		after_any => ARRAY(SELECT jsonb_array_elements_text(s -> 'optionals')),
		optional => (s ->> 'optional')::boolean,
		wait_for => CASE WHEN (s ->> 'signal')::boolean THEN '{go}'::text[] END,
		break_before => CASE WHEN (s ->> 'before')::boolean THEN '{stop}'::text[] END,
		break_after => CASE WHEN (s ->> 'after')::boolean THEN '{stop}'::text[] END)
$$;
CREATE FUNCTION stress.submit(name text, spec jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT task_queue.submit_dag(ARRAY(SELECT stress.step(s) FROM jsonb_array_elements(spec) AS s WHERE NOT (s ->> 'added')::boolean),
		id => name, active_breakpoints => '{stop}', retry_policy => task_queue.retry_policy('0', maximum_attempts => 1000))
$$;
SELECT task_queue.register_handler('stress.work'::regproc::regprocedure);
-- as dag_model.c writes it
CREATE VIEW stress.outcome AS
	SELECT p.no, p.batch, format('%s %s|%s', p.name, d.state, string_agg(format('%s %s', e.s ->> 'id', COALESCE(s.state, 'absent')), ',' ORDER BY e.place)) AS line
	FROM stress.spec AS p JOIN task_queue.dags AS d ON d.dag_id = p.name
		CROSS JOIN jsonb_array_elements(p.spec) WITH ORDINALITY AS e (s, place)
		LEFT JOIN task_queue.dag_steps AS s ON s.dag_id = p.name AND s.step_id = e.s ->> 'id'
	GROUP BY p.no, p.batch, p.name, d.state;
SQL

sub flag
{
	my ($probability) = @_;
	return rand() < $probability ? 'true' : 'false';
}

# A random DAG: what stress.submit() takes, and a line for the model.
sub random_dag
{
	my ($name, $wide) = @_;
	my $n = $wide ? 80 + int(rand(60)) : 1 + int(rand(12));
	my $density = $wide ? 0.02 : rand(0.7);
	my $join = $wide ? $n - 1 - int(rand(3)) : -1;
	my (@steps, @flags, @edges, @added);

	for my $i (0 .. $n - 1)
	{
		my %deps = (r => [], d => [], o => []);
		my $by_ref = flag(0.5);
		my $fails = flag($wide ? 0.01 : 0.2);
		my $optional = flag(0.3);
		my $parent = $i > 0 && !$wide && rand() < 0.15 ? int(rand($i)) : -1;

		# Added by an earlier step that is not itself added, and optional, so that its absence does not count.
		if ($parent >= 0 && !grep { $_ == $parent } @added)
		{
			push @added, $i;
			push @edges, "$parent,$i,r";
			$optional = 'true';
			$steps[$parent]{adds} .= ($steps[$parent]{adds} ? ',' : '')
			  . qq({"id":"s$i","fails":$fails,"optional":true,"refs":false,"signal":false,"before":false,"after":false});
			$steps[$i] = { text => qq("id":"s$i","added":true), adds => '' };
		}
		else
		{
			for my $j (0 .. $i - 1)
			{
				next if grep { $_ == $j } @added;
				next unless rand() < ($i == $join ? 0.95 : $density);
				my $kind = (qw(r r d o))[ int(rand(4)) ];
				$kind = 'o' if $i == $join && rand() < 0.9;
				push @{ $deps{$kind} }, qq("s$j");
				push @edges, "$j,$i,$kind";
			}
			$steps[$i] = {
				adds => '',
				text => qq("id":"s$i","added":false,"fails":$fails,"optional":$optional,"refs":$by_ref)
				  . sprintf(',"signal":%s,"before":%s,"after":%s', flag(0.05), flag(0.05), flag(0.05))
				  . sprintf(',"needs":[%s],"defaults":[%s],"optionals":[%s]', map { join ',', @{ $deps{$_} } } qw(r d o))
			};
		}
		push @flags, (join '', ($fails eq 'true' ? '!' : ''), ($optional eq 'true' ? '?' : ''), ((grep { $_ == $i } @added) ? '+' : '')) || '-';
	}
	return ('[' . join(',', map { "{$_->{text},\"adds\":[$_->{adds}]}" } @steps) . ']',
		join(' ', $name, $n, @flags, scalar @edges, @edges));
}

my $next = 0;

# Make random DAGs, submit them, and write the model's input; returns the lines that it expects.
sub submit_batch
{
	my ($batch, $count) = @_;
	my $input = "$PostgreSQL::Test::Utils::tmp_check/$batch.in";
	my $sql = '';

	open my $fh, '>', $input or die $!;
	for (1 .. $count)
	{
		my $name = "$batch" . $next++;
		my ($spec, $line) = random_dag($name, rand() < 0.02);
		$sql .= "INSERT INTO stress.spec VALUES ($next, '$name', '$batch', '$spec');\n";
		print $fh "$line\n";
	}
	close $fh;
	sql($node, "BEGIN;\n$sql COMMIT;");
	sql($node, "SELECT count(stress.submit(name, spec)) FROM stress.spec WHERE batch = '$batch'");
	return [ split /\n/, `$model < $input` ];
}

# What somebody does to DAGs that run; one statement each, since many fail.
my @disturbances = (
	"SELECT task_queue.pause_dag(dag_id) FROM task_queue.dag WHERE state = 'x' AND random() < 0.02 LIMIT 3",
	"SELECT task_queue.resume_dag(dag_id) FROM task_queue.dag WHERE state IN ('g', 'h')",
	"SELECT task_queue.signal(dag_id, 'go') FROM task_queue.dag WHERE state IN ('x', 'g', 'h') AND random() < 0.2",
	"SELECT task_queue.resume_breakpoint(dag_id, 'stop') FROM task_queue.dag WHERE state IN ('x', 'g', 'h') AND random() < 0.2");
my $open = "SELECT count(*) FROM task_queue.dag WHERE state IN ('x', 'g', 'h')";

# Disturb until all have ended.
sub run_batch
{
	my ($more) = @_;
	my $deadline = time() + 2 * $PostgreSQL::Test::Utils::timeout_default;

	while (time() < $deadline)
	{
		try_sql($node, $_) for @disturbances;
		$more->() if $more;
		my ($left) = try_sql($node, $open);
		return if defined $left && $left eq '0';
		usleep(20_000);
	}
	fail('all DAGs end');
	diag(sql($node, "SELECT task_queue.dag_debug(dag_id) FROM task_queue.dag WHERE state IN ('x', 'g', 'h') LIMIT 3"));
	return;
}

sub compare_batch
{
	my ($batch, $expected, $what) = @_;
	my @actual = split /\n/, sql($node, "SELECT line FROM stress.outcome WHERE batch = '$batch' ORDER BY no");
	my @wrong = grep { $actual[$_] ne $expected->[$_] } 0 .. $#$expected;

	is(scalar @actual, scalar @$expected, "$what: all are there");
	is(scalar @wrong, 0, "$what: all end as the model says");
	for my $i (@wrong[ 0 .. ($#wrong > 2 ? 2 : $#wrong) ])
	{
		diag("expected $expected->[$i]\n     got $actual[$i]");
	}
	is(sql($node, "SELECT count(*) FROM task_queue.dag WHERE open <> 0 AND state <> 'c'"), '0', "$what: nothing is counted as open");
	is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', "$what: no task is left");
	is(sql($node, "SELECT count(*) FROM task_queue.dead_letters WHERE error_kind <> 'stress'"), '0', "$what: steps failed only as they should")
	  || diag(sql($node, "SELECT error_kind, error_message FROM task_queue.dead_letters WHERE error_kind <> 'stress' LIMIT 3"));
	return;
}

my $expected = submit_batch('calm', $dags);
run_batch();
compare_batch('calm', $expected, 'paused, signaled, stopped');

# Workers are terminated: each time an attempt fails with a retryable error.
$expected = submit_batch('killed', $dags / 5);
run_batch(sub {
	try_sql($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'task_queue worker' AND random() < 0.1");
});
compare_batch('killed', $expected, 'workers terminated');

# The server is stopped at once, twice.
$expected = submit_batch('crashed', $dags / 5);
for (1, 2)
{
	try_sql($node, $_) for @disturbances;
	$node->stop('immediate');
	$node->start;
}
run_batch();
compare_batch('crashed', $expected, 'server stopped');

# Canceled at some point: everything ends, and nothing follows.
submit_batch('canceled', $dags / 5);
run_batch(sub {
	try_sql($node, "SELECT task_queue.cancel_dag(dag_id) FROM task_queue.dag WHERE state IN ('x', 'g', 'h') AND random() < 0.1");
});
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'canceled: no task is left', '0');
is(sql($node, "SELECT count(*) FROM task_queue.dag_step WHERE state IN ('n', 'p', 'x')"), '0', 'canceled: every step has ended');

done_testing();
