# C code of a task that really crashes, in its worker or in a parallel worker:
# charged once, with the signal's name; the task beside it is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'restart_after_crash = on', 'min_parallel_table_scan_size = 0', 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0' ]);

# Compile the handler against the server under test.
my $dir = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $dir;
my $source = "$dir/crash.c";
append_to_file($source, <<'C');
#include "postgres.h"

#include "access/parallel.h"
#include "fmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(crash);
PG_FUNCTION_INFO_V1(call_exit);
PG_FUNCTION_INFO_V1(crash_in_parallel_worker);

static volatile int *nowhere = NULL;

Datum
crash(PG_FUNCTION_ARGS)
{
	*nowhere = 1;
	PG_RETURN_VOID();
}

Datum
call_exit(PG_FUNCTION_ARGS)
{
	exit(3);
}

Datum
crash_in_parallel_worker(PG_FUNCTION_ARGS)
{
	if (IsParallelWorker())
		*nowhere = 1;
	PG_RETURN_BOOL(true);
}
C
my $include = $node->config_data('--includedir-server');
chomp $include;
is(system('cc', '-shared', '-fPIC', '-O0', "-I$include", '-o', "$dir/crash.so", $source), 0, 'the handler compiles');

sql($node, <<"SQL");
CREATE FUNCTION crash() RETURNS void LANGUAGE c AS '$dir/crash.so', 'crash';
CREATE FUNCTION beside() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN PERFORM t.pass_gate(1); RETURN 'done'; END \$\$;
CREATE FUNCTION call_exit() RETURNS void LANGUAGE c AS '$dir/crash.so', 'call_exit';
CREATE FUNCTION crash_in_parallel_worker(n int) RETURNS boolean PARALLEL SAFE LANGUAGE c AS '$dir/crash.so', 'crash_in_parallel_worker';
CREATE TABLE numbers AS SELECT n FROM generate_series(1, 100000) AS n;
ANALYZE numbers;
CREATE FUNCTION runs_parallel() RETURNS void LANGUAGE plpgsql SET parallel_leader_participation = off AS \$\$
BEGIN
	FOR n IN 1 .. 10 LOOP
		PERFORM count(*) FROM numbers;
	END LOOP;
	PERFORM count(*) FROM numbers WHERE crash_in_parallel_worker(n);
END \$\$;
SELECT task_queue.register_handler(f) FROM unnest(ARRAY['crash()', 'call_exit()', 'runs_parallel()', 'beside()']::regprocedure[]) AS f;
SQL

for my $case ([ 'crash', 'signal 11' ], [ 'call_exit', 'called exit' ], [ 'runs_parallel', 'signal 11' ])
{
	my ($handler, $message) = @$case;
	my $gate = hold_gate($node, 1);
	my $beside = enqueue($node, 'public.beside');
	wait_for($node, "SELECT t.running($beside)", 'a task runs');
	my $id = enqueue_fatal($node, "public.$handler");
	# The server may yet restart for it.
	wait_for($node, "SELECT concat_ws(' ', t.state($id), (t.error($id)).kind)", "$handler: the task beside it that crashed ends as panic", 'failed panic');
	wait_for($node, "SELECT (t.error($id)).message ~ '$message'", 'with how');
	wait_for($node, "SELECT t.attempts($id)", 'after one execution', '1 panic');
	eval { $gate->quit };
	ends_as($node, $beside, 'done', 'the first one runs again');
	is(sql($node, "SELECT t.attempt($beside), count(*) FROM task_queue.attempt WHERE task_id = $beside"), '1|0', 'at no cost');
}

$node->stop;
done_testing();
