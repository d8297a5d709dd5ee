#!/usr/bin/env node
/* An external worker with pg from npm: node worker.js URI [QUEUE]. Takes tasks, runs several of the handlers below at a time and
 * reports, over restarts of the server and behind a pooler in transaction mode. SIGTERM or SIGINT: finish what runs, take nothing
 * more; a second one: end at once. Environment: WORKER (a name unique to the process), LEASE (seconds), CONCURRENCY. */
const { setTimeout: pause } = require('timers/promises')
const { DatabaseError, Pool } = require('pg')

const [connectionString, queue = null] = process.argv.slice(2)
const { WORKER = `${require('os').hostname()}-${process.pid}-${Date.now()}`, LEASE = 30, CONCURRENCY = 10 } = process.env
const running = new Map() // tasks by their tokens
let stopping = false

const handlers = { // the signal: the task was canceled, or is not ours any more
  'example.echo': async (signal, ...args) => args,
  'example.sleep': async (signal, seconds) => {
    if (typeof seconds !== 'number') throw new TypeError('seconds must be a number')
    return pause(seconds * 1000, { slept: seconds }, { signal })
  }
}

const connect = (max) => new Pool({ connectionString, max }).on('error', () => {}) // one that breaks while idle is replaced
const calls = connect(5)
const polls = connect(1).on('connect', (client) => { polls.client = client; if (stopping) client.end() })

// Until the server has answered; the token of a task stays good over a restart.
async function call (sql, values, pool = calls, wanted = () => true) {
  for (;;) {
    try {
      return (await pool.query(sql, values)).rows
    } catch (error) {
      if (error instanceof DatabaseError && !/^(08|40|53|57)/.test(error.code)) throw error // the call itself is wrong
      if (!wanted()) return []
      console.error(`${WORKER}: ${error.message}`)
      await pause(500)
    }
  }
}
const heartbeat = (wanted) => call('SELECT * FROM task_queue.heartbeat($1, make_interval(secs => $2))', [WORKER, LEASE], calls, wanted)
const report = (task, name, ...values) =>
  call(`SELECT task_queue.${name}(${['$1', '$2', '$3', '$4'].slice(0, 2 + values.length)})`, [task.task_id, task.lease_token, ...values])

async function heartbeats () {
  for (let lost = []; ; await pause(LEASE * 1000 / 3)) {
    const tasks = [...running.values()]
    const held = new Map((await heartbeat()).map((row) => [row.lease_token, row]))
    for (const task of tasks) if (held.get(task.lease_token)?.cancel_requested ?? true) task.unwanted.abort()
    const unknown = [...held.keys()].filter((token) => !running.has(token)) // twice in a row: the answer of dequeue() did not arrive
    for (const token of unknown) if (lost.includes(token)) await report(held.get(token), 'release')
    lost = unknown
  }
}

async function run (task) {
  try {
    const result = await handlers[task.handler](task.unwanted.signal, ...[task.args ?? []].flat())
    await report(task, 'complete', JSON.stringify(result))
  } catch (error) { // the kinds that are not worth another attempt are up to the retry policy
    await (task.unwanted.signal.aborted ? report(task, 'release') : report(task, 'fail', error.code ?? error.name, error.message))
  }
  running.delete(task.lease_token)
}

async function main () {
  heartbeats()
  while (!stopping) {
    const tasks = await call("SELECT * FROM task_queue.dequeue($1, $2, make_interval(secs => $3), '20 s', $4, handlers => $5)",
      [queue, CONCURRENCY - running.size, LEASE, WORKER, Object.keys(handlers)], polls, () => !stopping)
    for (const task of tasks) {
      running.set(task.lease_token, Object.assign(task, { unwanted: new AbortController() }))
      task.end = run(task)
    }
    if (running.size >= CONCURRENCY) await Promise.race([...running.values()].map((task) => task.end))
  }
  await Promise.all([...running.values()].map((task) => task.end))
  for (const task of await heartbeat(() => false)) await report(task, 'release') // handed out when nobody listened any more
  process.exit()
}
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => { stopping = true; polls.client?.end() })
main()
