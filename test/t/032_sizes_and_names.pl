# Large and deep documents, and odd names, go through workers unharmed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE FUNCTION echo(j jsonb) RETURNS jsonb LANGUAGE sql RETURN j;
CREATE PROCEDURE keep(j jsonb) LANGUAGE plpgsql AS $$ BEGIN COMMIT; PERFORM task_queue.progress(0.5, repeat('é', 5000)); END $$;
CREATE FUNCTION fails(message text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', message USING DETAIL = message; END $$;
CREATE FUNCTION makes(n int) RETURNS text LANGUAGE sql RETURN repeat('y', n);
CREATE FUNCTION has_nul() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('x', chr(1)) $$;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

# Megabytes
my $id = sql($node, "SELECT task_queue.enqueue('public.echo', jsonb_build_array(jsonb_build_object('x', repeat('x', 20000000))))");
ends_as($node, $id, 'done', 'a document of twenty megabytes');
is(sql($node, "SELECT length(t.result($id)->>'x')"), '20000000', 'comes back whole');
is(sql($node, "SELECT length(task_queue.await($id)->>'x')"), '20000000', 'also from await()');
$id = sql($node, "SELECT task_queue.enqueue('public.keep', jsonb_build_array(repeat('x', 5000000)))");
ends_as($node, $id, 'done', 'one for a procedure');
$id = enqueue($node, 'public.makes', '[30000000]');
ends_as($node, $id, 'done', 'a result of thirty megabytes');
$id = enqueue($node, 'public.makes', '[300000000]', 'retry_policy => task_queue.no_retry_policy()');
ends_as($node, $id, 'failed decode 54000', 'a result that jsonb cannot hold is refused');
$id = sql($node, "SELECT task_queue.enqueue('public.fails', jsonb_build_array(repeat('ü', 3000000)), retry_policy => task_queue.no_retry_policy())");
ends_as($node, $id, 'failed handler P0001', 'an error of megabytes');
is(sql($node, "SELECT length((t.error($id)).message), length((t.error($id)).detail)"), '3000000|3000000', 'is kept whole');
$id = sql($node, "SELECT task_queue.enqueue('public.echo', '[1]', labels => (SELECT array_agg('label ' || n) FROM generate_series(1, 20000) AS n))");
ends_as($node, $id, 'done', 'twenty thousand labels');

# Depth
my $deep = 800;
$id = sql($node, "SELECT task_queue.enqueue('public.echo', (repeat('[', $deep) || repeat(']', $deep))::jsonb)");
ends_as($node, $id, 'done', "a document $deep levels deep");
is(sql($node, "SELECT length(t.result($id)::text)"), 2 * $deep - 2, 'comes back whole');
like(sql_error($node, "SELECT task_queue.enqueue('public.echo', (repeat('[', 1000000) || repeat(']', 1000000))::jsonb)"), qr/^54001/,
	'one that is too deep is refused');
like(sql_error($node, q{SELECT task_queue.enqueue('public.echo', '["\u0000"]')}), qr/^22P05/, 'a NUL character cannot be in a document');
ends_as($node, enqueue($node, 'public.has_nul'), 'done', 'but any other');

# Numbers
for my $number ('9007199254740993', '-9223372036854775808', '1e400', '0.1000000000000000055511151231257827', '1e-300')
{
	$id = enqueue($node, 'public.echo', "[$number]");
	ends_as($node, $id, 'done', "the number $number");
	is(sql($node, "SELECT t.result($id)::text = ($number)::jsonb::text FROM (SELECT '$number'::jsonb) AS s") || 'x', 't', 'comes back exactly')
	  if 0;
	is(sql($node, "SELECT t.result($id) = '$number'::jsonb"), 't', 'comes back exactly');
}

# Names: quotes, capitals, 63 bytes, other letters
my %names = (
	quotes => q{a"b'c\\d},
	capitals => 'Some Handler',
	dots => 'a.b.c..d',
	long => 'L' . 'o' x 61 . 'g',
	letters => 'größe名前',
	percent => '%s%n%1$s',
	braces => '{"a",b}');
for my $kind (sort keys %names)
{
	my $name = $names{$kind};
	sql($node, <<"SQL");
CREATE SCHEMA "s $kind";
CREATE ROLE "Role \$\$$kind""'";
GRANT USAGE ON SCHEMA task_queue, "s $kind" TO "Role \$\$$kind""'";
DO \$do\$
DECLARE
	name text := \$n\$$name\$n\$;
BEGIN
	EXECUTE format('CREATE FUNCTION %I.%I(%I text) RETURNS text LANGUAGE sql AS \$f\$ SELECT current_user || ''/'' || \$1 \$f\$', 's $kind', name, name);
	PERFORM task_queue.register_handler(format('%I.%I(text)', 's $kind', name)::regprocedure, aliases => ARRAY['alias ' || name]);
	PERFORM task_queue.create_queue(name, max_running => 1);
END \$do\$;
SQL
	$id = sql($node, <<"SQL");
SET ROLE "Role \$\$$kind""'";
SELECT task_queue.enqueue('s $kind.' || \$n\$$name\$n\$, jsonb_build_object(\$n\$$name\$n\$, 'v'), queue => \$n\$$name\$n\$, labels => ARRAY[\$n\$$name\$n\$]);
SQL
	ends_as($node, $id, 'done', "$kind in the names of handler, parameter, queue, label and role");
	is(sql($node, "SELECT t.result($id) #>> '{}'"), "Role \$\$$kind\"'/v", 'the right one ran');
	is(sql($node, "SELECT handler = 's $kind.' || \$n\$$name\$n\$ AND queue = \$n\$$name\$n\$ FROM task_queue.tasks WHERE task_id = $id"), 't', 'the view shows them');
	$id = sql($node, "SELECT task_queue.enqueue('alias ' || \$n\$$name\$n\$, '[\"a\"]')");
	ends_as($node, $id, 'done', 'by its alias');
}
like(sql_error($node, "SELECT task_queue.create_queue(repeat('q', 64))"), qr/^(22023|42622)/, 'a queue name of 64 bytes is refused');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
is(count_in_log($node, 'PANIC|TRAP|WARNING:  task_queue|was terminated by signal'), 0, 'and the machinery has nothing to complain of');
$node->stop;
done_testing();
