// The real client: checks signatures and proofs of all that it is sent. Any error it meets is kept.
'use strict'
const { setTimeout: sleep } = require('node:timers/promises')
const { IdResolver, MemoryCache } = require('@atproto/identity')
const { Firehose, MemoryRunner } = require('@atproto/sync')

class Client {
  // `cursor` undefined: from now on.
  constructor(name, url, network, cursor) {
    this.name = name
    this.errors = []
    this.operations = new Map() // of each DID, in order: "create at://… cid"
    this.statuses = new Map() // of each DID, in order: "active", "deactivated" …
    this.kinds = {}
    this.seqs = new Set()
    this.reconnects = 0
    this.runner = new MemoryRunner({ startCursor: cursor })
    const idResolver = new IdResolver({ plcUrl: network.plc.url, timeout: 30_000, didCache: new MemoryCache() })
    idResolver.handle.resolve = (handle) => network.resolveHandle(handle)
    this.firehose = new Firehose({
      service: url,
      runner: this.runner,
      idResolver,
      maxReconnectSeconds: 1,
      handleEvent: (event) => this.#take(event),
      onError: (error) => this.errors.push(`${error.message}: ${error.cause?.message}`),
    })
    this.following = this.#follow()
  }

  async until(enough, what, seconds = 60) {
    const over = Date.now() + seconds * 1000
    while (!(await enough(this))) {
      if (this.errors.length > 0) throw new Error(`${this.name}: ${this.errors[0]} (${this.errors.length} errors)`)
      if (Date.now() > over) throw new Error(`${this.name}: waited ${seconds} s for ${what}; ${JSON.stringify(this.kinds)}`)
      await sleep(50)
    }
  }

  async close() {
    this.stopped = true
    void this.firehose.destroy() // ends only where it is connected
    await Promise.race([this.following, sleep(2000)])
    await this.runner.destroy()
  }

  // The client takes a close in good order for the end of the stream; what it has worked off is its cursor.
  async #follow() {
    while (!this.stopped) {
      await this.firehose.start()
      await this.runner.processAll()
      if (!this.stopped) ++this.reconnects
    }
  }

  #take(event) {
    this.kinds[event.event] = (this.kinds[event.event] ?? 0) + 1
    this.seqs.add(event.seq)
    if (event.event === 'account') this.#append(this.statuses, event.did, event.active ? 'active' : event.status)
    const what = [event.event, event.uri?.toString(), event.cid?.toString()].filter(Boolean).join(' ')
    if (event.uri) this.#append(this.operations, event.did, what)
  }

  #append(map, did, what) {
    if (!map.has(did)) map.set(did, [])
    map.get(did).push(what)
  }
}

module.exports = { Client }
