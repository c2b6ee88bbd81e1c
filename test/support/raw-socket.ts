import { connect } from 'node:net'

/** As long as a gate on a busy machine may take to say anything. */
const PATIENCE_MS = 20_000
/** Once it has said what is due: long enough for what it should not say. */
const QUIET_MS = 700

/**
 * Sends bytes as they are, and gives all that came back until the gate hung up or, having answered as often as expected,
 * went quiet.
 */
export async function raw(url: string, text: string, expected = 1): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let answer = ''
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      if (statuses(answer).length >= expected) socket.setTimeout(QUIET_MS)
    })
    socket.on('close', () => resolve(answer))
    // A gate that hangs up while it is still written to is right to do so.
    socket.on('error', error =>
      'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE') ? resolve(answer) : reject(error),
    )
    socket.write(text, 'latin1')
  })
}

/** Of every answer; a body need not end in a line feed, so an answer may begin anywhere. */
export function statuses(answers: string): readonly number[] {
  return [...answers.matchAll(/HTTP\/1\.1 ([0-9]{3}) /g)].map(match => Number(match[1]))
}
