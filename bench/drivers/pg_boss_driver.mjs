// pg-boss: batches of 500, LISTEN, and the next batch at once while batches come back full.
import * as driving from './driving.mjs'

const BATCH = 500
const CHUNK = 5000
const QUEUE = 'noop'

async function withBoss (act, options = {}) {
  const { PgBoss } = await driving.load('pg-boss')
  const boss = new PgBoss({ connectionString: driving.dsn, supervise: false, schedule: false, ...options })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  try {
    return await act(boss)
  } finally {
    await boss.stop({ graceful: true, timeout: 5000 })
  }
}

const fill = (count) => withBoss((boss) =>
  driving.bulk((items) => boss.insert(QUEUE, items.map((n) => ({ data: driving.payload(n) }))), count, CHUNK))

async function work () {
  await driving.load('pg-boss')
  await driving.ready()
  await withBoss(async (boss) => {
    const options = { batchSize: BATCH, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }
    await boss.work(QUEUE, options, async (jobs) => { for (const job of jobs) driving.hit(job.data.n) })
    await driving.untilTold()
  }, { supervise: true, useListenNotify: true })
}

await driving.main({
  version: () => driving.version('pg-boss'),
  setup: () => withBoss((boss) => boss.createQueue(QUEUE, { notify: true })),
  'enqueue-one': (count, pause) =>
    withBoss((boss) => driving.enqueueOne((n) => boss.send(QUEUE, driving.payload(n)), count, pause)),
  'enqueue-bulk': fill,
  fill,
  work
})
