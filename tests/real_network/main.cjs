// The relay between real servers and the real client: node main.cjs RELAY WORK-FOLDER
'use strict'
const { isDeepStrictEqual } = require('node:util')
const { setTimeout: sleep } = require('node:timers/promises')
const { Account, work } = require('./accounts.cjs')
const { Client } = require('./client.cjs')
const { Tap, describe } = require('./frames.cjs')
const { startNetwork, newest } = require('./network.cjs')
const { Relay } = require('./relay.cjs')

const [program, folder] = process.argv.slice(2)
const timeLimit = 600 // seconds, for everything
let passed = 0
let failed = 0

const say = (text) => console.log(`[${process.uptime().toFixed(1).padStart(6)} s] ${text}`)

// Runs a check, a function that throws or gives a detail to print.
async function check(what, body) {
  try {
    const detail = await body()
    ++passed
    say(`ok      ${what}${detail ? `: ${detail}` : ''}`)
  } catch (error) {
    ++failed
    say(`FAILED  ${what}: ${error.message}`)
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message)
}

// The stream of the relay is the streams of the hosts, each whole and in order, in some mixture.
function expectMixture(frames, sources) {
  const at = sources.map(() => 0)
  for (const frame of frames) {
    const from = sources.findIndex((source, i) => source[at[i]]?.rest === frame.rest)
    if (from < 0) {
      const known = sources.some((source) => source.some((each) => each.rest === frame.rest))
      throw new Error(`${describe(frame.bytes)}: ${known ? 'out of order, or a second time' : 'no host has sent this'}`)
    }
    ++at[from]
  }
  sources.forEach((source, i) => {
    expect(at[i] === source.length, `host ${i}: ${source.length - at[i]} events are missing, from ${describe(source[at[i]]?.bytes ?? frames[0].bytes)}`)
  })
  return `${frames.length} events of ${sources.length} hosts (${at.join(' + ')})`
}

function expectRising(frames) {
  frames.forEach((frame, i) => expect(i === 0 || frame.seq > frames[i - 1].seq, `${frame.seq} follows ${frames[i - 1]?.seq}`))
  return `${frames[0].seq} … ${frames.at(-1).seq}`
}

// The client has seen what the accounts did, each in order.
function expectWork(client, accounts) {
  expect(client.errors.length === 0, `${client.errors.length} errors, the first: ${client.errors[0]}`)
  for (const account of accounts) {
    const seen = client.operations.get(account.did) ?? []
    const wrong = seen.findIndex((each, i) => each !== account.operations[i])
    expect(wrong < 0, `${account.did}: ${seen[wrong]} in place of ${account.operations[wrong]}`)
    expect(seen.length === account.operations.length, `${account.did}: ${seen.length} of ${account.operations.length} operations`)
    const statuses = client.statuses.get(account.did)
    expect(isDeepStrictEqual(statuses, account.statuses), `${account.did}: account was ${statuses}, not ${account.statuses}`)
  }
  return JSON.stringify(client.kinds)
}

async function everythingEmitted(hosts, taps) {
  for (const [i, host] of hosts.entries()) {
    const last = await newest(host)
    await taps[i].until((tap) => tap.last >= last, `event ${last} of the host`)
  }
  return taps.reduce((sum, tap) => sum + tap.frames.length, 0)
}

