// People at work: accounts and records through the real API. Each keeps the operations that its repository has seen, as the
// servers confirmed them.
'use strict'
const { AtpAgent } = require('@atproto/api')

const posts = 'app.bsky.feed.post'
const post = (text) => ({ $type: posts, text, createdAt: new Date().toISOString() })

class Account {
  static async create(host, handle) {
    const account = new Account(host)
    await account.agent.createAccount({ handle, email: `${handle}@example.com`, password: 'practice' })
    return account
  }

  constructor(host) {
    this.host = host
    this.agent = new AtpAgent({ service: host.url })
    this.operations = [] // "create at://… cid", in order
    this.statuses = ['active'] // what the stream says of the account, in order
    this.kept = [] // record keys
  }

  get did() {
    return this.agent.session.did
  }

  async create(text) {
    const { data } = await this.#repo.createRecord({ repo: this.did, collection: posts, record: post(text) })
    this.#created(data)
  }

  async createMany(count, text) {
    const writes = Array.from({ length: count }, (_, i) => ({
      $type: 'com.atproto.repo.applyWrites#create',
      collection: posts,
      value: post(`${text} ${i}`),
    }))
    const { data } = await this.#repo.applyWrites({ repo: this.did, writes })
    for (const each of data.results) this.#created(each)
  }

  async updateProfile(displayName) {
    const place = { repo: this.did, collection: 'app.bsky.actor.profile', rkey: 'self' }
    const known = this.operations.some((each) => each.includes('app.bsky.actor.profile'))
    const { data } = await this.#repo.putRecord({ ...place, record: { $type: place.collection, displayName } })
    this.operations.push(`${known ? 'update' : 'create'} ${data.uri} ${data.cid}`)
  }

  async deleteOldest() {
    const rkey = this.kept.shift()
    await this.#repo.deleteRecord({ repo: this.did, collection: posts, rkey })
    this.operations.push(`delete at://${this.did}/${posts}/${rkey}`)
  }

  async rename(handle) {
    await this.agent.com.atproto.identity.updateHandle({ handle })
  }

  async pause() {
    await this.agent.com.atproto.server.deactivateAccount({})
    this.statuses.push('deactivated')
    await this.agent.com.atproto.server.activateAccount()
    this.statuses.push('active')
  }

  get #repo() {
    return this.agent.com.atproto.repo
  }

  #created({ uri, cid }) {
    this.operations.push(`create ${uri} ${cid}`)
    this.kept.push(uri.split('/').pop())
  }
}

// Everything that a person does in a while.
async function work(account, name, rounds) {
  for (let i = 0; i < rounds; ++i) {
    await account.create(`${name} ${i}`)
    await account.createMany(5, `${name} ${i}, together`)
    await account.deleteOldest()
    await account.updateProfile(`${name} ${i}`)
  }
}

module.exports = { Account, work }
