#!/usr/bin/env node
/* An external worker with pg from npm: node worker.js CONNECTION [QUEUE]
 * Waits for tasks, runs several of the handlers below at a time, and reports, over restarts of the server and behind a pooler in
 * transaction mode. SIGTERM or SIGINT: finish what runs, take nothing more. Environment: WORKER (a name unique to the process),
 * LEASE (seconds), CONCURRENCY. */
const os = require('os')
const { Client } = require('pg')
const [connectionString, queue = null] = process.argv.slice(2)
const { WORKER = `${os.hostname()}-${process.pid}`, LEASE = 30, CONCURRENCY = 10 } = process.env
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
const running = new Map() // tasks by their ids
let stopping = false
const handlers = {
  'example.echo': async (task, ...args) => args,
  'example.sleep': async (task, seconds) => {
    const end = Date.now() + seconds * 1000
    while (Date.now() < end && !task.unwanted) await pause(0.05) // looks now and then whether anybody still wants its result
    if (task.unwanted) throw new Error('canceled')
    return { slept: seconds }
  }
}

class Database {
  // Until the server has answered; the token of a task stays good over a restart.
  async call (sql, values, again = () => true) {
    while (again()) {
      try {
        if (!this.client) {
          this.client = new Client({ connectionString })
          await this.client.on('error', () => { this.client = null }).connect()
        }
        return (await this.client.query(sql, values)).rows
      } catch (error) {
        if (error.severity === 'ERROR') throw error // the call itself is wrong
        console.error(`${WORKER}: ${error.message}`)
        this.client = null
        await pause(0.5)
      }
    }
    return []
  }
}
const [polls, reports, beats] = [new Database(), new Database(), new Database()]

async function heartbeats () {
  for (;; await pause(LEASE / 3)) {
    const held = [...running.values()]
    const rows = await beats.call('SELECT task_id, cancel_requested FROM task_queue.heartbeat($1, make_interval(secs => $2))', [WORKER, LEASE])
    for (const task of held) task.unwanted = rows.find((row) => row.task_id === task.task_id)?.cancel_requested ?? true
  }
}

async function run (task) {
  const [call, ...values] = await handlers[task.handler](task, ...task.args).then(
    (result) => ['complete($1, $2, $3)', JSON.stringify(result)],
    (error) => ['fail($1, $2, $3, $4, $5)', error.name, error.message, !(error instanceof TypeError)])
  const [{ outcome }] = await reports.call(`SELECT task_queue.${call} AS outcome`, [task.task_id, task.lease_token, ...values])
  console.log(`${WORKER}: task ${task.task_id}: ${outcome}`)
  running.delete(task.task_id)
}

async function main () {
  heartbeats()
  while (!stopping) {
    const tasks = await polls.call(`SELECT task_id, lease_token, handler, args FROM task_queue.dequeue($1, $2, make_interval(secs => $3),
      '20 s', $4, handlers => $5)`, [queue, CONCURRENCY - running.size, LEASE, WORKER, Object.keys(handlers)], () => !stopping)
    for (const task of tasks) running.set(task.task_id, Object.assign(task, { done: run(task) }))
    if (running.size >= CONCURRENCY) await Promise.race([...running.values()].map((task) => task.done))
  }
  await Promise.all([...running.values()].map((task) => task.done))
  process.exit()
}

function stop () {
  stopping = true
  polls.client?.connection.stream.destroy() // the server notices; a dequeue() that had a task already gives it back
}
process.on('SIGTERM', stop).on('SIGINT', stop)
main()
