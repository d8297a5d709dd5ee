# A handler in C that really crashes: charged once, with the signal's name; the
# task beside it is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['restart_after_crash = on']);

# Compile the handler against the server under test.
my $dir = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $dir;
my $source = "$dir/crash.c";
append_to_file($source, <<'C');
#include "postgres.h"
#include "fmgr.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(crash);

static volatile int *nowhere = NULL;

Datum
crash(PG_FUNCTION_ARGS)
{
	*nowhere = 1;
	PG_RETURN_VOID();
}
C
my $include = $node->config_data('--includedir-server');
chomp $include;
is(system('cc', '-shared', '-fPIC', '-O0', "-I$include", '-o', "$dir/crash.so", $source), 0, 'the handler compiles');

sql($node, <<"SQL");
CREATE FUNCTION crash() RETURNS void LANGUAGE c AS '$dir/crash.so', 'crash';
CREATE FUNCTION beside() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN PERFORM t.pass_gate(1); RETURN 'done'; END \$\$;
SELECT task_queue.register_handler(f) FROM unnest(ARRAY['crash()', 'beside()']::regprocedure[]) AS f;
SQL

my $gate = hold_gate($node, 1);
my $beside = enqueue($node, 'public.beside');
wait_for($node, "SELECT t.running($beside)", 'another task runs');
my $id = enqueue($node, 'public.crash');
ends_as($node, $id, 'failed panic', 'the task that crashed ends as panic');
like(sql($node, "SELECT (t.error($id)).message"), qr/signal 11/, 'with the signal');
is(sql($node, "SELECT t.attempts($id)"), '1 panic', 'after one execution');
ends_as($node, $beside, 'done', 'the task beside it runs again');
is(sql($node, "SELECT t.attempt($beside), count(*) FROM task_queue.attempt WHERE task_id = $beside"), '1|0', 'at no cost');
eval { $gate->quit };

$node->stop;
done_testing();
