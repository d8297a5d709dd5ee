# The server stops at once, whatever handlers run, and no handler starts after
# that.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE TABLE written (what text);
CREATE FUNCTION sleeps() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written VALUES ('sleeps'); PERFORM pg_sleep(600); END $$;
CREATE FUNCTION loops() RETURNS void LANGUAGE plpgsql AS $$
DECLARE n bigint := 0; BEGIN LOOP n := n + 1; PERFORM pg_sleep(0.001); END LOOP; END $$;
CREATE FUNCTION ignores() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM pg_sleep(600);
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			NULL;
		END;
	END LOOP;
END $$;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		COMMIT;
		PERFORM pg_sleep(0.001);
	END LOOP;
END $$;
CREATE FUNCTION quick() RETURNS void LANGUAGE sql AS '';
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

my @ids = map { enqueue($node, "public.$_") } qw(sleeps loops ignores commits);
wait_for($node, 'SELECT count(*) FROM task_queue._running()', 'four handlers are running', 4);
my @more = map { enqueue($node, 'public.quick') } 1 .. 50;

for my $mode ('fast', 'smart')
{
	$node->command_ok([ 'pg_ctl', '-D', $node->data_dir, '-m', $mode, '-t', '20', '-w', 'stop' ], "a stop in mode $mode succeeds");
	$node->_update_pid(0);
	$node->start;
	wait_for($node, 'SELECT count(*) FROM task_queue._running() WHERE handler <> \'public.quick\'', 'the handlers run again', 4);
	is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'no attempt was counted');
	is(sql($node, 'SELECT string_agg((t.attempt(id) + CASE t.state(id) WHEN \'ready\' THEN 1 ELSE 0 END)::text, \' \')'
			. " FROM unnest(ARRAY[$ids[0], $ids[1], $ids[2], $ids[3]]) AS id"),
		'1 1 1 1', 'they are in their first attempt');
	is(sql($node, 'SELECT count(*) FROM written'), '0', 'and what they had written is undone');
}
sql($node, 'SELECT task_queue.cancel(id) FROM unnest(ARRAY[' . join(',', @ids[ 0, 1, 3 ]) . ']) AS id');
ends_as($node, $ids[$_], 'canceled', 'a canceled one ends') for 0, 1, 3;
ends_as($node, $_, 'done', 'the others run') for @more[ 0, 49 ];
is(count_in_log($node, 'PANIC|TRAP|was terminated by signal'), 0, 'nobody died');

$node->stop;
done_testing();
