// pg-boss, woken by NOTIFY, fetching 500 jobs at a time; its flows as DAGs.
'use strict';
const bench = require('./lib.js');
const { PgBoss } = bench.load('pg-boss');
const BATCH = 500, CHUNK = 1000;

async function open(options) {
	const boss = new PgBoss({ ...bench.connection, max: 12, schedule: false, useListenNotify: true, ...options });
	boss.on('error', error => console.error(error.message));
	await boss.start();
	return boss;
}

async function work(done, oneByOne, options, batchSize = BATCH) {
	const boss = await open({ supervise: true, ...options });
	await boss.work('noop', { batchSize: oneByOne ? 1 : batchSize, localConcurrency: oneByOne ? 1 : 2, pollingIntervalSeconds: 0.5,
		burstWhenBatchFull: !oneByOne }, async jobs => { done(jobs.length, jobs); });
	return { stop: () => boss.stop({ graceful: false }) };
}

const step = (ref, dependsOn, last = false) => ({ ref, name: 'noop', data: { last }, ...(dependsOn && { dependsOn }) });
const chain = () => [step('a'), step('b', ['a']), step('c', ['b'], true)];
const middle = Array.from({ length: 10 }, (_, i) => `b${i}`);
const fan = () => [step('a'), ...middle.map(ref => step(ref, ['a'])), step('c', middle, true)];

bench.start({
	async setup() {
		const boss = await open();
		await boss.createQueue('noop', { notify: true, deleteAfterSeconds: 3600 });
		await boss.stop({ graceful: false });
	},
	clear: control => control.query('TRUNCATE pgboss.job CASCADE'),
	remaining: async control => (await control.query("SELECT FROM pgboss.job WHERE name = 'noop' AND state < 'completed' LIMIT 1")).rowCount > 0,
	async producer() {
		const boss = await open({ supervise: false });
		const many = async n => {
			for (let i = 0; i < n; i += CHUNK)
				await boss.insert('noop', Array.from({ length: Math.min(CHUNK, n - i) }, () => ({ data: bench.payload })));
		};
		return { one: () => boss.send('noop', bench.payload), many, boss };
	},
	work,
	async flows({ boss }, control, measure) {
		// What a flow releases is not notified, but looked for every second at best.
		const options = { useListenNotify: false, flowIntervalSeconds: 1 };
		for (const [what, make, n] of [['chain of 3', chain, bench.TASKS / 10], ['1 - 10 - 1', fan, bench.TASKS / 50]]) {
			let ended = 0;
			await control.query('TRUNCATE pgboss.job CASCADE');
			await measure(`${what}, submit`, control, n, 'DAG', async () => {
				for (let i = 0; i < n; i += 50)
					await Promise.all(Array.from({ length: Math.min(50, n - i) }, () => boss.flow(make())));
			});
			let worker;
			await measure(what, control, n, 'DAG', async () => {
				worker = await work((_, jobs) => { ended += jobs.filter(job => job.data.last).length; }, false, options, 1000);
				while (ended < n) await bench.sleep(5);
			});
			await worker.stop();
		}
	},
}, __filename);
