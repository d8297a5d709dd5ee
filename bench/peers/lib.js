// What the peers written in JavaScript share: a driver for the scenarios of
// bench/run, which starts each with the name of a scenario and the environment
// variables below, and reads lines "what <tab> unit <tab> value".
//
// The calls that enqueue are made by this process, workers are two others.
'use strict';
const { fork } = require('child_process');
const modules = process.env.BENCH_MODULES;
const load = name => require(require.resolve(name, { paths: [modules] }));
const pg = load('pg');

const connection = { host: process.env.BENCH_SOCKET, user: 'postgres', database: process.env.BENCH_DB };
const RUNS = +process.env.RUNS, TASKS = +process.env.TASKS, SECS = +process.env.SECS;
const payload = JSON.parse(process.env.BENCH_PAYLOAD);
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const now = () => Number(process.hrtime.bigint()) / 1e6;	// milliseconds

const record = (what, unit, value, digits = 0) => process.stdout.write(`${what}\t${unit}\t${value.toFixed(digits)}\n`);

function percentiles(what, latencies) {
	latencies.sort((a, b) => a - b);
	for (const p of [50, 95, 99])
		record(what, `p${p} ms`, latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * p / 100))], 3);
}

async function measure(what, control, n, unit, work) {
	const wal = async () => +(await control.query("SELECT pg_current_wal_insert_lsn() - '0/0' AS n")).rows[0].n;
	const before = await wal(), start = now();
	n = await work() ?? n;
	const ms = now() - start;
	record(what, `${unit}s/s`, n / ms * 1000);
	record(what, `WAL B/${unit}`, (await wal() - before) / n);
}

// Two worker processes; they tell how many tasks they have done.
async function startWorkers(file) {
	const workers = { done: 0, processes: [] };
	for (let i = 0; i < 2; i++) {
		const child = fork(file, ['worker'], { env: process.env });
		child.on('message', message => { if (message.done) workers.done += message.done; });
		await new Promise(resolve => child.once('message', resolve));
		workers.processes.push(child);
	}
	workers.reached = async n => { while (workers.done < n) await sleep(5); };
	workers.go = () => workers.processes.forEach(child => child.send('go'));
	workers.stop = () => Promise.all(workers.processes.map(child => new Promise(resolve => {
		child.once('exit', resolve);
		child.send('stop');
		setTimeout(() => child.kill('SIGKILL'), 8000).unref();
	})));
	return workers;
}

function runWorker(peer) {
	let worker, done = 0, timer;
	const flush = () => { timer = undefined; process.send({ done }); done = 0; };
	process.on('message', async message => {
		if (message === 'go')
			worker = await peer.work((n = 1) => { done += n; timer ??= setTimeout(flush, 5); }, false);
		else {
			try { await worker?.stop(); } finally { process.exit(0); }
		}
	});
	process.send({ ready: true });
}

// clients callers at once, for SECS seconds
async function enqueue(peer, producer, control, clients) {
	const what = `enqueue, clients: ${clients}`, latencies = [], end = now() + SECS * 1000;
	await peer.clear(control);
	await control.query('CHECKPOINT');
	const start = now();
	await Promise.all(Array.from({ length: clients }, async () => {
		while (now() < end) {
			const called = now();
			await producer.one();
			latencies.push(now() - called);
		}
	}));
	record(what, 'tasks/s', latencies.length / (now() - start) * 1000);
	percentiles(what, latencies);
}

async function drain(peer, file, control) {
	const workers = await startWorkers(file);
	await measure('drain, 2 workers', control, TASKS, 'task', async () => {
		workers.go();
		await workers.reached(TASKS);
		while (await peer.remaining(control)) await sleep(5);
	});
	await workers.stop();
}

async function endToEnd(peer, file, producer, control) {
	const workers = await startWorkers(file);
	await measure('end to end', control, TASKS, 'task', async () => {
		await producer.many(TASKS);
		await control.query('CHECKPOINT');
		workers.go();
		await workers.reached(TASKS);
		while (await peer.remaining(control)) await sleep(5);
	});
	await workers.stop();
}

async function latency(peer, producer, n) {
	let wake;
	const latencies = [];
	const worker = await peer.work(() => wake?.(now()), true);
	await sleep(1500);
	for (let i = 0; i < n + 20; i++) {
		await sleep(10 + 20 * Math.random());
		const started = new Promise(resolve => { wake = resolve; });
		const called = now();
		await producer.one();
		const at = await started;
		if (i >= 20) latencies.push(at - called);
	}
	await worker.stop();
	percentiles('call to start', latencies);
}

async function main(peer, file) {
	if (process.argv[2] === 'worker') return runWorker(peer);
	const scenario = process.argv[2];
	await peer.setup();
	const control = new pg.Client(connection);
	await control.connect();
	const producer = await peer.producer();
	for (let run = 0; run < RUNS; run++) {
		await peer.clear(control);
		if (scenario === 's1') for (const clients of [1, 8]) await enqueue(peer, producer, control, clients);
		if (scenario === 's2') await measure('bulk call', control, TASKS, 'task', () => producer.many(TASKS));
		if (scenario === 's3') {
			await producer.many(TASKS);
			await control.query('VACUUM (ANALYZE)');
			await control.query('CHECKPOINT');
			await drain(peer, file, control);
		}
		if (scenario === 's4') await latency(peer, producer, 100);
		if (scenario === 's6') {
			await control.query('VACUUM (ANALYZE)');
			await control.query('CHECKPOINT');
			await endToEnd(peer, file, producer, control);
		}
		if (scenario === 's7') await peer.flows?.(producer, control, measure);
	}
	process.exit(0);
}

module.exports = { load, pg, connection, payload, sleep, TASKS, start: (peer, file) => main(peer, file).catch(error => { console.error(error); process.exit(1); }) };
