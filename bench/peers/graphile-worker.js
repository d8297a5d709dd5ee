// graphile-worker with its local queue and batched completion.
'use strict';
const bench = require('./lib.js');
const { run, makeWorkerUtils, Logger } = bench.load('graphile-worker');
const logger = new Logger(() => () => {});
const CONCURRENCY = 24, CHUNK = 1000;

function pool(max) {
	const pgPool = new bench.pg.Pool({ ...bench.connection, max });
	pgPool.on('error', () => {});
	return pgPool;
}

bench.start({
	async setup() {
		const utils = await makeWorkerUtils({ pgPool: pool(2), logger });
		await utils.migrate();
	},
	clear: control => control.query('TRUNCATE graphile_worker._private_jobs'),
	remaining: async control => (await control.query('SELECT FROM graphile_worker._private_jobs LIMIT 1')).rowCount > 0,
	async producer() {
		const pgPool = pool(9);
		const utils = await makeWorkerUtils({ pgPool, logger });
		const many = async n => {
			for (let i = 0; i < n; i += CHUNK) {
				const jobs = Array.from({ length: Math.min(CHUNK, n - i) }, () => ({ identifier: 'noop', payload: bench.payload }));
				await pgPool.query('SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(SELECT json_populate_recordset(NULL::graphile_worker.job_spec, $1::json)))',
					[JSON.stringify(jobs)]);
			}
		};
		return { one: () => utils.addJob('noop', bench.payload), many };
	},
	async work(done) {
		const pgPool = pool(CONCURRENCY + 2);
		const preset = { worker: { pgPool, concurrentJobs: CONCURRENCY, maxPoolSize: CONCURRENCY + 2, pollInterval: 2000,
			localQueue: { size: 500, refetchDelay: { durationMs: 10 } }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } };
		const runner = await run({ preset, pgPool, logger, noHandleSignals: true, taskList: { noop: () => { done(); } } });
		return { stop: () => runner.stop() };
	},
}, __filename);
