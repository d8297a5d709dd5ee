#!/usr/bin/python3
"""An external worker with psycopg 3: worker.py CONNECTION [QUEUE]

Takes tasks, runs the handlers below and reports, over restarts of the server and behind a pooler in transaction mode. SIGTERM or
SIGINT: finish what runs, take nothing more; a second one: end at once. Environment: WORKER (unique to the process), LEASE (seconds).
"""
import os, signal, socket, sys, threading, time
import psycopg
from psycopg.types.json import Jsonb

QUEUE = sys.argv[2] if len(sys.argv) > 2 else None
WORKER = os.environ.get("WORKER") or f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
LEASE = float(os.environ.get("LEASE", 30))
stopping = False
running = None  # the task, and an event: it was canceled, or is not ours any more

def sleep(unwanted, seconds):
    if unwanted.wait(seconds):
        raise InterruptedError("nobody wants the result")
    return {"slept": seconds}
HANDLERS = {"example.echo": lambda unwanted, *args: args, "example.sleep": sleep}

class Database:
    connection = None

    def call(self, sql, *values, wanted=lambda: True):
        """Until the server has answered; the token of a task stays good over a restart."""
        while wanted():
            try:
                if self.connection and not self.connection.closed:
                    return self.connection.execute(sql, values).fetchall()
                self.connection = psycopg.connect(sys.argv[1], autocommit=True, row_factory=psycopg.rows.namedtuple_row,
                                                  prepare_threshold=None)  # a pooler would not keep prepared statements
            except psycopg.OperationalError as error:
                if wanted():
                    print(f"{WORKER}: {error}", file=sys.stderr, flush=True)
                    time.sleep(0.5)
        return []

def heartbeats(database):
    lost = set()
    while True:
        task, unwanted = running or (None, None)
        held = {row.lease_token: row for row in
                database.call("SELECT * FROM task_queue.heartbeat(%s, make_interval(secs => %s))", WORKER, LEASE)}
        if task and (task.lease_token not in held or held.pop(task.lease_token).cancel_requested):
            unwanted.set()
        for token in lost & held.keys():
            database.call("SELECT task_queue.release(%s, %s)", held[token].task_id, token)
        lost = held.keys()  # unknown twice in a row: the answer of dequeue() did not arrive
        time.sleep(LEASE / 3)

def run(database, task, unwanted):
    def report(call, *values):
        database.call(f"SELECT task_queue.{call}(%s, %s{', %s' * len(values)})", task.task_id, task.lease_token, *values)
    try:
        args, named = ([], task.args) if isinstance(task.args, dict) else (task.args or [], {})
        result = HANDLERS[task.handler](unwanted, *args, **named)
        report("complete", None if result is None else Jsonb(result))
    except Exception as error:  # the kinds that are not worth another attempt are up to the retry policy
        report("release") if unwanted.is_set() else report("fail", type(error).__name__, str(error))

def stop(signum, frame):
    global stopping
    stopping = True
    signal.signal(signum, signal.SIG_DFL)
    if not running and polls.connection:
        polls.connection.cancel()  # dequeue() ends, with a task or without

polls = Database()
for number in signal.SIGTERM, signal.SIGINT:
    signal.signal(number, stop)
threading.Thread(target=heartbeats, args=[Database()], daemon=True).start()
while not stopping:
    for task in polls.call("SELECT * FROM task_queue.dequeue(%s, lease => make_interval(secs => %s), wait => '20 s', worker => %s,"
                           " handlers => %s)", QUEUE, LEASE, WORKER, list(HANDLERS), wanted=lambda: not stopping):
        running = task, threading.Event()
        run(polls, *running)
        running = None
