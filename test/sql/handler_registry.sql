-- Names, aliases and kinds of handlers; what may be registered, and how.
CREATE SCHEMA t_registry;
SET search_path = t_registry;

-- How a statement fails.
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'D: ' || NULLIF(detail, ''), 'H: ' || NULLIF(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on

CREATE FUNCTION hello(who text) RETURNS text LANGUAGE sql AS $$ SELECT 'hello ' || who $$;
CREATE FUNCTION hello(who int) RETURNS text LANGUAGE sql AS $$ SELECT 'number ' || who $$;
CREATE PROCEDURE note(what text DEFAULT 'x') LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION nothing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION many(a int, b text DEFAULT 'b', VARIADIC c numeric[] DEFAULT '{1}') RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb($3) $$;
CREATE FUNCTION unnamed(int, b text, date) RETURNS date LANGUAGE sql AS $$ SELECT $3 $$;

-- Canonical names do not depend on search_path and are not quoted.
SELECT task_queue.canonical_name('hello(text)');
SET search_path = pg_catalog;
SELECT task_queue.canonical_name('t_registry.hello(text)');
SET search_path = t_registry;
SELECT task_queue.canonical_name('now()'), task_queue.canonical_name('pg_catalog.upper(text)');
SELECT try('SELECT task_queue.canonical_name(NULL)'), try('SELECT task_queue.canonical_name(4000000000)');

-- describe() reports what registration would use.
SELECT * FROM task_queue.describe('hello(text)');
SELECT * FROM task_queue.describe('note(text)');
SELECT * FROM task_queue.describe('nothing()');
SELECT * FROM task_queue.describe('many(int, text, numeric[])');
SELECT * FROM task_queue.describe('unnamed(int, text, date)');
SELECT try('SELECT * FROM task_queue.describe(NULL)');
SELECT try('SELECT * FROM task_queue.describe(''generate_series(int,int)'')');

-- The default name, the explicit one, the alias.
SELECT task_queue.register_handler('hello(text)');
SELECT task_queue.call_handler('t_registry.hello', '["world"]');
SELECT task_queue.register_handler('hello(int)', 'Say "Hello"', ARRAY['hi', 'old name']);
SELECT task_queue.call_handler('Say "Hello"', '[1]'), task_queue.call_handler('hi', '[2]'), task_queue.call_handler('old name', '[3]');
SELECT try($$ SELECT task_queue.call_handler('say "Hello"', '[1]') $$);
SELECT task_queue.register_handler('hello(text)', name => 'second', queue => NULL, batch_size => NULL, or_replace => NULL);
SELECT task_queue.call_handler('second', '["twice"]');
SELECT name, kind, function_schema, function_name, arg_types, queue, retry_policy, timeout, keep_done, batch_size, registered_by = current_user::regrole
FROM task_queue.handler WHERE function_schema = 't_registry' ORDER BY handler_id;

-- Names that are taken, empty or null.
SELECT try($$ SELECT task_queue.register_handler('hello(text)') $$);
SELECT try($$ SELECT task_queue.register_handler('hello(int)') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', 'hi') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', 'hi', or_replace => true) $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', aliases => '{free,hi}') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', aliases => '{second}', or_replace => true) $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', aliases => '{free,free}') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', 'free', '{free}') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', '') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', 'free', '{""}') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', 'free', '{a,NULL}') $$);
SELECT try($$ SELECT task_queue.register_handler(NULL) $$);
SELECT try($$ SELECT task_queue.register_external(NULL) $$);
SELECT try($$ SELECT task_queue.register_external('') $$);
SELECT try($$ SELECT task_queue.register_external('hi') $$);
-- A refused call leaves nothing.
SELECT try($$ SELECT task_queue.call_handler('free') $$);

-- Bad options.
SELECT try($$ SELECT task_queue.register_handler('nothing()', queue => 'nowhere') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', timeout => '-1 s') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', keep_done => '-1 s') $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', batch_size => 0) $$);
SELECT try($$ SELECT task_queue.register_handler('note(text)', batch_size => 2) $$);
SELECT try($$ SELECT task_queue.register_handler('nothing()', retry_policy => ROW('1 s', 2, '1 min', 5, '{}', 1)::task_queue.retry_policy) $$);

-- or_replace replaces function, aliases and options as a whole, and can be run again.
SELECT task_queue.register_handler('hello(text)', 'Say "Hello"', '{hi,hey}', retry_policy => task_queue.no_retry_policy(),
	timeout => '1 min', keep_done => '1 h', batch_size => 5, or_replace => true) FROM generate_series(1, 2);
