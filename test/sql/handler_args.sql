-- Arguments: by position and by name, their number, defaults, VARIADIC, NULL.
CREATE SCHEMA t_args;
SET search_path = t_args;

CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'D: ' || NULLIF(detail, ''), 'H: ' || NULLIF(hint, ''));
END $$;
-- validate_args() and call_handler() of the same arguments; one line if they agree.
CREATE FUNCTION outcome(handler text, args jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE checked text; called text;
BEGIN
	checked := try(format('SELECT task_queue.validate_args(%L, %L)', handler, args));
	called := try(format('SELECT task_queue.call_handler(%L, %L)', handler, args));
	IF called = 'ok' THEN
		called := coalesce(task_queue.call_handler(handler, args)::text, 'NULL');
	END IF;
	IF checked <> called THEN
		RETURN NEXT 'check: ' || checked;
	END IF;
	RETURN NEXT called;
END $$;
\pset format unaligned
\pset tuples_only on

CREATE TYPE item AS (tag text, count int);
CREATE FUNCTION h(a int, b text, c item) RETURNS text LANGUAGE sql AS $$ SELECT format('%L %L %L', a, b, c) $$;
CREATE FUNCTION strict(a int, b text, c item DEFAULT NULL) RETURNS text STRICT LANGUAGE sql AS $$ SELECT format('%L %L %L', a, b, c) $$;
CREATE FUNCTION two(int[], jsonb) RETURNS text LANGUAGE sql AS $$ SELECT format('%L %L', $1, $2) $$;
CREATE FUNCTION zero() RETURNS int LANGUAGE sql AS $$ SELECT 0 $$;
CREATE FUNCTION doc(document jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('got', document) $$;
CREATE FUNCTION docs(jsonb, int DEFAULT 1) RETURNS jsonb LANGUAGE sql AS $$ SELECT $1 $$;
CREATE FUNCTION dbl(double precision) RETURNS double precision LANGUAGE sql AS $$ SELECT $1 $$;
CREATE FUNCTION var(VARIADIC v int[]) RETURNS text LANGUAGE sql AS $$ SELECT format('%L', v) $$;
CREATE FUNCTION varjson(a text, VARIADIC v jsonb[]) RETURNS text LANGUAGE sql AS $$ SELECT format('%L %L', a, v) $$;
CREATE FUNCTION vardef(a int DEFAULT 7, VARIADIC v text[] DEFAULT '{x,y}') RETURNS text LANGUAGE sql AS $$ SELECT format('%L %L', a, v) $$;
CREATE FUNCTION varstrict(VARIADIC v int[]) RETURNS text STRICT LANGUAGE sql AS $$ SELECT format('%L', v) $$;
CREATE SEQUENCE ticket;
CREATE FUNCTION defaults(a int, b text DEFAULT 'b', c int DEFAULT nextval('t_args.ticket'), d text DEFAULT lower(current_user || 'X'), e int[] DEFAULT '{}', f item DEFAULT ('t', 1))
	RETURNS text LANGUAGE sql AS $$ SELECT format('%L %L %L %L %L %L', a, b, c, replace(d, current_user, 'me'), e, f) $$;
SELECT task_queue.register_handler(('t_args.' || f)::regprocedure, split_part(f, '(', 1))
FROM unnest('{"h(int,text,item)","strict(int,text,item)","two(int[],jsonb)",zero(),doc(jsonb),"docs(jsonb,int)",dbl(double precision),var(int[]),
	"varjson(text,jsonb[])","vardef(int,text[])",varstrict(int[]),"defaults(int,text,int,text,int[],item)"}'::text[]) AS f;

-- By position.
SELECT outcome('h', '[1, "x", {}]');
SELECT outcome('h', '[7, "hello", {"tag": "t", "count": 3}]');
SELECT outcome('h', '[1, "x"]');
SELECT outcome('h', '[1, "x", {}, 4]');
SELECT outcome('h', '[1.0, "x", {}]');
SELECT outcome('h', '["wrong", 1, {}]');
SELECT outcome('h', '[9223372036854775808, "x", {}]');
SELECT outcome('h', '[1, "x", {"TAG": "ci"}]');
SELECT outcome('h', '[null, null, null]');
SELECT outcome('two', '[null, null]');
SELECT outcome('dbl', '[1]');
SELECT outcome('doc', '[3]');
SELECT outcome('doc', '[null]');
SELECT outcome('doc', '[[null, {"a": null}]]');

-- Neither array nor object; no arguments at all.
SELECT outcome('h', '"x"');
SELECT outcome('h', '12');
SELECT outcome('zero', 'false');
SELECT outcome('zero', 'null'), outcome('zero', '[]'), outcome('zero', '{}');
SELECT task_queue.call_handler('zero', NULL), task_queue.call_handler('zero'), task_queue.validate_args('zero', NULL);
SELECT outcome('zero', '[1]');
SELECT outcome('h', 'null');
SELECT try($$ SELECT task_queue.call_handler('h') $$), try($$ SELECT task_queue.call_handler('h', NULL) $$), try($$ SELECT task_queue.validate_args('h', NULL) $$);

-- By name.
SELECT outcome('h', '{"c": {"count": 2}, "a": 1, "b": "x"}');
SELECT outcome('h', '{"a": 1, "b": "x"}');
SELECT outcome('h', '{"a": 1, "b": "x", "B": "y", "c": null}');
SELECT outcome('defaults', '{"a": 1, "bb": "x"}');
SELECT outcome('two', '{"a": []}');
SELECT outcome('two', '{}');
-- An object is no document by itself.
SELECT outcome('doc', '{"a": 1}');
SELECT outcome('doc', '{}');
SELECT outcome('doc', '{"document": {"a": 1}}');
SELECT outcome('doc', '[{"a": 1}]');
SELECT outcome('docs', '{"a": 1}');

-- Defaults are evaluated at the call, those that are not needed are not.
SELECT outcome('defaults', '[1]'), outcome('defaults', '[1, "x"]');
SELECT outcome('defaults', '[1, null, null, null, null, null]');
SELECT outcome('defaults', '{"a": 1, "f": {"tag": "z"}, "c": 0}');
SELECT outcome('defaults', '[]');
SELECT outcome('defaults', '[1, 2, 3, 4, 5, 6, 7]');
SELECT last_value FROM ticket;
CREATE OR REPLACE FUNCTION defaults(a int, b text DEFAULT 'changed', c int DEFAULT 1/0, d text DEFAULT '', e int[] DEFAULT '{}', f item DEFAULT ('t', 1))
	RETURNS text LANGUAGE sql AS $$ SELECT format('%L %L', a, b) $$;
SELECT outcome('defaults', '[1, "x", 3]');
SELECT outcome('defaults', '[1]');

-- NULL for a strict function, given or by default.
SELECT outcome('strict', '[1, "x", {}]');
SELECT outcome('strict', '[1, null, {}]');
SELECT outcome('strict', '{"b": "x", "a": null}');
SELECT outcome('strict', '[1, "x"]');

-- VARIADIC: elements one by one, or all in one array.
SELECT outcome('var', '[1, 2]');
SELECT outcome('var', '[]'), outcome('var', '{}'), outcome('var', 'null');
SELECT outcome('var', '[[1, 2]]'), outcome('var', '[[]]'), outcome('var', '[[[1], [2]]]');
SELECT outcome('var', '[null]'), outcome('var', '[null, 1]');
SELECT outcome('var', '[[1], [2]]');
SELECT outcome('var', '[1, "x"]');
SELECT outcome('var', '{"v": [1, 2]}'), outcome('var', '{"v": null}');
SELECT outcome('var', '{"v": 1}');
SELECT outcome('varjson', '["a", [1, 2]]'), outcome('varjson', '["a", {"x": 1}, null, 3]'), outcome('varjson', '["a"]');
SELECT outcome('varjson', '{"a": "a", "v": [[1, 2], null]}');
SELECT outcome('varjson', '[]');
SELECT outcome('vardef', '[]'), outcome('vardef', '[1]'), outcome('vardef', '[1, "z"]'), outcome('vardef', '{"v": []}'), outcome('vardef', '{"a": null}');
SELECT outcome('varstrict', '[]'), outcome('varstrict', '[null, 1]');
SELECT outcome('varstrict', '{"v": null}');
SELECT length(task_queue.call_handler('var', (SELECT jsonb_agg(i) FROM generate_series(1, 10000) AS i))::text);

-- External handlers: an array of exactly the declared types, or anything.
SELECT task_queue.register_external('ext.any'), task_queue.register_external('ext.typed', '{text,int[],t_args.item}'), task_queue.register_external('ext.none', '{}');
CREATE FUNCTION check_only(handler text, args jsonb) RETURNS text LANGUAGE sql AS $$ SELECT try(format('SELECT task_queue.validate_args(%L, %L)', handler, args)) $$;
SELECT check_only('ext.any', '[1, {"a": 2}]'), check_only('ext.any', '{"a": 2}'), check_only('ext.any', 'null'), check_only('ext.any', NULL), check_only('ext.any', '{}');
SELECT check_only('ext.any', '1');
SELECT check_only('ext.typed', '["a", [1, null], {"tag": "x"}]'), check_only('ext.typed', '[null, null, null]');
SELECT check_only('ext.typed', '["a", [1]]');
SELECT check_only('ext.typed', '["a", ["1"], {}]');
SELECT check_only('ext.typed', '{"a": 1}');
SELECT check_only('ext.typed', 'null');
SELECT check_only('ext.none', '[]'), check_only('ext.none', NULL);
SELECT check_only('ext.none', '[1]');

-- The value is shown, but not all of it, and cut between characters.
SELECT outcome('h', jsonb_build_array(repeat('ä', 100), 'x', '{}'::jsonb));
SELECT outcome('h', jsonb_build_array(jsonb_build_object('k', repeat('x', 200)), 'x', '{}'::jsonb));
SELECT outcome('h', jsonb_build_array(repeat('9', 200)::numeric, 'x', '{}'::jsonb));

SELECT count(task_queue.unregister_handler(name)) FROM task_queue.handler;
SET client_min_messages = warning;
DROP SCHEMA t_args CASCADE;
