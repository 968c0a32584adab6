// The Node drivers' half of driving.py: the same commands, environment, payload, counters and timing.
import fs from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const TEXT = 'x'.repeat(180)
const WARM_UP = 20
export const dsn = process.env.BENCH_DSN
export const payload = (n) => ({ text: TEXT, n })
export const now = () => process.hrtime.bigint() // CLOCK_MONOTONIC
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// The peer's packages lie in a folder of their own, not beside this file.
const require = createRequire(path.join(process.env.BENCH_PEER_DIR, 'package.json'))
export const load = (name) => import(pathToFileURL(require.resolve(name)).href)
export const version = (name) => ({
  version: `${JSON.parse(fs.readFileSync(path.join(process.env.BENCH_PEER_DIR, 'node_modules', name, 'package.json'))).version}, Node ${process.versions.node}`
})

let file
let starts
const counts = new BigInt64Array(3)
let written = true

// Count this run of a handler. The file is written once a turn of the event loop: Node can not map memory.
export function hit (n) {
  const time = now()
  if (file === undefined) {
    file = fs.openSync(path.join(process.env.BENCH_COUNTER, String(process.pid)), 'w')
    if (process.env.BENCH_STARTS) starts = fs.openSync(process.env.BENCH_STARTS, 'r+')
    counts[1] = time
  }
  counts[0] += 1n
  counts[2] = time
  if (written) {
    written = false
    setImmediate(() => { written = true; fs.writeSync(file, new Uint8Array(counts.buffer), 0, 24, 0) })
  }
  if (starts !== undefined) fs.writeSync(starts, new Uint8Array(BigInt64Array.of(time).buffer), 0, 8, 8 * n)
}

function handled () {
  let total = 0
  for (const name of fs.readdirSync(process.env.BENCH_COUNTER)) {
    const data = fs.readFileSync(path.join(process.env.BENCH_COUNTER, name))
    if (data.length >= 8) total += Number(data.readBigInt64LE(0))
  }
  return total
}

export async function ready () {
  const go = process.env.BENCH_GO
  if (!go) return
  fs.writeFileSync(`${go}.${process.pid}`, '')
  while (!fs.existsSync(go)) await sleep(1)
}

export async function enqueueOne (send, count, pause = 0) {
  for (let n = 0; n < (pause ? 0 : WARM_UP); n++) await send(n)
  await ready()
  const latencies = []
  const committed = []
  const first = now()
  for (let n = 0; n < count; n++) {
    const started = now()
    await send(n)
    committed.push(now())
    latencies.push(Number(committed[n] - started) / 1e6)
    if (pause) await sleep(1000 * pause * (0.8 + 0.4 * (n % 7) / 6))
  }
  latencies.sort((a, b) => a - b)
  return {
    rate: count / (Number(committed[count - 1] - first) / 1e9),
    p50_ms: latencies[Math.floor(count / 2)],
    p99_ms: latencies[Math.floor(count * 0.99)],
    first_ns: Number(first),
    last_ns: Number(committed[count - 1]),
    committed_ns: pause ? committed.map(Number) : []
  }
}

const numbers = (from, size) => Array.from({ length: size }, (_, i) => from + i)

export async function bulk (send, count, chunk) {
  const started = now()
  for (let n = 0; n < count; n += chunk) await send(numbers(n, Math.min(chunk, count - n)))
  return { rate: count / (Number(now() - started) / 1e9) }
}

export async function feed (send, count, low = 2000) {
  let sent = 0
  while (sent < count) {
    if (sent - handled() < low) {
      const more = Math.min(low, count - sent)
      await send(numbers(sent, more))
      sent += more
    } else await sleep(1)
  }
  return { sent }
}

export const untilTold = () => new Promise((resolve) => process.once('SIGTERM', resolve))

export async function main (commands) {
  const [name, ...given] = process.argv.slice(2)
  const answer = await commands[name](...given.map(Number))
  process.stdout.write(JSON.stringify(answer ?? {}) + '\n', () => process.exit(0))
}
