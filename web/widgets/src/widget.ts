import { LitElement, html, type PropertyValues, type TemplateResult } from 'lit'
import { property, state } from 'lit/decorators.js'
import { Connection, type Status, type TokenSource } from './connection.ts'

const WORDS: Record<Status, string> = {
  loading: 'Loading',
  live: 'Live',
  reconnecting: 'Reconnecting',
  failed: 'Not available',
}

/** Announcements come no closer together: a screen reader has to be able to finish a sentence. */
const ANNOUNCE_MS = 4_000

/**
 * What every widget has: a connection, a visible state of it, and a polite voice for screen readers.
 *
 * Attributes: `endpoint` (default /graphql), `token` (a member's token), `label` (a heading in place of the own one).
 * Properties: `token` may be a function that gives a fresh token; `connection` shares one socket between widgets.
 */
export abstract class Widget extends LitElement {
  @property() endpoint = '/graphql'
  @property() token: TokenSource = ''
  @property() label = ''
  @property({ attribute: false }) connection: Connection | undefined
  /** The state of the connection, to be styled and waited for. */
  @property({ reflect: true }) status: Status = 'loading'

  @state() private said = ''
  #saying = 0
  #toSay = ''
  #leave: (() => void) | undefined

  /** Begin to follow, with what the properties say; returns how to stop. */
  protected abstract start(connection: Connection): () => void

  /** The properties that, when changed, begin everything anew. */
  protected get sources(): readonly string[] {
    return ['endpoint', 'token', 'connection']
  }

  override connectedCallback(): void {
    super.connectedCallback()
    if (this.hasUpdated) this.#restart()
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    clearTimeout(this.#saying)
    this.#saying = 0
    this.#leave?.()
    this.#leave = undefined
  }

  protected override updated(changed: PropertyValues): void {
    if (this.sources.some((name) => changed.has(name)) || (!this.#leave && this.isConnected)) this.#restart()
  }

  #restart(): void {
    this.#leave?.()
    this.#leave = undefined
    const connection = this.connection ?? (this.token ? new Connection(this.endpoint, this.token) : undefined)
    if (connection) this.#leave = this.start(connection)
  }

  /** What the state of the connection is called. */
  protected get states(): Record<Status, string> {
    return WORDS
  }

  /** Tell a screen reader the newest of what happened, when it has had time for the last. */
  protected announce(words: string): void {
    this.#toSay = words
    if (this.#saying) return
    this.said = words
    this.#toSay = ''
    this.#saying = window.setTimeout(() => {
      this.#saying = 0
      if (this.#toSay) this.announce(this.#toSay)
    }, ANNOUNCE_MS)
  }

  protected pill(): TemplateResult {
    return html`<span class="status" part="status" data-status=${this.status}
      ><i aria-hidden="true"></i>${this.states[this.status]}</span
    >`
  }

  protected voice(): TemplateResult {
    return html`<p class="unseen" role="status" aria-live="polite">${this.said}</p>`
  }
}

/** Whether whoever looks asked for less motion. */
export const still = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches

export const number = (value: number, locale?: string): string => value.toLocaleString(locale)
