/** What the service lets this page see: a board, a handful of members, and a token of each that lasts a few minutes. */
export interface Session {
  program: string
  board: string
  members: { id: string; token: string }[]
  /** How long the tokens last, from the moment of the answer. */
  seconds: number
}

/** A token this close to its end is not used for a new connection. */
const SPARE_MS = 60_000

let held: Promise<Session> | undefined
let until = 0

/** The present session; asked for anew when its tokens are about to end. */
export function session(): Promise<Session> {
  if (!held || Date.now() > until) {
    held = ask()
    held.catch(() => (held = undefined))
  }
  return held
}

/** A token of a member of the session. */
export async function tokenOf(id: string): Promise<string> {
  const { members } = await session()
  return members.find((each) => each.id === id)?.token ?? ''
}

async function ask(): Promise<Session> {
  until = Date.now() + SPARE_MS
  const answer = await fetch('/demo/session', { cache: 'no-store', signal: AbortSignal.timeout(10_000) })
  if (!answer.ok) throw new Error(`The session was refused: ${answer.status}.`)
  const found = (await answer.json()) as Session
  until = Date.now() + found.seconds * 1_000 - SPARE_MS
  return found
}
