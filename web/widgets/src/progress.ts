import { css, html, nothing, svg, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import type { Connection } from './connection.ts'
import './count.ts'
import { ME, MEMBER_UPDATES, type Effect, type Screen, type Update } from './documents.ts'
import { shared } from './styles.ts'
import { Widget, number } from './widget.ts'

/** Items that come close together are shown by one reading of the member's screen. */
const GATHER_MS = 250
const AGAIN_MS = 2_000
const NEWS_MS = 4_000

const PERIODS = { DAY: ['day', 'days'], WEEK: ['week', 'weeks'], MONTH: ['month', 'months'] } as const

/**
 * A member's points, streaks and challenges, live.
 *
 * It follows her feed by cursor: what happened while the connection was lost comes when it is back, in order. Attributes beside
 * a widget's own: `currency` (the key of the one to show; all of them where left out).
 */
@customElement('engagement-progress')
export class ProgressWidget extends Widget {
  @property() currency = ''
  @state() private screen: Screen | undefined
  @state() private unknown = false
  @state() private news = ''
  #cursor: string | null = null
  #forgetting = 0

  protected override start(connection: Connection): () => void {
    let reading = 0
    let stopped = false
    this.#cursor = null
    this.screen = undefined
    const read = () => {
      reading = 0
      connection.ask<{ me: Screen }>(ME).then(
        ({ me }) => {
          if (!stopped) this.#show(me)
        },
        // The connection broke, or the service cannot tell for the moment.
        () => {
          if (!stopped) reading ||= window.setTimeout(read, AGAIN_MS)
        },
      )
    }
    const stop = connection.follow<{ memberUpdates: Update }>(MEMBER_UPDATES, {
      variables: () => ({ after: this.#cursor }),
      status: (status) => {
        const back = this.status === 'reconnecting' && status === 'live'
        this.status = status
        if (back) reading ||= window.setTimeout(read, GATHER_MS)
      },
      // Nothing of her was recorded yet: that changes with her first event.
      patient: (code) => code === 'MEMBER_NOT_FOUND' && (this.unknown = true),
      next: ({ memberUpdates: update }) => {
        this.#cursor = update.cursor
        if (update.__typename === 'Reset') this.#show(update.member)
        if (update.__typename !== 'ActivityItem') return
        this.#tell(update.effects)
        reading ||= window.setTimeout(read, GATHER_MS)
      },
    })
    return () => {
      stopped = true
      clearTimeout(reading)
      clearTimeout(this.#forgetting)
      stop()
    }
  }

  #show(screen: Screen): void {
    this.unknown = false
    this.screen = screen
    this.dispatchEvent(new CustomEvent('engagement-screen', { detail: screen, bubbles: true, composed: true }))
  }

  #tell(effects: Effect[]): void {
    const words = this.#words(effects)
    if (!words) return
    this.news = words
    this.announce(`${this.#name()}: ${words}`)
    clearTimeout(this.#forgetting)
    this.#forgetting = window.setTimeout(() => (this.news = ''), NEWS_MS)
  }

  /** The best of what came of an event, in a few words. */
  #words(effects: Effect[]): string {
    const earned = new Map<string, number>()
    for (const each of effects) {
      if (each.__typename === 'ChallengeCompleted') {
        const challenge = this.screen?.challenges.find(({ key }) => key === each.challenge)
        return `Challenge completed: ${challenge?.name ?? each.challenge}`
      }
      if (each.__typename === 'BadgeAwarded') return `New badge: ${each.name}`
      if (each.__typename === 'PointsEarned') earned.set(each.currency, (earned.get(each.currency) ?? 0) + each.points)
    }
    return this.#wallets()
      .flatMap(({ currency, name }) => (earned.get(currency) ? [`+${number(earned.get(currency) ?? 0)} ${name.toLocaleLowerCase()}`] : []))
      .join(', ')
  }

  #name(): string {
    return this.label || this.screen?.externalId || 'Progress'
  }

  #wallets(): Screen['wallets'] {
    return this.screen?.wallets.filter(({ currency }) => !this.currency || currency === this.currency) ?? []
  }

  protected override render(): TemplateResult {
    const level = this.screen?.badges.map((badge) => badge.levels.find(({ key }) => key === badge.level)?.name).find(Boolean)
    return html`<section aria-labelledby="title" aria-busy=${this.status === 'loading' && !this.unknown}>
      <header>
        <div>
          <h2 id="title">${this.#name()}</h2>
          <p class="muted">${level ?? (this.screen ? 'No badge yet' : html`&nbsp;`)}</p>
        </div>
        ${this.pill()}
      </header>
      ${this.screen ? this.#body(this.screen) : this.#waiting()} ${this.voice()}
    </section>`
  }

  #body(screen: Screen): TemplateResult {
    return html`
      <div class="points">
        ${this.#wallets().map(
          (wallet) => html`<p class="balance">
            <b
              ><engagement-count aria-hidden="true" .value=${wallet.balance}></engagement-count
              ><span class="unseen">${number(wallet.balance)}</span></b
            >
            <span>${wallet.name.toLocaleLowerCase()}</span>
          </p>`,
        )}
        <p class="news" aria-hidden="true">${this.news ? html`<span>${this.news}</span>` : nothing}</p>
      </div>
      ${screen.streaks.length
        ? html`<h3 class="unseen">Streaks</h3>
            <ul class="streaks">${screen.streaks.map((each) => this.#streak(each))}</ul>`
        : nothing}
      ${screen.challenges.length
        ? html`<h3 class="unseen">Challenges</h3>
            <ul class="challenges">${screen.challenges.map((each) => this.#challenge(each, screen.asOf))}</ul>`
        : nothing}
    `
  }

  #streak(streak: Screen['streaks'][number]): TemplateResult {
    const [one, many] = PERIODS[streak.period]
    const state = streak.active ? `this ${one} counted` : streak.current ? `this ${one} still open` : 'not running'
    return html`<li class=${streak.current ? 'running' : ''}>
      ${flame(streak.current > 0)}
      <p><b>${streak.current}</b> ${streak.current === 1 ? one : many}<span class="unseen">, ${streak.name}, ${state}</span></p>
      <p class="muted">best ${streak.longest}</p>
    </li>`
  }

  #challenge(challenge: Screen['challenges'][number], asOf: string): TemplateResult {
    const [objective] = challenge.objectives
    const left = challenge.endsAt && !challenge.completed ? timeLeft(challenge.endsAt, asOf) : ''
    const far = challenge.completed
      ? 'Done'
      : challenge.objectives.length === 1 && objective
        ? `${objective.current} of ${objective.target}`
        : `${Math.round(challenge.fraction * 100)}%`
    return html`<li class=${challenge.completed ? 'done' : ''}>
      <p class="name" id=${`c-${challenge.key}`}>${challenge.name}</p>
      <p class="far">${challenge.completed ? tick : nothing}${far}</p>
      <span
        class="bar"
        role="progressbar"
        aria-labelledby=${`c-${challenge.key}`}
        aria-valuemin="0"
        aria-valuemax="100"
        aria-valuenow=${Math.round(challenge.fraction * 100)}
        aria-valuetext=${far}
        ><i .style=${`width:${challenge.fraction * 100}%`}></i
      ></span>
      ${left ? html`<p class="muted left">${left}</p>` : nothing}
    </li>`
  }

  #waiting(): TemplateResult {
    if (this.status === 'failed') return html`<p class="waiting muted">This cannot be shown.</p>`
    if (this.unknown) return html`<p class="waiting muted">Nothing recorded yet. It begins with the first visit.</p>`
    return html`<div class="bones" aria-hidden="true">
      <span class="bone"></span><span class="bone"></span><span class="bone"></span>
    </div>`
  }

  static override styles = [
    shared,
    css`
      section {
        height: 100%;
        padding: 20px;
      }
      .points {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 20px;
        margin-top: 14px;
        min-height: 48px;
      }
      .balance b {
        font-size: 38px;
        font-weight: 700;
        letter-spacing: -0.03em;
        line-height: 1.1;
        font-variant-numeric: tabular-nums;
      }
      .balance > span {
        color: var(--muted);
      }
      .news {
        min-height: 26px;
        max-width: 100%;
        margin-left: auto;
      }
      .news span {
        display: inline-block;
        padding: 3px 10px;
        border-radius: 99px;
        background: var(--accent);
        color: var(--on-accent);
        font-size: 13px;
        font-weight: 600;
        line-height: 20px;
      }
      .streaks {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(120px, 1fr));
        gap: 8px;
        margin-top: 14px;
      }
      .streaks li {
        display: grid;
        grid-template-columns: 22px 1fr;
        column-gap: 8px;
        align-items: center;
        padding: 10px 12px;
        border-radius: calc(var(--radius) - 6px);
        background: var(--track);
      }
      .streaks svg {
        grid-row: span 2;
        width: 22px;
        height: 22px;
        color: var(--muted);
      }
      .streaks .running {
        background: var(--warm-soft);
      }
      .streaks .running svg {
        color: var(--warm);
      }
      .streaks .muted {
        line-height: 1.3;
        font-size: 12px;
      }
      .streaks b {
        font-size: 17px;
        font-weight: 700;
      }
      .challenges {
        display: grid;
        gap: 14px;
        margin-top: 18px;
      }
      .challenges li {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        gap: 6px 12px;
        align-items: baseline;
      }
      .name {
        font-weight: 550;
        overflow-wrap: anywhere;
      }
      .far {
        display: inline-flex;
        align-items: center;
        gap: 4px;
        color: var(--muted);
        font-size: 13px;
        font-variant-numeric: tabular-nums;
      }
      .done .far {
        color: var(--accent);
        font-weight: 600;
      }
      .far svg {
        width: 14px;
        height: 14px;
      }
      .challenges .bar,
      .left {
        grid-column: 1 / -1;
      }
      .left {
        line-height: 1.2;
        font-size: 12px;
      }
      .waiting {
        padding: 24px 0 8px;
      }
      .bones {
        display: grid;
        gap: 12px;
        margin-top: 16px;
      }
      .bones .bone:nth-child(1) {
        width: 45%;
        height: 40px;
      }
      .bones .bone:nth-child(2) {
        height: 58px;
      }
      .bones .bone:nth-child(3) {
        height: 80px;
      }
      @media (prefers-reduced-motion: no-preference) {
        .news span {
          animation: rise 0.35s cubic-bezier(0.2, 0.7, 0.2, 1);
        }
        @keyframes rise {
          from {
            transform: translateY(8px);
            opacity: 0;
          }
        }
      }
    `,
  ]
}

const flame = (lit: boolean): TemplateResult => html`<svg viewBox="0 0 24 24" aria-hidden="true">
  ${svg`<path d="M12 2.5c.6 3.4-1.2 5-2.8 6.9C7.600 11.200 6 13 6 15.700A6 6 0 0 0 18 15.700c0-2.300-1-4-2.200-5.500-.3 1.500-1 2.400-2.100 2.900C14.400 9.400 14 5.300 12 2.500Z" fill=${lit ? 'currentColor' : 'none'} stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/>`}
</svg>`

const tick = html`<svg viewBox="0 0 16 16" aria-hidden="true">
  ${svg`<path d="m3 8.500 3.200 3.200L13 4.800" fill="none" stroke="currentColor" stroke-width="2.200" stroke-linecap="round" stroke-linejoin="round"/>`}
</svg>`

function timeLeft(ends: string, now: string): string {
  const hours = (Date.parse(ends) - Date.parse(now)) / 3_600_000
  if (hours <= 0) return 'over'
  const [count, unit] = hours >= 48 ? [Math.floor(hours / 24), 'days'] : [Math.max(Math.floor(hours), 1), 'hours']
  return `${count} ${count === 1 ? unit.slice(0, -1) : unit} left`
}
