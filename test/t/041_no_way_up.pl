# What a role without privileges, or an administrator who is no superuser, can
# prepare never runs as somebody else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'task_queue.workers = 1', 'max_locks_per_transaction = 10', 'max_connections = 20',
	'autovacuum = off' ]);

sql($node, <<'SQL');
CREATE ROLE low LOGIN;
CREATE ROLE boss LOGIN;
GRANT USAGE ON SCHEMA task_queue TO low, boss;
SELECT task_queue.grant_admin('boss');
CREATE SCHEMA mine AUTHORIZATION low;
CREATE TABLE public.account (n int);
CREATE TABLE public.log (id serial, what text, who name DEFAULT current_user);
GRANT INSERT ON public.log TO PUBLIC;
GRANT USAGE ON SEQUENCE public.log_id_seq TO PUBLIC;

-- A superuser's handler, written for the environment of a worker
CREATE FUNCTION public.book(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO account VALUES (n);
	PERFORM audit(n);
	RETURN n;
END $$;
CREATE FUNCTION public.audit(n int) RETURNS void LANGUAGE sql AS $$ SELECT $$;
CREATE FUNCTION public.act(statement text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; END $$;
REVOKE EXECUTE ON FUNCTION public.act(text), public.book(int) FROM PUBLIC;

-- A way for others to have it run
CREATE FUNCTION public.book_later(n int) RETURNS bigint SECURITY DEFINER LANGUAGE sql
	AS $$ SELECT task_queue.enqueue('public.book', pg_catalog.jsonb_build_array(n)) $$;

-- Leaves more temporary tables than can be dropped in one transaction, of which one is in front of the superuser's.
CREATE PROCEDURE public.litter(n int) LANGUAGE plpgsql AS $$
BEGIN
	CREATE FUNCTION pg_temp.trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log (what) VALUES (''trap''); RETURN NULL; END';
	CREATE TEMP TABLE account (n int);
	CREATE TRIGGER trap BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION pg_temp.trap();
	COMMIT;
	FOR i IN 1 .. n LOOP
		EXECUTE format('CREATE TEMP TABLE litter_%s (n int)', i);
		IF i % 50 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;
SELECT task_queue.register_handler('public.book(int)'), task_queue.register_handler('public.act(text)'),
	task_queue.register_handler('public.litter(int)');
SQL

sub as_role
{
	my ($role, $sql) = @_;
	return sql($node, "SET SESSION AUTHORIZATION $role; $sql");
}

sub traps
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql($node, 'SELECT coalesce(string_agg(what || \' as \' || who, \', \'), \'none\') FROM log WHERE who = \'postgres\''), 'none', $what);
	return sql($node, 'TRUNCATE log');
}

# A session that cannot be cleaned is not used again.
my $id = as_role('low', "SELECT task_queue.enqueue('public.litter', '[4000]', retry_policy => task_queue.no_retry_policy())");
my $next = enqueue($node, 'public.book', '[1]');
ends_as($node, $id, 'done', 'a procedure leaves thousands of temporary tables');
ends_as($node, $next, 'done', 'the next task runs all the same');
traps('in a session without them');
is(sql($node, 'SELECT count(*) FROM account'), '1', 'and finds its own table');

# Inline execution in a function of somebody else
as_role('low', <<'SQL');
CREATE FUNCTION mine.audit(n int) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.log (what) VALUES ('audit') $$;
SET search_path = mine, public;
SET task_queue.execution = inline;
SELECT public.book_later(2);
SQL
traps('a handler that a SECURITY DEFINER function enqueues does not see the settings of its caller');

# What a schedule of somebody else has checked when it fires
sql($node, 'GRANT CREATE ON SCHEMA public TO boss');
as_role('boss', <<'SQL');
CREATE FUNCTION public.seen(n int) RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN INSERT INTO public.log (what) VALUES (''seen''); RETURN true; END';
CREATE DOMAIN public.watched AS int CHECK (public.seen(value));
CREATE TYPE public.span AS RANGE (subtype = public.watched);
CREATE FUNCTION public.take(s public.span) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT task_queue.register_handler('public.take(public.span)');
SQL
sql($node, q{INSERT INTO task_queue.schedule (name, cron, handler, args, scheduled_by, job_id)
	VALUES ('watching', '* * * * *', 'public.take', '["[1,2]"]', 'boss', 0)});
$id = sql($node, "SELECT task_queue._fire_schedule('watching')");
ends_as($node, $id, 'done', 'a schedule fires');
is(sql($node, 'SELECT count(*) > 0 FROM log'), 't', 'its arguments are looked at');
traps('by its role');

# An administrator and the tasks of a superuser
my $denied = qr/^42501/;
$id = enqueue($node, 'public.act', '["SELECT 1"]', "run_at => 'infinity'");
like(sql_error($node, qq{SET SESSION AUTHORIZATION boss; SELECT task_queue.alter_task($id, args => '["INSERT INTO public.log (what) VALUES (''altered'')"]')}),
	$denied, 'an administrator cannot change the arguments of a superuser\'s task');
is(as_role('boss', "SELECT task_queue.alter_task($id, priority => 3)"), 't', 'but other things');
is(as_role('boss', "SELECT task_queue.cancel($id)"), 't', 'or cancel it');
like(sql_error($node, qq{SET SESSION AUTHORIZATION boss; SELECT task_queue.requeue($id, args => '["INSERT INTO public.log (what) VALUES (''requeued'')"]')}),
	$denied, 'nor requeue it with others');
my $dag = sql($node, q{SELECT task_queue.submit_dag(ARRAY[task_queue.step('wait', 'public.act', '["SELECT 1"]', wait_for => '{go}')])});
like(sql_error($node, qq{SET SESSION AUTHORIZATION boss;
		SELECT task_queue.add_step(task_queue.step('more', 'public.act', '["INSERT INTO public.log (what) VALUES (''added'')"]'), '$dag')}),
	$denied, 'nor add a step to a superuser\'s DAG');

# A function of somebody else that a superuser's step calls
sql($node, q{CREATE FUNCTION mine.helper() RETURNS void SECURITY DEFINER LANGUAGE sql
	AS $$ SELECT task_queue.add_step(task_queue.step('more', 'public.act', '["INSERT INTO public.log (what) VALUES (''slipped in'')"]')) $$});
sql($node, 'ALTER FUNCTION mine.helper() OWNER TO low');
$dag = sql($node, q{SELECT task_queue.submit_dag(ARRAY[task_queue.step('first', 'public.act', '["SELECT mine.helper()"]',
	retry_policy => task_queue.no_retry_policy())])});
is(sql($node, "SELECT task_queue.await_dag('$dag', '30 s')"), 'failed', 'a step cannot be added by who is not its role');
traps('so nothing ran as a superuser');

$node->stop;
done_testing();
