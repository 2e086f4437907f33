import { LitElement, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { code } from './code.ts'
import { Refused, type Connection } from './connection.ts'
import { styles } from './redeeming-styles.ts'
import { REDEEM, type Benefit, type RedeemAnswer, type Redemption, type Reward } from './shop-documents.ts'
import type { Speech } from './shop-words.ts'
import { controls, shared } from './styles.ts'

/** After how long what brought no answer is sent again, before she is asked whether it should be. */
const WAITS_MS = [400, 1_600]

/** What she confirmed, under the key that stands for it until its outcome is known. */
interface Attempt {
  readonly key: string
  readonly session: string | null
  sending: boolean
}

type Step =
  | { name: 'confirm' | 'sending' }
  | { name: 'unsure'; why: string }
  | { name: 'refused'; why: string }
  | { name: 'done'; redemption: Redemption; benefits: Benefit[] }

/** What became of what she confirmed: a redemption, or why there is none. */
export interface Outcome {
  reward: Reward
  redemption: Redemption | undefined
  /** What she has not read, because the dialog was closed meanwhile. */
  unread: string
}

/**
 * Asks whether a reward is really wanted, takes it, and shows what came of it.
 *
 * A key is made when she confirms, and kept over every repeat until the service has said what became of it: also where the
 * dialog is closed and opened again. So nothing is taken twice.
 */
@customElement('engagement-redeeming')
export class Redeeming extends LitElement {
  @property({ attribute: false }) connection: Connection | undefined
  /** Whose purse it is, and what is asked about; both as they are by now. */
  @property({ attribute: false }) member = ''
  @property({ attribute: false }) reward: Reward | undefined
  @property({ attribute: false }) speech!: Speech
  @property({ attribute: false }) unit = ''
  @property({ attribute: false }) balance = 0
  @property({ attribute: false }) picture: string | undefined
  @state() private step: Step = { name: 'confirm' }
  @state() private session: string | null = null
  readonly #open = new Map<string, Attempt>()

  /** Ask about the reward; about one whose outcome is open, whether to go on. */
  show(): void {
    const { reward } = this
    if (!reward) return
    const attempt = this.#open.get(this.#name(reward))
    this.session = attempt ? attempt.session : (reward.sessions.find((each) => !each.blockedReason)?.key ?? null)
    if (!attempt) this.step = { name: 'confirm' }
    else this.step = attempt.sending ? { name: 'sending' } : { name: 'unsure', why: this.speech.words.unsureWhy }
    void this.updateComplete.then(() => {
      if (!this.#dialog?.open) this.#dialog?.showModal()
      this.#focus()
    })
  }

  hide(): void {
    this.#dialog?.close()
  }

  /** What is open is hers, and of this reward. */
  #name(reward: Reward): string {
    return `${this.member}\n${reward.key}`
  }

  get #dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog')
  }

  #focus(): void {
    this.renderRoot.querySelector<HTMLElement>('h2')?.focus()
  }

  protected override updated(changed: PropertyValues): void {
    // What is new is read from its beginning.
    if (changed.has('step') && this.step.name !== 'sending' && this.#dialog?.open) this.#focus()
  }

  async #take(reward: Reward): Promise<void> {
    const { connection } = this
    const name = this.#name(reward)
    const attempt = this.#open.get(name) ?? { key: fresh(), session: this.session, sending: false }
    if (!connection || attempt.sending) return
    this.#open.set(name, attempt)
    attempt.sending = true
    this.step = { name: 'sending' }
    const step = await this.#sent(connection, reward, attempt)
    attempt.sending = false
    if (step.name !== 'unsure') this.#open.delete(name)
    const shown = this.#dialog?.open === true && this.reward !== undefined && this.#name(this.reward) === name
    if (shown) this.step = step
    const detail: Outcome = {
      reward,
      redemption: step.name === 'done' ? step.redemption : undefined,
      unread: !shown && 'why' in step ? step.why : '',
    }
    this.dispatchEvent(new CustomEvent('outcome', { detail }))
  }

  async #sent(connection: Connection, reward: Reward, attempt: Attempt): Promise<Step> {
    const { words } = this.speech
    const input = { reward: reward.key, session: attempt.session, idempotencyKey: attempt.key }
    for (const wait of [...WAITS_MS, undefined]) {
      try {
        const { redeemReward: answer } = await connection.send<{ redeemReward: RedeemAnswer }>(REDEEM, { input })
        if (answer.__typename !== 'TryAgainError') return this.#stepOf(answer)
      } catch (error) {
        if (error instanceof Refused && !error.retryable) {
          // Before anybody looked at what is wanted: an earlier attempt may still have been heard.
          return { name: 'unsure', why: error.code === 'UNAUTHENTICATED' ? words.signedOut : error.message }
        }
      }
      if (wait !== undefined) await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())))
    }
    return { name: 'unsure', why: words.unsureWhy }
  }

  #stepOf(answer: Exclude<RedeemAnswer, { __typename: 'TryAgainError' }>): Step {
    const { words } = this.speech
    switch (answer.__typename) {
      case 'RedemptionSuccess':
        return { name: 'done', redemption: answer.redemption, benefits: answer.benefits }
      case 'RewardRefusedError':
        if (answer.reason === 'NOT_ENOUGH_POINTS') return { name: 'refused', why: words.otherwise }
        return { name: 'refused', why: `${words.reasons[answer.reason] ?? words.refused}. ${words.otherwise}` }
      case 'NotEnoughPointsError':
        return { name: 'refused', why: words.shortNow(this.speech.number(answer.missing), this.unit) }
      case 'NotFoundError':
        return { name: 'refused', why: words.gone }
      default:
        return { name: 'refused', why: `${answer.message} ${words.otherwise}` }
    }
  }

  #closed(): void {
    this.dispatchEvent(new CustomEvent('closed', { detail: this.reward?.key }))
  }

  protected override render(): TemplateResult {
    const { reward, step } = this
    return html`<dialog
      aria-labelledby="asked"
      aria-describedby=${step.name === 'confirm' || step.name === 'sending' ? 'what' : 'outcome'}
      @close=${() => this.#closed()}
      @click=${(event: Event) => event.target === this.#dialog && this.hide()}
    >
      ${reward ? html`<div class="sheet">${this.#shown(reward, step)}</div>` : nothing}
    </dialog>`
  }

  #shown(reward: Reward, step: Step): TemplateResult {
    if (step.name === 'done') return this.#done(reward, step.redemption, step.benefits)
    if (step.name === 'unsure' || step.name === 'refused') return this.#trouble(reward, step)
    return this.#question(reward, step.name === 'sending')
  }

  #question(reward: Reward, sending: boolean): TemplateResult {
    const { words } = this.speech
    const points = reward.price?.points ?? 0
    const price = reward.price ? `${this.speech.number(points)} ${this.unit}` : words.free
    return html`
      ${this.picture ? html`<img src=${this.picture} alt="" />` : nothing}
      <h2 id="asked" tabindex="-1">${reward.name}</h2>
      <p id="what" class="muted">${reward.description}</p>
      ${reward.sessions.length ? this.#sessions(reward, sending) : nothing}
      <dl>
        <div><dt>${words.costs}</dt><dd>${price}</dd></div>
        ${reward.price
          ? html`<div><dt>${words.leaves}</dt><dd>${this.speech.number(Math.max(0, this.balance - points))} ${this.unit}</dd></div>`
          : nothing}
      </dl>
      <div class="ways">
        <button class="main" aria-disabled=${sending} @click=${() => !sending && void this.#take(reward)}>
          ${sending ? words.sending : words.confirm(reward.kind, price)}
        </button>
        <button @click=${() => this.hide()}>${sending ? words.close : words.notNow}</button>
      </div>
    `
  }

  #sessions(reward: Reward, sending: boolean): TemplateResult {
    const { words } = this.speech
    return html`<fieldset ?disabled=${sending}>
      <legend>${words.date}</legend>
      ${reward.sessions.map(
        (each) => html`<label class=${each.blockedReason ? 'blocked' : ''}>
          <input
            type="radio"
            name="session"
            .checked=${each.key === this.session}
            ?disabled=${each.blockedReason !== null}
            @change=${() => (this.session = each.key)}
          />
          <span>${this.speech.moment(each.startsAt)}</span>
          <span class="muted">
            ${each.blockedReason && each.blockedReason !== 'NOT_ENOUGH_POINTS'
              ? words.reasons[each.blockedReason]
              : words.places(this.speech.number(each.left))}
          </span>
        </label>`,
      )}
    </fieldset>`
  }

  #trouble(reward: Reward, step: { name: 'unsure' | 'refused'; why: string }): TemplateResult {
    const { words } = this.speech
    const unsure = step.name === 'unsure'
    return html`
      <h2 id="asked" tabindex="-1">${unsure ? words.unsure : words.refused}</h2>
      <p id="outcome" class="why" role="alert">${step.why}</p>
      <div class="ways">
        ${unsure ? html`<button class="main" @click=${() => void this.#take(reward)}>${words.tryAgain}</button>` : nothing}
        <button @click=${() => this.hide()}>${words.close}</button>
      </div>
    `
  }

  #done(reward: Reward, redemption: Redemption, benefits: Benefit[]): TemplateResult {
    const { words } = this.speech
    const session = reward.sessions.find(({ key }) => key === redemption.session)
    return html`
      <p class="tick" aria-hidden="true">✓</p>
      <h2 id="asked" tabindex="-1">${words.done(reward.kind)}</h2>
      <p id="outcome">${reward.name}${session ? html`, ${this.speech.moment(session.startsAt)}` : nothing}</p>
      ${benefits.map((each) =>
        each.code
          ? html`<div class="big">${code(each.code, this.speech)}</div>`
          : html`<p class="muted">${each.sort === 'DRAW' ? words.entries(each.count) : each.name}</p>`,
      )}
      <p class="muted">
        ${redemption.usableUntil && !session ? html`${words.had.ISSUED}, ${words.until(this.speech.lastDay(redemption.usableUntil))}. ` : nothing}
        ${words.find}
      </p>
      <div class="ways"><button class="main" @click=${() => this.hide()}>${words.close}</button></div>
    `
  }

  static override styles = [shared, controls, styles]
}

/** A key that nobody else makes. Pages without HTTPS have no `randomUUID`. */
export function fresh(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, '0')).join('')
}
