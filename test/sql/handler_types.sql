-- What each type of parameter accepts, and that a result fits the next step.
CREATE SCHEMA t_types;
SET search_path = t_types;
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'D: ' || NULLIF(detail, ''));
END $$;
-- One handler per type, which returns its argument; its name is the type's.
CREATE FUNCTION make(VARIADIC types text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t text; i int := (SELECT count(*) FROM task_queue.handler);
BEGIN
	FOREACH t IN ARRAY types LOOP
		i := i + 1;
		EXECUTE format('CREATE FUNCTION t_types.same%s(x %s) RETURNS %s LANGUAGE plpgsql AS ''BEGIN RETURN x; END''', i, t, t);
		PERFORM task_queue.register_handler(format('t_types.same%s(%s)', i, t)::regprocedure, t);
	END LOOP;
END $$;
-- The value that comes back, as text, or the error; checked beforehand, too.
CREATE FUNCTION send(type text, value jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE args text := quote_literal(jsonb_build_array(value)); checked text; called text;
BEGIN
	checked := t_types.try(format('SELECT task_queue.validate_args(%L, %s)', type, args));
	called := t_types.try(format('SELECT task_queue.call_handler(%L, %s)', type, args));
	IF called = 'ok' THEN
		EXECUTE format('SELECT task_queue.call_handler(%L, %s)', type, args) INTO called;
		RETURN called || CASE checked WHEN 'ok' THEN '' ELSE ' but refused by the check' END;
	END IF;
	RETURN called || CASE checked WHEN called THEN '' WHEN 'ok' THEN ' (not seen by the check)' ELSE ' but the check says ' || checked END;
END $$;
\pset format unaligned
\pset tuples_only on

SELECT make('smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric', 'boolean');
-- Integers: what jsonb prints without a decimal point, in range.
SELECT v, send('smallint', v) FROM unnest('{32767,-32768,0,-0,1e2,100e-2,1.5,"\"1\"",true}'::jsonb[]) AS v;
SELECT v, send('smallint', v) FROM unnest('{32768,-32769}'::jsonb[]) AS v;
SELECT v, send('integer', v) FROM unnest('{2147483647,-2147483648,2147483648,1.0,[1]}'::jsonb[]) AS v;
SELECT v, send('bigint', v) FROM unnest('{9223372036854775807,-9223372036854775808,9007199254740993,9223372036854775808,-9223372036854775809,1e30}'::jsonb[]) AS v;
-- Floating point and numeric.
SELECT v, send('real', v) FROM unnest('{1,0.1,-3.4e38,3.5e38,1e-50,"\"NaN\"","\"-Infinity\"","\"inf\"","\"1\""}'::jsonb[]) AS v;
SELECT v, send('double precision', v) FROM unnest('{1,0.1,1e308,"\"Infinity\"","\"nan\"",null}'::jsonb[]) AS v;
SELECT send('double precision', '1e309'::jsonb) LIKE 'TQ002: %out of range for type double precision%';
SELECT v, send('numeric', v) FROM unnest('{1,1.50,-0.10,123456789012345678901234567890.123456789012345678901234567890,"\"NaN\"","\"Infinity\"","\"1\"",true}'::jsonb[]) AS v;
SELECT v, send('boolean', v) FROM unnest('{true,false,1,"\"true\"",null}'::jsonb[]) AS v;

-- Strings.
CREATE TYPE mood AS ENUM ('sad', 'happy');
SELECT make('text', 'varchar', 'char', 'name', '"char"', 'mood', 'date', 'timestamptz', 'interval', 'uuid', 'bytea', 'inet', 'int4range', 'datemultirange', 'xid', 'bit(3)');
SELECT t, v, send(t, v) FROM unnest('{text,varchar,name,"\"char\""}'::text[]) AS t, unnest('{"\"\"","\"x ü\"",1}'::jsonb[]) AS v WHERE t <> '"char"' OR v <> '"x ü"';
SELECT t, send(t, v) FROM (VALUES ('mood', '"happy"'::jsonb), ('mood', '"Happy"'), ('date', '"2024-02-29"'), ('date', '"2023-02-29"'), ('date', '20240229'),
	('timestamptz', '"2024-02-29T12:00:00+02:00"'), ('interval', '"1 day 2 h"'), ('uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'), ('uuid', '"x"'),
	('bytea', '"\\x00ff"'), ('inet', '"10.0.0.1/8"'), ('int4range', '"[1,5)"'), ('int4range', '"[5,1)"'), ('int4range', '[1,5]'), ('datemultirange', '"{[2024-01-01,2024-02-01)}"'),
	('char', '"x"')) AS v(t, v);

-- json and jsonb: any value as it is; only null itself is NULL.
SELECT make('json', 'jsonb');
SELECT t, v, send(t, v) FROM unnest('{json,jsonb}'::text[]) AS t, unnest('{1.50,"\"x\"","[null, {\"b\": 1, \"a\": null}]",null}'::jsonb[]) AS v;

-- oid and its relatives: also their number.
SELECT make('oid', 'regclass', 'regtype', 'regrole', 'int2vector', 'oidvector');
SELECT t, v, send(t, v) FROM (VALUES ('oid', '4294967295'::jsonb), ('oid', '4294967296'), ('oid', '-1'), ('oid', '1.0'), ('oid', '"12"'),
	('regclass', '1259'), ('regclass', '"pg_class"'), ('regclass', '"no_such_table"'), ('regtype', '23'), ('regtype', '"int[]"'), ('regtype', 'true'),
	('int2vector', '[1,2]'), ('int2vector', '[]'), ('int2vector', '[[1],[2]]'), ('int2vector', '[null]'), ('int2vector', '[40000]'), ('oidvector', '["1",2]'), ('oidvector', '"1 2"')) AS v(t, v);

-- Arrays.
CREATE TYPE item AS (tag text, count int, price numeric(6,2), code varchar(3), more mood[]);
SELECT make('int[]', 'text[]', 'jsonb[]', 'item', 'item[]', 'mood[]', 'numeric[]');
SELECT v, send('int[]', v) FROM unnest('{[],"[1, null, 3]","[[1, 2], [3, 4]]","[[], []]","[[[1]], [[2]]]",null}'::jsonb[]) AS v;
SELECT v, send('int[]', v) FROM unnest('{"[[1, 2], [3]]","[[1], 2]","[1, [2]]","[[1], null]","[null, [1]]","[[1], []]","[\"1\"]",1,"{}","[[[[[[[1]]]]]]]"}'::jsonb[]) AS v;
SELECT send('int[]', '[[[[[[1]]]]]]');
SELECT v, send('jsonb[]', v) FROM unnest('{"[[1, 2], [3], null, {\"a\": null}]"}'::jsonb[]) AS v;
SELECT send('text[]', '["a", "b,\"c", "NULL", null]'), send('mood[]', '["sad", "happy"]'), send('numeric[]', '[1.10, "NaN", 12345678901234567890]');
SELECT send('mood[]', '["sad", "glad"]');

-- Rows.
SELECT send('item', '{"tag": "t", "count": 3, "price": 1.239, "code": "abc", "more": ["sad"], "unknown": 1}');
SELECT send('item', '{}'), send('item', 'null'), send('item', '{"TAG": "x", "tag": null}');
SELECT send('item', '{"count": "3"}');
SELECT send('item', '{"code": "abcd"}');
SELECT send('item', '{"price": 123456}');
SELECT send('item', '["t", 3]');
SELECT send('item', '"(t,3)"');
SELECT send('item[]', '[{"tag": "a"}, null, {"count": 1}]'), send('item[]', '[[{"tag": "a"}], [{"tag": "b"}]]');
ALTER TYPE item ADD ATTRIBUTE extra date, DROP ATTRIBUTE count;
SELECT send('item', '{"tag": "t", "count": "ignored", "extra": "2024-01-01"}');
SELECT send('item', '{"extra": "2024-01-32"}');

-- Domains: what the base type accepts, then the constraints, at the run; NOT NULL is seen before.
CREATE FUNCTION positive(i int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
	IF i = 13 THEN RAISE EXCEPTION 'unlucky' USING DETAIL = 'It is 13.'; END IF;
	RETURN i > 0;
END $$;
CREATE DOMAIN pos AS int CHECK (t_types.positive(VALUE));
CREATE DOMAIN pos_required AS pos NOT NULL;
CREATE DOMAIN short AS varchar(3);
CREATE DOMAIN ints AS int[] CHECK (array_length(VALUE, 1) < 3);
CREATE DOMAIN full_item AS item CHECK ((VALUE).tag IS NOT NULL);
CREATE DOMAIN doc AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
CREATE TYPE with_domains AS (a pos_required, b pos[]);
SELECT make('pos', 'pos_required', 'short', 'ints', 'full_item', 'doc', 'pos[]', 'ints[]', 'with_domains');
SELECT v, send('pos', v) FROM unnest('{1,0,13,null,1.0,"\"1\""}'::jsonb[]) AS v;
SELECT v, send('pos_required', v) FROM unnest('{1,0,null}'::jsonb[]) AS v;
SELECT v, send('short', v) FROM unnest('{"\"abc\"","\"abcd\"",1}'::jsonb[]) AS v;
SELECT v, send('ints', v) FROM unnest('{"[1, 2]","[1, 2, 3]","[\"x\"]"}'::jsonb[]) AS v;
SELECT v, send('full_item', v) FROM unnest('{"{\"tag\": \"t\"}","{}"}'::jsonb[]) AS v;
SELECT v, send('doc', v) FROM unnest('{"{\"a\": 1}","[1]"}'::jsonb[]) AS v;
SELECT v, send('pos[]', v) FROM unnest('{"[1, 2]","[1, 0]"}'::jsonb[]) AS v;
SELECT v, send('ints[]', v) FROM unnest('{"[[1, 2], [3]]","[[1, 2, 3]]"}'::jsonb[]) AS v;
SELECT v, send('with_domains', v) FROM unnest('{"{\"a\": 1, \"b\": [1]}","{\"b\": [1]}","{\"a\": 1, \"b\": [0]}"}'::jsonb[]) AS v;
ALTER DOMAIN pos DROP CONSTRAINT pos_check;
SELECT send('pos', '0'), send('pos_required', '0');

-- What to_jsonb() writes for a built-in type is accepted for a parameter of that type.
CREATE TABLE round (id int GENERATED ALWAYS AS IDENTITY, type text, value text);
INSERT INTO round (type, value) VALUES
	('float4', '1.1'), ('float8', '-1e-300'), ('float8', 'NaN'), ('numeric', '-Infinity'), ('numeric', '1e-20'), ('int8', '-9223372036854775808'), ('money', '$1,234.50'),
	('timestamp', 'infinity'), ('timestamp', '2024-01-01 00:00:00.000001'), ('timestamptz', '2024-01-01 00:00:00+02'), ('date', '-infinity'), ('date', '0044-03-15 BC'),
	('time', '24:00'), ('timetz', '12:00+05:30'), ('interval', '-1 mon +3 days -00:00:01.5'), ('box', '(1,1),(0,0)'), ('point', '(1.5,2)'), ('circle', '<(0,0),1>'),
	('path', '[(0,0),(1,1)]'), ('macaddr8', '08:00:2b:01:02:03:04:05'), ('cidr', '10/8'), ('bit varying', '101'), ('tsvector', '''a'':1A b'), ('tsquery', 'a & !b'),
	('pg_lsn', '16/B374D848'), ('txid_snapshot', '10:20:10,14'), ('xid8', '18446744073709551615'), ('tid', '(0,1)'), ('cid', '3'), ('jsonpath', '$.a[*] ? (@ > 1)'),
	('refcursor', 'c'), ('numrange', '(,1.5]'), ('tstzrange', '["2024-01-01 00:00+00",)'), ('int8multirange', '{[1,2),[5,7)}'), ('regprocedure', 'pg_catalog.upper(text)'),
	('regnamespace', 'pg_catalog'), ('regoperator', '=(integer,integer)'), ('regconfig', 'english'), ('aclitem', 'postgres=r/postgres'), ('oid', '42'), ('oidvector', '1 2 3'),
	('int2vector', '1 2'), ('bpchar', 'ab '), ('json', '{"b": 1, "a": [null]}'), ('json', '"x"'), ('jsonb', '[]'), ('float8[]', '{1,NaN,NULL}'), ('timestamptz[]', '{{2024-01-01Z,infinity}}'),
	('text[]', '{}'), ('json[]', '{"[1]","{}"}'), ('bytea[]', '{"\\x00"}'), ('int4range[]', '{"[1,2)"}'), ('box[]', '{(1,1),(0,0);(2,2),(1,1)}'), ('pg_class', NULL), ('bool[]', '{t,f}'),
	('uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), ('"char"', 'x'), ('name', 'n');
DO $$
DECLARE r record; sent jsonb; received jsonb;
BEGIN
	PERFORM t_types.make(VARIADIC (SELECT array_agg(DISTINCT type) FROM round
		WHERE NOT EXISTS (SELECT FROM task_queue.handler WHERE name = type)));
	FOR r IN SELECT * FROM round ORDER BY id LOOP
		EXECUTE format('SELECT to_jsonb(%L::%s)', r.value, r.type) INTO sent;
		PERFORM task_queue.validate_args(r.type, jsonb_build_array(sent));
		received := task_queue.call_handler(r.type, jsonb_build_array(sent));
		IF coalesce(sent, 'null') <> received THEN
			RAISE WARNING '% went as % and came as %', r.type, sent, received;
		END IF;
	END LOOP;
END $$;

SELECT count(task_queue.unregister_handler(name)) > 0 FROM task_queue.handler;
SET client_min_messages = warning;
DROP SCHEMA t_types CASCADE;
