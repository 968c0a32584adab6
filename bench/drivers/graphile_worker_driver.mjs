// Graphile Worker in the configuration that its documentation calls fastest: local queue of 500, batched completion.
import * as driving from './driving.mjs'

const CHUNK = 10000
const CONCURRENCY = 24
const preset = {
  worker: {
    connectionString: driving.dsn,
    concurrentJobs: CONCURRENCY,
    maxPoolSize: 10,
    pollInterval: 2000,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0
  }
}

async function graphile () {
  const found = await driving.load('graphile-worker')
  return found.default?.run ? found.default : found
}

async function quiet () {
  const { Logger } = await graphile()
  return new Logger(() => (level, message) => { if (level === 'error') console.error(message) })
}

async function withUtils (act) {
  const { makeWorkerUtils } = await graphile()
  const utils = await makeWorkerUtils({ connectionString: driving.dsn, logger: await quiet() })
  try {
    return await act(utils)
  } finally {
    await utils.release()
  }
}

const send = (utils) => (items) => utils.addJobs(items.map((n) => ({ identifier: 'noop', payload: driving.payload(n) })))

async function work () {
  const { run } = await graphile()
  const logger = await quiet()
  await driving.ready()
  const runner = await run({
    preset: { ...preset, worker: { ...preset.worker, logger } },
    noHandleSignals: true,
    taskList: { noop: async (payload) => { driving.hit(payload.n) } }
  })
  await driving.untilTold()
  await runner.stop()
}

await driving.main({
  version: () => driving.version('graphile-worker'),
  setup: () => withUtils((utils) => utils.migrate()),
  'enqueue-one': (count, pause) =>
    withUtils((utils) => driving.enqueueOne((n) => utils.addJob('noop', driving.payload(n)), count, pause)),
  'enqueue-bulk': (count) => withUtils((utils) => driving.bulk(send(utils), count, CHUNK)),
  fill: (count) => withUtils((utils) => driving.bulk(send(utils), count, CHUNK)),
  feed: (count) => withUtils((utils) => driving.feed(send(utils), count)),
  work
})
