-- Hello: a function with two arguments, enqueued and awaited.
\ir common.sql

CREATE FUNCTION example.hello(name text, times int) RETURNS text LANGUAGE sql AS $$ SELECT rtrim(repeat('hello ' || name || ' ', times)) $$;
SELECT task_queue.register_handler('example.hello(text, int)', or_replace => true);
SELECT task_queue.enqueue('example.hello', '["world", 2]') AS task \gset
SELECT task_queue.await(:task) AS result \gset
SELECT example.check(:'result' = '"hello world hello world"', 'the result is a text');
