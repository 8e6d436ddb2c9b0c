// Frames of the event stream as a consumer gets them, and where their sequence number stands. Reads CBOR by hand, so that the
// relay's own reader is held against something else.
'use strict'
const { EventEmitter } = require('node:events')
const { setTimeout: sleep } = require('node:timers/promises')
const WebSocket = require('ws')
const { cborDecodeMulti } = require('@atproto/common')

function head(bytes, at) {
  const major = bytes[at] >> 5
  const low = bytes[at] & 31
  if (low < 24) return { major, argument: low, next: at + 1 }
  if (low > 27) throw new Error(`no CBOR head at ${at}`)
  const size = 1 << (low - 24)
  const argument = size === 8 ? Number(bytes.readBigUInt64BE(at + 1)) : bytes.readUIntBE(at + 1, size)
  return { major, argument, next: at + 1 + size }
}

// Where the item that begins at `at` ends.
function skip(bytes, at) {
  const { major, argument, next } = head(bytes, at)
  if (major === 2 || major === 3) return next + argument
  let end = next
  const inside = major === 4 ? argument : major === 5 ? 2 * argument : major === 6 ? 1 : 0
  for (let i = 0; i < inside; ++i) end = skip(bytes, end)
  return end
}

// { seq, rest }: the sequence number, and all other bytes as a string that can be compared. seq is undefined where there is none.
function split(bytes) {
  const map = head(bytes, skip(bytes, 0))
  let at = map.next
  for (let i = 0; i < map.argument; ++i) {
    const key = head(bytes, at)
    const value = key.next + key.argument
    const end = skip(bytes, value)
    if (bytes.toString('latin1', key.next, value) === 'seq') {
      return { seq: head(bytes, value).argument, rest: bytes.toString('latin1', 0, value) + bytes.toString('latin1', end) }
    }
    at = end
  }
  return { seq: undefined, rest: bytes.toString('latin1') }
}

// "#commit did:plc:… seq 7", for messages.
function describe(bytes) {
  const [header, payload] = cborDecodeMulti(bytes)
  return `${header.t ?? 'error'} ${payload.repo ?? payload.did ?? payload.error ?? payload.name} seq ${payload.seq}`
}

// Keeps every frame that a server sends.
class Tap extends EventEmitter {
  // Resolves when the connection is open. `cursor` is a number, or undefined for none.
  static async open(name, url, cursor) {
    const tap = new Tap(name, url, cursor)
    await new Promise((resolve, reject) => tap.socket.once('open', resolve).once('error', reject))
    return tap
  }

  constructor(name, url, cursor) {
    super()
    this.name = name
    this.frames = [] // { seq, rest, bytes }
    this.notes = [] // what came without a sequence number, text messages, errors
    this.closed = undefined // the code
    const query = cursor === undefined ? '' : `?cursor=${cursor}`
    this.socket = new WebSocket(`${url}/xrpc/com.atproto.sync.subscribeRepos${query}`, { perMessageDeflate: false })
    this.socket.on('message', (data, binary) => this.#take(data, binary))
    this.socket.on('error', (error) => this.notes.push(error.message))
    this.socket.on('close', (code) => {
      this.closed = code
      this.emit('change')
    })
  }

  get last() {
    return this.frames.at(-1)?.seq ?? 0
  }

  // Waits until `enough(this)`, or says after `seconds` how far it came.
  async until(enough, what, seconds = 60) {
    const over = AbortSignal.timeout(seconds * 1000)
    while (!enough(this)) {
      if (over.aborted) throw new Error(`${this.name}: waited ${seconds} s for ${what}; ${this.frames.length} frames, last seq ${this.last}`)
      await Promise.race([new Promise((resolve) => this.once('change', resolve)), sleep(500)])
    }
  }

  async close() {
    this.socket.close(1000)
    await this.until(() => this.closed !== undefined, 'the close')
  }

  #take(data, binary) {
    if (binary) {
      const frame = split(data)
      if (frame.seq === undefined) this.notes.push(describe(data))
      else this.frames.push({ ...frame, bytes: data })
    } else {
      this.notes.push(`text: ${data}`)
    }
    this.emit('change')
  }
}

module.exports = { Tap, describe }