async function main(relay, network) {
  const { hosts } = network
  const people = []
  say(`PLC ${network.plc.url}, hosts ${hosts.map((host) => host.url).join(' ')}, relay ${relay.stream}`)
  const emitted = await Promise.all(hosts.map((host, i) => Tap.open(`host ${i}`, host.stream, 0)))
  await check('the relay starts and connects to its hosts', () => relay.start(hosts.length))
  const live = await Tap.open('consumer', relay.stream)
  const client = new Client('client', relay.stream, network)
  await client.until(async () => (await relay.metric('relay_consumers')) === 2, 'the connection')

  say('accounts and records')
  await Promise.all(
    hosts.map(async (host, i) => {
      for (const name of ['anna', 'bert']) {
        const account = await Account.create(host, `${name}-${i}.test`)
        people.push(account)
        await work(account, name, 3)
      }
      const last = people.findLast((each) => each.host === host)
      await last.rename(`renamed-${i}.test`)
      await last.pause()
      await last.create('after the pause')
    }),
  )
  const operations = () => people.reduce((sum, each) => sum + each.operations.length, 0)
  const seen = (of) => [...of.operations.values()].reduce((sum, each) => sum + each.length, 0)
  const first = await everythingEmitted(hosts, emitted)
  await check('every event comes out once, in order, byte-equal but for seq', async () => {
    await live.until((tap) => tap.frames.length >= first, `${first} events`)
    return expectMixture(live.frames, emitted.map((tap) => tap.frames))
  })
  await check('the client accepts every event and proof', async () => {
    await client.until(() => seen(client) >= operations(), `${operations()} operations`)
    return expectWork(client, people)
  })

  say('the relay stops in the middle of more work, which goes on meanwhile')
  const more = Promise.all(people.map((account, i) => work(account, `more ${i}`, 4)))
  more.catch(() => {}) // awaited below
  await live.until((tap) => tap.frames.length >= first + 5, 'events of the second part')
  await check('SIGTERM ends the relay with exit code 0', async () => {
    const code = await relay.stop()
    expect(code === 0, `it ended with ${code}`)
  })
  await check('consumers are told: close 1001', async () => {
    await live.until((tap) => tap.closed !== undefined, 'the close')
    expect(live.closed === 1001, `close ${live.closed}`)
  })
  await more
  const all = await everythingEmitted(hosts, emitted)
  await check('there is work that the relay has missed', () => {
    expect(all > live.frames.length, `all ${all} events were through already`)
    return `${all - live.frames.length} of ${all} events`
  })

  say('the relay starts again')
  await relay.start(hosts.length)
  const resumed = await Tap.open('resuming consumer', relay.stream, live.last)
  const stream = () => [...live.frames, ...resumed.frames]
  await check('who resumes with a cursor misses nothing and gets nothing twice', async () => {
    await resumed.until(() => stream().length >= all, `${all} events`)
    await people[0].create('one more, which follows all others')
    const whole = await everythingEmitted(hosts, emitted)
    await resumed.until(() => stream().length >= whole, `${whole} events`)
    return expectMixture(stream(), emitted.map((tap) => tap.frames))
  })
  await check('sequence numbers rise, over the restart too', () => expectRising(stream()))
  await check('the client goes on by itself, still without an error', async () => {
    await client.until(() => seen(client) >= operations(), `${operations()} operations`)
    return `${expectWork(client, people)}, reconnected ${client.reconnects}`
  })

  const late = new Client('late client', relay.stream, network, 0)
  await check('a client that comes late and begins at cursor 0 gets the same', async () => {
    await late.until(() => seen(late) >= operations(), `${operations()} operations`)
    const window = await Tap.open('late consumer', relay.stream, 0)
    await window.until((tap) => tap.frames.length >= stream().length, `${stream().length} events`)
    const same = window.frames.every((frame, i) => frame.bytes.equals(stream()[i].bytes))
    expect(same && window.frames.length === stream().length, 'its bytes are not those of the consumers before')
    await window.close()
    return expectWork(late, people)
  })
  await check('no server and no relay has said anything else', () => {
    const notes = [...emitted, live, resumed].flatMap((tap) => tap.notes.map((note) => `${tap.name}: ${note}`))
    expect(notes.length === 0, notes[0])
  })
  await Promise.all([client.close(), late.close(), resumed.close()])
  await check('SIGTERM ends the relay with exit code 0, again', async () => {
    const code = await relay.stop()
    expect(code === 0, `it ended with ${code}`)
  })
  await Promise.all(emitted.map((tap) => tap.close()))
}

async function run() {
  const network = await startNetwork(2)
  const relay = await Relay.create(program, folder, network.hosts.map((host) => host.stream))
  const giveUp = async (why) => {
    say(`FAILED  ${why}`)
    console.log(`--- end of the relay's log ---\n${relay.log().split('\n').slice(-60).join('\n')}`)
    await relay.stop()
    process.exit(1)
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => giveUp(signal))
  sleep(timeLimit * 1000, undefined, { ref: false }).then(() => giveUp(`not done after ${timeLimit} s`))
  try {
    await main(relay, network)
  } catch (error) {
    return giveUp(error.stack)
  }
  if (failed > 0) console.log(`--- the relay's log ---\n${relay.log()}`)
  await network.close()
  console.log(`counted: ${passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}

run()
