import { createClient, type Client } from 'graphql-ws'

/** A credential, or where to get a fresh one; asked again for every connection. */
export type TokenSource = string | (() => string | Promise<string>)

/** What a widget shows of its connection. `failed` is final: trying again would not help. */
export type Status = 'loading' | 'live' | 'reconnecting' | 'failed'

export interface Follower<T> {
  /** The variables for the next attempt: a cursor may have moved since the last one. */
  variables: () => Record<string, unknown>
  next: (data: T) => void
  status: (status: Status) => void
  /** A refusal that may pass when more has happened; true to ask again later. */
  patient?: (code: string) => boolean
}

const PING_MS = 10_000
const PONG_MS = 5_000
/** A connection that is back within this time was never missed by anybody. */
const GRACE_MS = 700
const WAIT_MS = { first: 200, longest: 8_000 }
const PATIENT_MS = 1_500
const SEND_MS = 15_000

/** A refusal that the service told in its own words, with its code. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly retryable: boolean,
  ) {
    super(message)
  }
}

/**
 * One socket to the service, shared by everything that follows something with the same credential; what changes something goes
 * by a request of its own beside it.
 *
 * Speaks graphql-transport-ws. The socket opens with the first question and closes soon after the last follower has left. A socket
 * that breaks, or falls silent, is made again after a short and growing wait, at once when the network says it is back.
 */
export class Connection {
  /** Where the service is; paths of its pictures are meant from here. */
  readonly endpoint: URL
  readonly #token: TokenSource
  readonly #client: Client
  readonly #connected = new Set<() => void>()
  #pong = 0
  #open = false

  constructor(endpoint: string | URL, token: TokenSource) {
    this.endpoint = new URL(endpoint, location.href)
    this.#token = token
    const url = new URL(this.endpoint)
    url.protocol = url.protocol.replace(/^http/, 'ws')
    this.#client = createClient({
      url: url.href,
      connectionParams: async () => ({ token: await this.#fresh() }),
      lazyCloseTimeout: 1_000,
      keepAlive: PING_MS,
      // Followers repeat for themselves, each from where it stands.
      retryAttempts: 0,
      on: {
        ping: (received) => {
          if (!received) this.#pong = window.setTimeout(() => this.#client.terminate(), PONG_MS)
        },
        pong: (received) => {
          if (received) clearTimeout(this.#pong)
        },
        connected: () => {
          this.#open = true
          this.#connected.forEach((tell) => tell())
        },
        closed: () => {
          this.#open = false
          clearTimeout(this.#pong)
        },
      },
    })
  }

  /** The answer to a query. Rejects where it was refused, and where the connection broke before it came. */
  async ask<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
    for await (const result of this.#client.iterate<T>({ query, variables })) return dataOf<T>(result)
    throw new Error('The connection ended before the answer.')
  }

  /**
   * The answer to a mutation. Rejects with `Refused` where it was refused; with anything else where nobody knows whether it was
   * done: send it again then, with the same idempotency key.
   */
  async send<T>(query: string, variables: Record<string, unknown>): Promise<T> {
    const answer = await fetch(this.endpoint, {
      method: 'POST',
      headers: { Authorization: `Bearer ${await this.#fresh()}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(SEND_MS),
    })
    return dataOf<T>((await answer.json()) as Answered<T>)
  }

  async #fresh(): Promise<string> {
    return typeof this.#token === 'string' ? this.#token : await this.#token()
  }

  /** Follow a subscription through lost connections, until the returned function is called. */
  follow<T>(query: string, follower: Follower<T>): () => void {
    const leaving = new AbortController()
    void this.#follow(query, follower, leaving.signal)
    return () => leaving.abort()
  }

  async #follow<T>(query: string, follower: Follower<T>, left: AbortSignal): Promise<void> {
    let wait = 0
    let seen = 'loading' as Status
    let grace = 0
    const say = (status: Status) => {
      clearTimeout(grace)
      if (!left.aborted && status !== seen) follower.status((seen = status))
    }
    follower.status(seen)
    // Where nothing was missed, nothing is said for a while after a connection is back.
    const back = () => seen !== 'loading' && seen !== 'failed' && say('live')
    this.#connected.add(back)
    left.addEventListener('abort', () => {
      clearTimeout(grace)
      this.#connected.delete(back)
    })
    while (!left.aborted) {
      let refused = false
      try {
        await this.#once<T>(query, follower.variables(), left, (data) => {
          if (left.aborted) return
          wait = 0
          say('live')
          follower.next(data)
        })
      } catch (error) {
        refused = error instanceof Refused
        if (error instanceof Refused && !error.retryable) {
          if (!follower.patient?.(error.code)) return say('failed')
          say('live')
          await pause(PATIENT_MS, left)
          continue
        }
      }
      // What breaks with a socket may be heard of after the next one is open: then nothing is amiss any more.
      if (seen === 'live') grace = window.setTimeout(() => (refused || !this.#open) && say('reconnecting'), GRACE_MS)
      // The first attempt comes at once; then full jitter, so that all who were dropped do not come back together.
      await pause(Math.random() * wait, left)
      wait = Math.min(Math.max(wait * 2, WAIT_MS.first), WAIT_MS.longest)
    }
  }

  /** One attempt: ends with the subscription, and rejects where it is refused or the connection breaks. */
  #once<T>(query: string, variables: Record<string, unknown>, left: AbortSignal, next: (data: T) => void) {
    return new Promise<void>((resolve, reject) => {
      const stop = this.#client.subscribe<T>(
        { query, variables },
        {
          next: (result) => {
            try {
              next(dataOf<T>(result))
            } catch (error) {
              reject(error)
              stop()
            }
          },
          error: (problem) => reject(Array.isArray(problem) ? refusal(problem) : problem),
          complete: resolve,
        },
      )
      left.addEventListener('abort', () => stop(), { once: true })
    })
  }
}

interface Told {
  message: string
  extensions?: Record<string, unknown> | undefined
}

interface Answered<T> {
  data?: T | null | undefined
  errors?: readonly Told[] | undefined
}

function dataOf<T>(result: Answered<T>): T {
  if (result.errors?.length) throw refusal(result.errors)
  if (result.data == null) throw new Error('The answer is empty.')
  return result.data
}

function refusal(errors: readonly Told[]): Refused {
  const [first] = errors
  const code = first?.extensions?.['code']
  return new Refused(
    first?.message ?? 'Refused.',
    typeof code === 'string' ? code : 'UNKNOWN',
    first?.extensions?.['retryable'] === true,
  )
}

/** Wait; no longer when the network comes back, or when nobody waits any more. */
function pause(ms: number, left: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      window.removeEventListener('online', done)
      left.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    window.addEventListener('online', done)
    left.addEventListener('abort', done)
  })
}
