# A function handler runs in a worker: what comes in, what comes out, as whom,
# and how soon after the commit.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE ROLE app LOGIN;
GRANT USAGE ON SCHEMA task_queue TO app;
CREATE TABLE seen (id bigint, what text);
GRANT INSERT ON seen TO app;
CREATE TYPE item AS (tag text, count int);
CREATE FUNCTION echo(a int, b text, c item) RETURNS text LANGUAGE sql AS
	$$ SELECT concat_ws('/', a, b, c.tag, c.count) $$;
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION nullable() RETURNS int LANGUAGE sql AS 'SELECT NULL::int';
CREATE FUNCTION whoami() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen SELECT task_id, 'whoami' FROM task_queue.current_task();
	RETURN jsonb_build_object('user', current_user, 'txid', txid_current(),
		'task', (SELECT to_jsonb(c) FROM task_queue.current_task() AS c));
END
$$;
CREATE FUNCTION secret() RETURNS text LANGUAGE sql AS $$ SELECT 'secret'::text $$;
REVOKE EXECUTE ON FUNCTION secret() FROM PUBLIC;
CREATE FUNCTION read_table(name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM %I', name) INTO n; RETURN n; END $$;
CREATE TABLE private_data (x int);
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql AS 'SELECT clock_timestamp()';
SELECT task_queue.register_handler(f::regprocedure) FROM unnest(ARRAY['echo(int,text,item)', 'nothing()', 'nullable()',
	'whoami()', 'secret()', 'read_table(text)', 'clock()']) AS f;
SQL

# Values in and out
my $id = enqueue($node, 'public.echo', '[7, "hello", {"tag": "t", "count": 3}]');
ends_as($node, $id, 'done', 'a task with three arguments is done');
is(sql($node, "SELECT t.result($id)"), '"7/hello/t/3"', 'with its result');
$id = enqueue($node, 'public.echo', '{"c": {"tag": "n"}, "b": null, "a": 1}');
ends_as($node, $id, 'done', 'arguments by name');
is(sql($node, "SELECT t.result($id)"), '"1/n"', 'reach their parameters');
$id = enqueue($node, 'public.nothing');
ends_as($node, $id, 'done', 'a void handler');
is(sql($node, "SELECT t.result($id) IS NULL"), 't', 'has no result');
$id = enqueue($node, 'public.nullable');
ends_as($node, $id, 'done', 'a handler that returns NULL');
is(sql($node, "SELECT t.result($id)"), 'null', 'has the result JSON null');

# Role, transaction, current_task
$id = sql($node, q{SET ROLE app;
	SELECT task_queue.enqueue('public.whoami', labels => ARRAY['x', 'y'], trace_ctx => '{"traceparent": "00-1"}')});
ends_as($node, $id, 'done', 'a task of another role');
is(sql($node, "SELECT t.result($id)->>'user'"), 'app', 'runs as the role that enqueued it');
is( sql($node, "SELECT concat_ws(' ', t->>'task_id', t->>'handler', t->>'queue', t->>'attempt', t->>'maximum_attempts', t->'labels',"
		. " t->'trace_ctx', substr(t->>'worker', 1, 3)) FROM (SELECT t.result($id)->'task' AS t) AS s"),
	"$id public.whoami default 1 5 [\"x\", \"y\"] {\"traceparent\": \"00-1\"} db/",
	'current_task() tells about it');
is(sql($node, "SELECT count(*) FROM seen WHERE id = $id"), '1', 'its writes are committed');
is( sql($node, "SELECT h.xmin::text::bigint = (t.result($id)->>'txid')::bigint AND h.xmin = s.xmin"
		. " FROM task_queue.history AS h, seen AS s WHERE h.task_id = $id AND s.id = $id"),
	't', 'in the transaction that records its end');

$id = sql($node, q{SET ROLE app; SELECT task_queue.enqueue('public.read_table', '["private_data"]',
	retry_policy => task_queue.no_retry_policy())});
ends_as($node, $id, 'failed handler 42501', 'the role has no rights but its own');
$id = sql($node, 'GRANT EXECUTE ON FUNCTION secret() TO app; SET ROLE app; BEGIN;'
	  . " SELECT task_queue.enqueue('public.secret', retry_policy => task_queue.no_retry_policy());"
	  . ' RESET ROLE; REVOKE EXECUTE ON FUNCTION secret() FROM app; COMMIT');
ends_as($node, $id, 'failed handler 42501', 'EXECUTE is checked again at the run');

# INSERT and COPY
$id = sql($node, q{SET ROLE app; INSERT INTO task_queue.task (handler, args) VALUES ('public.echo', '[1, "i", {}]') RETURNING task_id});
ends_as($node, $id, 'done', 'a plain INSERT is a task');
sql($node, "SET ROLE app;\nCOPY task_queue.task (handler, args) FROM STDIN;\npublic.whoami\t[]\npublic.whoami\t[]\n\\.\n");
wait_for($node, 'SELECT count(*) FROM seen', 'and so are the rows of a COPY', 3);

# Nothing before the commit, nothing after a rollback
my $session = session($node);
$session->query_safe('BEGIN');
my $first = $session->query_safe("SELECT task_queue.enqueue('public.echo', '[1, \"a\", {}]')");
my $second = $session->query_safe("SAVEPOINT s; SELECT task_queue.enqueue('public.echo', '[2, \"b\", {}]')");
my $other = enqueue($node, 'public.echo', '[3, "c", {}]');
ends_as($node, $other, 'done', 'a later task runs');
$session->query_safe('ROLLBACK TO s');
is(sql($node, "SELECT count(*) FROM task_queue.history WHERE task_id IN ($first, $second)"), '0', 'before an earlier one has committed');
$session->query_safe('COMMIT');
ends_as($node, $first, 'done', 'which runs at the commit');
is(sql($node, "SELECT t.state($second) IS NULL"), 't', 'what was rolled back is gone');
$session->quit;

# Its own task is running for a handler, as it is for others, by a worker as by drain().
sql($node, <<'END');
CREATE FUNCTION look_at_itself() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	me CONSTANT bigint := (SELECT task_id FROM task_queue.current_task());
	answers jsonb := '{}';
	answer text;
	question text;
BEGIN
	FOREACH question IN ARRAY ARRAY['(SELECT state FROM task_queue.tasks WHERE task_id = %s)', 'task_queue.get_task(%s)->>''state''',
		'(SELECT state FROM task_queue.wait(%s, ''0''))', 'task_queue.cancel(%s)', 'task_queue.alter_task(%s, priority => 3)',
		'task_queue.requeue(%s)', 'task_queue.delete_task(%s)', 'task_queue.await(%s, ''0'')']
	LOOP
		BEGIN
			EXECUTE 'SELECT ' || format(question, me) INTO answer;
		EXCEPTION WHEN OTHERS THEN
			answer := SQLSTATE;
		END;
		answers := answers || jsonb_build_object(question, answer);
	END LOOP;
	RETURN answers;
END $$;
CREATE FUNCTION delete_itself() RETURNS boolean LANGUAGE sql AS
	'SELECT task_queue.delete_task(task_id, force => true) FROM task_queue.current_task()';
SELECT task_queue.register_handler('look_at_itself()'), task_queue.register_handler('delete_itself()');
END
my $by_worker = enqueue($node, 'public.look_at_itself');
ends_as($node, $by_worker, 'done', 'a handler looks at its own task');
is(sql($node, "SELECT string_agg(value, ' ' ORDER BY key COLLATE \"C\") FROM jsonb_each_text(t.result($by_worker))"),
	'running running false TQ007 true 55000 running 55000', 'which is running');
my $by_drain = sql($node, q{SET task_queue.execution = 'manual'; SELECT task_queue.enqueue('public.look_at_itself');});
sql($node, 'SELECT count(*) FROM task_queue.drain()');
is(sql($node, "SELECT t.result($by_drain) = t.result($by_worker)"), 't', 'the same in drain()');
$id = enqueue($node, 'public.delete_itself');
wait_for($node, "SELECT task_queue.get_task($id) IS NULL", 'a task can delete itself');

# Latency of an idle worker, as a median so that a busy machine does not fail it: polling would be seen.
sql($node, "SELECT task_queue.enqueue('public.clock')");
my @ms;
for (1 .. 11)
{
	$id = enqueue($node, 'public.clock');
	wait_for($node, "SELECT t.state($id)", undef, 'done');
	push @ms, sql($node, "SELECT round(1000 * extract(epoch FROM (t.result($id)#>>'{}')::timestamptz - enqueued_at))"
		  . " FROM task_queue.history WHERE task_id = $id");
}
@ms = sort { $a <=> $b } @ms;
cmp_ok($ms[5], '<', 100, 'a task starts at once after the commit')
  || diag("milliseconds: @ms");

$node->stop;
done_testing();
