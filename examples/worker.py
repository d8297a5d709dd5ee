#!/usr/bin/python3
"""An external worker with psycopg 3: worker.py CONNECTION [QUEUE]

Waits for tasks, runs the handlers below, and reports, over restarts of the server and behind a pooler in transaction mode.
SIGTERM or SIGINT: finish what runs, take nothing more. Environment: WORKER (a name unique to the process), LEASE (seconds).
"""
import os, signal, socket, sys, threading, time
import psycopg
from psycopg.types.json import Jsonb

QUEUE = sys.argv[2] if len(sys.argv) > 2 else None
WORKER = os.environ.get("WORKER") or f"{socket.gethostname()}-{os.getpid()}"
LEASE = float(os.environ.get("LEASE", 30))
stopping = False
current = None  # the id of the task that runs
unwanted = set()  # ids of tasks that somebody wants canceled, or that have been lost

def sleep(seconds):
    """A handler that looks now and then whether anybody still wants its result."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if current in unwanted:
            raise InterruptedError("canceled")
        time.sleep(0.05)
    return {"slept": seconds}

HANDLERS = {"example.echo": lambda *args: list(args), "example.sleep": sleep}
PERMANENT = (TypeError, ValueError)  # trying again would not help

class Database:
    connection = None

    def call(self, sql, *values, again=lambda: True):
        """Until the server has answered; the token of a task stays good over a restart."""
        while again():
            try:
                # A pooler in transaction mode does not keep prepared statements.
                self.connection = self.connection or psycopg.connect(sys.argv[1], autocommit=True, prepare_threshold=None)
                return self.connection.execute(sql, values).fetchall()
            except psycopg.OperationalError as error:
                print(f"{WORKER}: {error}", file=sys.stderr, flush=True)
                self.connection = None
                time.sleep(0.5)
        return []

def heartbeats(database):
    while True:
        held = current
        rows = dict(database.call("SELECT task_id, cancel_requested FROM task_queue.heartbeat(%s, make_interval(secs => %s))", WORKER, LEASE))
        if rows.get(held, True):
            unwanted.add(held)
        time.sleep(LEASE / 3)

def run(task_id, token, handler, args):
    try:
        call, values = "complete(%s, %s, %s)", [Jsonb(HANDLERS[handler](*args))]
    except Exception as error:
        call, values = "fail(%s, %s, %s, %s, %s)", [type(error).__name__, str(error), not isinstance(error, PERMANENT)]
    print(f"{WORKER}: task {task_id}:", database.call(f"SELECT task_queue.{call}", task_id, token, *values)[0][0], flush=True)

def stop(*_):
    global stopping
    stopping = True
    if current is None and database.connection:
        database.connection.cancel()  # a dequeue() that had a task already gives it back

database = Database()
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
threading.Thread(target=heartbeats, args=(Database(),), daemon=True).start()
while not stopping:
    for task in database.call("SELECT task_id, lease_token, handler, args FROM task_queue.dequeue(%s, lease => make_interval(secs => %s),"
                              " wait => '20 s', worker => %s, handlers => %s)", QUEUE, LEASE, WORKER, list(HANDLERS), again=lambda: not stopping):
        current = task[0]
        run(*task)
        current = None
