# A task that kills its process takes the server down with it for a moment, but
# neither its own statistics nor those counted before.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['restart_after_crash = on']);

sql($node, <<'SQL');
CREATE FUNCTION succeeds() RETURNS int LANGUAGE sql RETURN 1;
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE FUNCTION dies() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT 1) TO PROGRAM ''kill -9 %s''', pg_backend_pid());
	PERFORM pg_sleep(600);
END $$;
SELECT task_queue.register_handler(f, retry_policy => task_queue.no_retry_policy())
FROM unnest('{succeeds(),fails(),dies()}'::regprocedure[]) AS f;
SQL

my %ids = map { $_ => sql($node, "SELECT task_queue.enqueue('public.$_')") } qw(succeeds fails);
is(sql($node, "SELECT state FROM task_queue.wait($ids{succeeds}, '30 s')"), 'done', 'one task succeeds');
is(sql($node, "SELECT state FROM task_queue.wait($ids{fails}, '30 s')"), 'failed', 'one fails');

$ids{dies} = enqueue_fatal($node, 'public.dies');
wait_state($node, $ids{dies}, 'failed', 'one kills its process');
is(sql($node, "SELECT (t.error($ids{dies})).kind"), 'panic', 'which is a panic');

is( sql($node, q{SELECT string_agg(concat_ws(' ', handler, done, failed, wait_p50 IS NOT NULL, run_p50 IS NOT NULL), ', ' ORDER BY handler)
		FROM task_queue.stats}),
	'public.dies 0 1 t t, public.fails 0 1 t t, public.succeeds 1 0 t t',
	'each is counted and timed once');
for my $handler (sort keys %ids)
{
	is(count_in_log($node, qr/task $ids{$handler} handler "public\.$handler" attempt 1: \w+ after [\d.]+ ms/),
		1, "$handler leaves one line in the log");
}

$node->stop('fast');
$node->start;
is(sql($node, 'SELECT sum(done + failed) FROM task_queue.stats'), '3', 'statistics are kept over a restart');

done_testing();
