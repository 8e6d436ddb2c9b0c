// The relay as a process: started, asked, told to stop.
'use strict'
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const net = require('node:net')
const { setTimeout: sleep } = require('node:timers/promises')

async function freePort() {
  const server = net.createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

class Relay {
  // Keeps its port, state and log over restarts.
  static async create(program, work, hosts) {
    return new Relay(program, work, hosts, await freePort())
  }

  constructor(program, work, hosts, port) {
    this.program = program
    this.logFile = `${work}/relay.log`
    this.http = `http://127.0.0.1:${port}`
    this.stream = `ws://127.0.0.1:${port}`
    this.options = ['--listen', `127.0.0.1:${port}`, '--data', `${work}/relay`, '--dev', ...hosts.flatMap((url) => ['--host', url])]
    process.on('exit', () => this.child?.kill('SIGKILL'))
  }

  // Returns when it serves and is connected to all its hosts.
  async start(hosts) {
    const log = fs.openSync(this.logFile, 'a')
    this.child = spawn(this.program, this.options, { stdio: ['ignore', log, log] })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => resolve(error.message))
      this.child.once('exit', (code, signal) => resolve(signal ?? code))
    })
    this.ended.then(() => (this.child = undefined))
    for (let i = 0; i < 600; ++i) {
      if (!this.child) throw new Error(`the relay ended while it started: ${await this.ended}`)
      if ((await this.metric('relay_hosts_connected')) === hosts) return
      await sleep(100)
    }
    throw new Error('the relay is not connected to its hosts after a minute')
  }

  // The value of a metric; undefined while nobody answers.
  async metric(name) {
    const page = await fetch(`${this.http}/metrics`, { signal: AbortSignal.timeout(10_000) }).then((answer) => answer.text(), () => '')
    const line = page.split('\n').find((each) => each.startsWith(`${name} `))
    return line && Number(line.split(' ')[1])
  }

  // SIGTERM; gives the exit code, or the signal that ended it.
  async stop() {
    this.child?.kill('SIGTERM')
    const end = await Promise.race([this.ended, sleep(30_000, 'nothing within 30 s')])
    this.child?.kill('SIGKILL')
    return end
  }

  log() {
    return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8') : ''
  }
}

module.exports = { Relay }
