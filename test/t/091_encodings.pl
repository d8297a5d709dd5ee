# Databases whose encoding lacks most characters: nothing needs those that are missing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', install => 0);

for my $encoding (qw(UTF8 LATIN1 EUC_JP SQL_ASCII))
{
	my $database = lc $encoding;
	my $is_unicode = $encoding eq 'UTF8';

	sql($node, "CREATE DATABASE $database ENCODING '$encoding' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
	tq_install($node, $database);
	sql($node, <<'SQL', $database);
CREATE FUNCTION succeeds() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION fails(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', repeat('x', n); END $$;
SELECT task_queue.register_handler(f, retry_policy => task_queue.no_retry_policy()) FROM unnest('{succeeds(),fails(int)}'::regprocedure[]) AS f;
SQL
	is(sql($node, <<'SQL', $database), 'dag', "$encoding: a DAG");
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'public.succeeds'), task_queue.step('b', 'public.fails', '[5000]', after => '{a}'),
	task_queue.step('c', 'public.succeeds', after => '{b}'), task_queue.step('d', 'public.succeeds', after => '{a}', break_before => '{stop}'),
	task_queue.step('e', 'public.succeeds', wait_for => '{go}')], 'dag', active_breakpoints => '{stop}');
SQL
	wait_for($node, "SELECT failed + skipped + stopped + waiting FROM task_queue.dags", "$encoding: it stops where it should", 4, $database);
	is(sql($node, "SELECT octet_length(error_message) FROM task_queue.dag_steps WHERE step_id = 'b'", $database), 4099, "$encoding: a long message is cut");
	for my $picture (qw(dag_tree dag_debug dag_mermaid))
	{
		my $shown = sql($node, "SET client_encoding = 'SQL_ASCII'; SELECT task_queue.$picture('dag')", $database);
		like($shown, $is_unicode ? qr/\xe2\x9c\x93.*\xe2\x9c\x97/s : qr/\[done\].*\[failed\]/s, "$encoding: $picture");
		unlike($shown, qr/[^\x00-\x7f]/, "$encoding: in the characters there are") unless $is_unicode;
	}
	is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'", $database), 0, "$encoding: healthy");
}

done_testing();