SELECT task_queue.call_handler('hey', '["again"]');
SELECT try($$ SELECT task_queue.call_handler('old name', '[3]') $$);
SELECT (retry_policy).maximum_attempts, timeout, keep_done, batch_size FROM task_queue.handler WHERE name = 'Say "Hello"';
SELECT task_queue.register_handler('note(text)', 'Say "Hello"', or_replace => true);
SELECT kind, retry_policy, timeout, keep_done, batch_size FROM task_queue.handler WHERE name = 'Say "Hello"';
SELECT name FROM task_queue.handler_name WHERE handler_id = (SELECT handler_id FROM task_queue.handler WHERE name = 'Say "Hello"');
-- An overloaded function of the same name may be replaced, too.
SELECT task_queue.register_handler('hello(int)', or_replace => true);
SELECT task_queue.call_handler('t_registry.hello', '[4]');

-- Hints for unknown names.
SELECT try($$ SELECT task_queue.call_handler('t_registry.helo') $$);
SELECT try($$ SELECT task_queue.call_handler('secnod') $$);
SELECT try($$ SELECT task_queue.call_handler('nothing like it') $$);
SELECT try($$ SELECT task_queue.call_handler('t_registry.many') $$);
SELECT try($$ SELECT task_queue.validate_args('many', '[]') $$);
SELECT try($$ SELECT task_queue.validate_args('hello', '[]') $$);
SELECT try($$ SELECT task_queue.call_handler(repeat('long', 1000)) $$) LIKE '42883: %';
SELECT try($$ SELECT task_queue.call_handler('') $$);
SELECT try($$ SELECT task_queue.call_handler(NULL) $$), try($$ SELECT task_queue.validate_args(NULL, '[]') $$);

-- unregister_handler() takes main names.
SELECT task_queue.unregister_handler('hey'), task_queue.unregister_handler('nobody');
SELECT task_queue.register_handler('nothing()', 'gone', '{gone too}');
SELECT task_queue.unregister_handler('gone too'), task_queue.unregister_handler('gone'), task_queue.unregister_handler('gone');
SELECT try($$ SELECT task_queue.call_handler('gone too') $$);
SELECT try($$ SELECT task_queue.unregister_handler(NULL) $$);
SELECT count(*) FROM task_queue.handler_name WHERE name LIKE 'gone%';

-- What cannot be a handler.
CREATE AGGREGATE agg(int) (SFUNC = int4pl, STYPE = int);
CREATE FUNCTION trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION evtrig() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE FUNCTION setof_int() RETURNS SETOF int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION tab() RETURNS TABLE (a int) LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION outer_param(a int, OUT b int) LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION inout_param(INOUT b int) LANGUAGE sql AS $$ SELECT 1 $$;
CREATE PROCEDURE out_proc(a int, OUT b int) LANGUAGE plpgsql AS $$ BEGIN b := 1; END $$;
CREATE FUNCTION poly(a anyelement) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION polyarray(a int, b anyarray) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION rec() RETURNS record LANGUAGE sql AS $$ SELECT 1, 2 $$;
CREATE FUNCTION pg_temp.temporary() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
SELECT try(format('SELECT task_queue.register_handler(%L)', f))
FROM unnest('{agg(int), row_number(), trig(), evtrig(), setof_int(), tab(), "outer_param(int)", inout_param(int), out_proc(int),
	poly(anyelement), "polyarray(int, anyarray)", rec(), textin(cstring), "format(text, \"any\")", int4in(cstring)}'::text[]) AS f;
SELECT try(format('SELECT task_queue.register_handler(%L)', 'pg_temp.temporary()')) LIKE '22023: %temporary() cannot be a handler: it is a temporary function';

-- External handlers.
SELECT task_queue.register_external('ext.any', aliases => '{ext.alias}', timeout => '0', or_replace => true);
SELECT task_queue.register_external('ext.typed', '{text,int,numeric[]}');
SELECT task_queue.register_external('ext.none', '{}');
SELECT name, kind, function_name, arg_types, timeout FROM task_queue.handler WHERE kind = 'x' ORDER BY name;
SELECT try($$ SELECT task_queue.call_handler('ext.alias') $$);
SELECT try($$ SELECT task_queue.register_external('ext.bad', '{text,anyelement}') $$);
SELECT try($$ SELECT task_queue.register_external('ext.bad', '{text,NULL}') $$);
SELECT task_queue.unregister_handler('ext.' || n) FROM unnest('{any,typed,none}'::text[]) AS n;

