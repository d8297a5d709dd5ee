# Whatever a handler tries, its worker runs user code as the task's role only,
# and records the outcome as itself.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'task_queue'\ntask_queue.workers = 1");
$node->start;

$node->safe_psql('postgres', q{
CREATE EXTENSION task_queue;
CREATE ROLE low;
GRANT USAGE ON SCHEMA task_queue TO low;
CREATE TABLE log (id serial, what text, who name DEFAULT current_user);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
GRANT ALL ON ALL TABLES IN SCHEMA public TO low;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO low;

-- Ends its transaction first, and then tries to become more than it is.
CREATE PROCEDURE rollback_first() LANGUAGE plpgsql AS $$ BEGIN
	ROLLBACK;
	INSERT INTO log (what) VALUES ('after rollback');
	COMMIT;
	EXECUTE 'ALTER ROLE low SUPERUSER';
END $$;
CREATE PROCEDURE commit_fails() LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO log (what) VALUES ('before commit');
	COMMIT;
	INSERT INTO child VALUES (1);
	COMMIT;
END $$;
CREATE PROCEDURE commit_fails_caught() LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO child VALUES (1);
	SET CONSTRAINTS ALL IMMEDIATE;
EXCEPTION WHEN foreign_key_violation THEN
	INSERT INTO log (what) VALUES ('caught');
END $$;
CREATE PROCEDURE escape(statement text) LANGUAGE plpgsql AS $$ BEGIN
	COMMIT;
	EXECUTE statement;
	INSERT INTO log (what) VALUES ('escaped by ' || statement);
END $$;
CREATE PROCEDURE settings() LANGUAGE plpgsql AS $$ BEGIN
	SET work_mem = '3MB';
	SET search_path = nowhere;
	COMMIT;
END $$;
CREATE PROCEDURE many(n int, label text DEFAULT 'step ' || current_user) LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1..n LOOP
		INSERT INTO log (what) VALUES (label || i);
		IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
	END LOOP;
	COMMIT;
END $$;
CREATE FUNCTION escape_function(statement text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; END $$;
CREATE FUNCTION show() RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', current_user, current_setting('work_mem'), current_setting('search_path')) $$;

-- What runs at commit.
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO log (what) VALUES (TG_NAME);
	RETURN NULL;
END $$;
CREATE TABLE watched (id int);
GRANT INSERT ON watched TO low;
CREATE CONSTRAINT TRIGGER deferred_trigger AFTER INSERT ON watched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
CREATE FUNCTION say(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO log (what) VALUES (what);
	RETURN what;
END $$;
CREATE FUNCTION leaves_work() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO watched VALUES (1);
	EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT say(''held cursor'')';
END $$;
CREATE FUNCTION deferred_failure() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO child VALUES (1);
	RETURN 1;
END $$;
SELECT task_queue.register_handler(oid, proname) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prorettype <> 'trigger'::regtype;
});

# Enqueue as low, wait, and return state, error kind and SQLSTATE.
sub run_task
{
	my ($handler, $args) = @_;
	$args //= '[]';
	my $id = $node->safe_psql('postgres', qq{SET ROLE low; SELECT task_queue.enqueue('$handler', '$args', retry_policy => task_queue.no_retry_policy());});
	return $node->safe_psql('postgres', qq{SELECT state, error_kind, (error).sqlstate FROM task_queue.wait($id, '60 s')});
}

sub log_and_clear
{
	my $log = $node->safe_psql('postgres', q{SELECT string_agg(what || ' as ' || who, ', ' ORDER BY id) FROM log});
	$node->safe_psql('postgres', 'TRUNCATE log');
	return $log;
}

my $is_super = q{SELECT rolsuper FROM pg_roles WHERE rolname = 'low'};

is(run_task('rollback_first'), 'failed|handler|42501', 'a procedure that rolls back first is not promoted');
is(log_and_clear(), 'after rollback as low', 'and what it committed is its own');
is($node->safe_psql('postgres', $is_super), 'f', 'low is no superuser');

is(run_task('commit_fails'), 'failed|handler|23503', 'a COMMIT that fails is an error of the handler');
is(log_and_clear(), 'before commit as low', 'and what was committed before stays');
is(run_task('commit_fails_caught'), 'done||', 'a procedure without COMMIT may use exception blocks');
is(log_and_clear(), 'caught as low', 'as the same role');

for my $statement ('SET ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', 'ALTER ROLE low SUPERUSER')
{
	is(run_task('escape', "[\"$statement\"]"), 'failed|handler|42501', "$statement is refused in a procedure");
	is(run_task('escape_function', "[\"$statement\"]"), 'failed|handler|42501', "$statement is refused in a function");
}
is(log_and_clear(), '', 'nobody escaped');

is(run_task('many', '[5]'), 'done||', 'a procedure may commit and roll back many times');
is(log_and_clear(), 'step low2 as low, step low4 as low', 'with its arguments still there');

is(run_task('settings'), 'done||', 'a procedure changes settings');
is(run_task('show'), 'done||', 'the next task runs');
is($node->safe_psql('postgres', q{SELECT result FROM task_queue.tasks WHERE handler = 'show'}),
	'"low 4MB \"$user\", public"', 'without them');

is(run_task('leaves_work'), 'done||', 'a function leaves work for the commit');
is(log_and_clear(), 'deferred_trigger as low, held cursor as low', 'which is done as its role');
is(run_task('deferred_failure'), 'failed|handler|23503', 'a deferred constraint that fails fails the task');
is($node->safe_psql('postgres', 'SELECT count(*) FROM child'), '0', 'and undoes its work');
is($node->safe_psql('postgres', $is_super), 'f', 'low is still no superuser');
is($node->safe_psql('postgres', q{SELECT count(*) FROM task_queue.tasks WHERE state NOT IN ('done', 'failed')}), '0', 'every outcome was recorded');

$node->stop;
done_testing();
