// A real network on free ports of this machine: one PLC directory and personal data servers, in this process.
'use strict'
const { TestPds, TestPlc, mockNetworkUtilities } = require('@atproto/dev-env')

async function startNetwork(count) {
  const plc = await TestPlc.create({})
  const hosts = []
  for (let i = 0; i < count; ++i) {
    const pds = await TestPds.create({ didPlcUrl: plc.url })
    mockNetworkUtilities(pds)
    hosts.push({ pds, url: pds.url, stream: `ws://127.0.0.1:${pds.port}` })
  }
  return {
    plc,
    hosts,
    // The DID of a handle, from whichever server has it; undefined where none does.
    async resolveHandle(handle) {
      for (const { pds } of hosts) {
        const account = await pds.ctx.accountManager.getAccount(handle, { includeDeactivated: true })
        if (account) return account.did
      }
      return undefined
    },
    async close() {
      for (const { pds } of hosts) await pds.close()
      await plc.close()
    },
  }
}

// The sequence number of the newest event of a server.
async function newest(host) {
  return (await host.pds.ctx.sequencer.curr()) ?? 0
}

module.exports = { startNetwork, newest }