-- A handler is bound to schema, name and argument types: dropped and made anew it works on.
SELECT task_queue.register_handler('hello(text)', 'bound');
CREATE OR REPLACE FUNCTION hello(who text) RETURNS text LANGUAGE sql AS $$ SELECT 'goodbye ' || who $$;
SELECT task_queue.call_handler('bound', '["a"]');
DROP FUNCTION hello(text);
SELECT try($$ SELECT task_queue.call_handler('bound', '["a"]') $$);
SELECT try($$ SELECT task_queue.validate_args('bound', '["a"]') $$);
CREATE FUNCTION hello(who text, more int DEFAULT 1) RETURNS int LANGUAGE sql AS $$ SELECT more $$;
SELECT try($$ SELECT task_queue.call_handler('bound', '["a"]') $$);
CREATE FUNCTION hello(whom text) RETURNS int LANGUAGE sql AS $$ SELECT length(whom) $$;
SELECT task_queue.call_handler('bound', '["a"]'), task_queue.call_handler('bound', '{"whom": "four"}');
-- What came in its place cannot be a handler, or is of the other kind.
DROP FUNCTION hello(text);
CREATE FUNCTION hello(who text) RETURNS SETOF int LANGUAGE sql AS $$ SELECT 1 $$;
SELECT try($$ SELECT task_queue.call_handler('bound', '["a"]') $$);
DROP FUNCTION hello(text);
CREATE PROCEDURE hello(who text) LANGUAGE sql AS $$ SELECT 1 $$;
SELECT try($$ SELECT task_queue.call_handler('bound', '["a"]') $$);
-- Renamed: register it again, with the old name as alias.
ALTER PROCEDURE hello(text) RENAME TO bye;
SELECT try($$ SELECT task_queue.call_handler('bound', '["a"]') $$);
SELECT task_queue.register_handler('bye(text)', or_replace => true, aliases => '{bound too}');
SELECT task_queue.call_handler('bound too', '["a"]');

-- Names with quotes, capitals and dots, and as long as they can be.
CREATE SCHEMA "T.Odd ""schema""";
CREATE TYPE "T.Odd ""schema"""."Type, odd[]" AS ("Field x" int);
CREATE FUNCTION "T.Odd ""schema"""."Fn.it's"("Arg ""1""" "T.Odd ""schema"""."Type, odd[]"[], "char") RETURNS text LANGUAGE sql AS $$ SELECT $1::text || $2::text $$;
SELECT task_queue.register_handler('"T.Odd ""schema"""."Fn.it''s"("T.Odd ""schema"""."Type, odd[]"[], "char")');
SELECT arg_types FROM task_queue.handler WHERE function_name LIKE 'Fn%';
SELECT task_queue.call_handler('T.Odd "schema".Fn.it''s', '[[{"Field x": 1}, {"field x": 2}, null], "c"]');
SELECT task_queue.unregister_handler('T.Odd "schema".Fn.it''s');
SELECT try($$ SELECT task_queue.call_handler('T.Odd "schema".Fn.it''s') $$);
SELECT format('CREATE FUNCTION %I(%I int) RETURNS int LANGUAGE sql AS $$ SELECT $1 $$', repeat('n', 63), repeat('a', 63)) \gexec
SELECT length(task_queue.register_handler((repeat('n', 63) || '(int)')::regprocedure));
SELECT task_queue.call_handler('t_registry.' || repeat('n', 63), jsonb_build_object(repeat('a', 63), 5));
SELECT task_queue.register_handler('nothing()', repeat('long ', 100)) = repeat('long ', 100);

-- Rolled back, a registration is forgotten; within the transaction it is seen at once.
BEGIN;
SELECT task_queue.register_handler('nothing()', 'brief'), task_queue.call_handler('brief');
SAVEPOINT s;
SELECT task_queue.register_handler('many(int, text, numeric[])', 'brief', or_replace => true);
SELECT task_queue.call_handler('brief', '[1]');
ROLLBACK TO s;
SELECT task_queue.call_handler('brief', '[]');
ROLLBACK;
SELECT try($$ SELECT task_queue.call_handler('brief', '[]') $$);

-- A session that knows no handler yet reads them, whatever the plan.
\c -
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT count(*) > 0 AS some FROM task_queue.handlers;

\set VERBOSITY terse
SELECT count(task_queue.unregister_handler(name)) FROM task_queue.handler;
SET client_min_messages = warning;
DROP SCHEMA t_registry, "T.Odd ""schema""" CASCADE;
