import { html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, query, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import { code } from './code.ts'
import type { Connection } from './connection.ts'
import './count.ts'
import { holdings, type Holding } from './holdings.ts'
import { bar, gift } from './pictures.ts'
import { readShop, type Shop } from './reading.ts'
import { fresh, type Outcome, type Redeeming } from './redeeming.ts'
import './redeeming.ts'
import { CLEAR_GOAL, SET_GOAL, SHOP_UPDATES, type GoalAnswer, type Reward } from './shop-documents.ts'
import { styles } from './shop-styles.ts'
import { named, speech, type Speech } from './shop-words.ts'
import { controls, shared } from './styles.ts'
import { Widget } from './widget.ts'

/** What comes close together is shown by one reading. */
const GATHER_MS = 250
const AGAIN_MS = 2_000
/** So few are left that it is worth saying. */
const FEW = 10
const FIRST_HOLDINGS = 4

/**
 * What a member can have for her points, live: the shelf, what she saves towards, and what she has.
 *
 * Attributes beside a widget's own: `locale` (whose words; those of the page where left out; its own words it has in English and
 * German). Property: `categories`, names by key, where a key would not do. Tells `engagement-redeemed` when she took something.
 */
@customElement('engagement-shop')
export class ShopWidget extends Widget {
  @property() locale = ''
  @property({ attribute: false }) categories: Record<string, string> = {}
  @state() private shop: Shop | undefined
  @state() private unknown = false
  @state() private trouble = ''
  @state() private whole = false
  @state() private broken = new Set<string>()
  @state() private asked: Reward | undefined
  @query('engagement-redeeming') private redeeming!: Redeeming
  #speech: Speech = speech([], 'UTC')
  #connection: Connection | undefined
  /** Whose shop was shown last. */
  #member = ''
  /** The reward on whose part of the shelf the focus was before an update. */
  #held: string | undefined
  #read: () => void = () => undefined

  protected override get sources(): readonly string[] {
    return [...super.sources, 'locale']
  }

  protected override get states(): Speech['words']['states'] {
    return this.#speech.words.states
  }

  get #locale(): string {
    const page = document.documentElement.lang
    // Of her own region where that speaks the language of the page.
    return this.locale || (page && !navigator.language.startsWith(page) ? page : navigator.language)
  }

  protected override start(connection: Connection): () => void {
    let cursor: string | null = null
    let waiting = 0
    let readings = 0
    let stopped = false
    this.#connection = connection
    this.shop = undefined
    this.trouble = ''
    this.whole = false
    const read = () => {
      waiting = 0
      const reading = ++readings
      // Of two readings that overtake one another the later one counts.
      const current = () => !stopped && reading === readings
      readShop(connection, this.#locale).then(
        (found) => current() && this.#show(found),
        () => {
          if (current()) waiting ||= window.setTimeout(read, AGAIN_MS)
        },
      )
    }
    this.#read = () => {
      if (!stopped) waiting ||= window.setTimeout(read, GATHER_MS)
    }
    // What others take is not told: it is looked at when she comes back to the page.
    const seen = () => document.visibilityState === 'visible' && this.shop && this.#read()
    document.addEventListener('visibilitychange', seen)
    const leave = connection.follow<{ memberUpdates: { __typename: string; cursor: string } }>(SHOP_UPDATES, {
      variables: () => ({ after: cursor }),
      status: (status) => {
        const back = this.status === 'reconnecting' && status === 'live'
        this.status = status
        if (back) this.#read()
      },
      patient: (code) => code === 'MEMBER_NOT_FOUND' && (this.unknown = true),
      next: ({ memberUpdates: update }) => {
        cursor = update.cursor
        if (update.__typename === 'Reset') read()
        else if (update.__typename === 'ActivityItem') this.#read()
      },
    })
    return () => {
      stopped = true
      clearTimeout(waiting)
      document.removeEventListener('visibilitychange', seen)
      leave()
    }
  }

  #show(shop: Shop): void {
    this.unknown = false
    this.shop = shop
    if (this.#member && this.#member !== shop.member) {
      this.redeeming.hide()
      this.asked = undefined
    }
    this.#member = shop.member
    if (this.asked) this.asked = shop.rewards.find(({ key }) => key === this.asked?.key) ?? this.asked
  }

  protected override willUpdate(changed: PropertyValues): void {
    this.#held = this.shadowRoot?.activeElement?.closest<HTMLElement>('li[data-reward]')?.dataset['reward']
    if (!this.hasUpdated || changed.has('locale') || changed.has('shop')) {
      this.#speech = speech([this.#locale], this.shop?.timezone ?? 'UTC')
    }
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed)
    // A button that she was on may be gone with what it was for.
    if (this.#held && !this.shadowRoot?.activeElement) this.#focus(this.#held)
  }

  #focus(reward: string | undefined): void {
    this.renderRoot.querySelector<HTMLElement>(`li[data-reward="${CSS.escape(reward ?? '')}"] h4`)?.focus()
  }

  #unit(currency: string | undefined): string {
    return this.#speech.unit(this.shop?.wallets.find((each) => each.currency === currency)?.name ?? currency ?? '')
  }

  #balance(currency: string | undefined): number {
    return this.shop?.wallets.find((each) => each.currency === currency)?.balance ?? 0
  }

  #points(points: number, currency: string): string {
    return `${this.#speech.number(points)} ${this.#unit(currency)}`
  }

  #picture(reward: Reward): string | undefined {
    if (!reward.image || this.broken.has(reward.image)) return undefined
    const from = this.#connection?.endpoint
    return URL.canParse(reward.image, from) ? new URL(reward.image, from).href : undefined
  }

  #ask(reward: Reward): void {
    this.asked = reward
    this.trouble = ''
    void this.updateComplete.then(() => this.redeeming.show())
  }

  #heard({ reward, redemption, unread }: Outcome): void {
    if (unread) this.trouble = `${reward.name}: ${unread}`
    if (redemption) {
      this.announce(this.#speech.words.redeemed(reward.name))
      const detail = { reward: reward.key, redemption: redemption.id }
      this.dispatchEvent(new CustomEvent('engagement-redeemed', { detail, bubbles: true, composed: true }))
    }
    this.#read()
  }

  /** Where the button that asked is gone, what it belonged to is next. */
  #closed(reward: string | undefined): void {
    if (!(this.shadowRoot?.activeElement instanceof HTMLButtonElement)) this.#focus(reward)
  }

  async #save(reward: Reward | null): Promise<void> {
    const connection = this.#connection
    if (!connection || !this.shop) return
    const { words } = this.#speech
    const idempotencyKey = fresh()
    const input = reward ? { reward: reward.key, idempotencyKey } : { idempotencyKey }
    try {
      const answer = await connection.send<Record<string, GoalAnswer>>(reward ? SET_GOAL : CLEAR_GOAL, { input })
      if (Object.values(answer)[0]?.__typename !== 'GoalSuccess') throw new Error('Not done.')
      if (connection !== this.#connection) return
      this.trouble = ''
      this.shop = { ...this.shop, goal: reward?.key ?? null }
      this.announce(reward ? words.nowSaving(reward.name) : words.stoppedSaving)
      // The button that was pressed is gone: its place is taken by what it did.
      await this.updateComplete
      this.renderRoot.querySelector<HTMLElement>(reward ? '.goal h3' : 'h2')?.focus()
    } catch {
      if (connection === this.#connection) this.trouble = words.notChanged
    }
    this.#read()
  }

  protected override render(): TemplateResult {
    const { words } = this.#speech
    const { asked, shop } = this
    return html`<section
      aria-labelledby="title"
      aria-busy=${this.status === 'loading' && !this.unknown}
      lang=${this.#speech.locale}
    >
      <header>
        <div>
          <h2 id="title" tabindex="-1">${this.label || words.shop}</h2>
          ${shop ? this.#balances(shop) : html`<p class="muted">&nbsp;</p>`}
        </div>
        ${this.pill()}
      </header>
      ${this.trouble ? html`<p class="trouble" role="alert">${this.trouble}</p>` : nothing}
      ${shop ? this.#body(shop) : this.#waiting()} ${this.voice()}
      <engagement-redeeming
        .connection=${shop && this.#connection}
        .member=${shop?.member ?? this.#member}
        .reward=${asked}
        .speech=${this.#speech}
        .unit=${this.#unit(asked?.price?.currency)}
        .balance=${this.#balance(asked?.price?.currency)}
        .picture=${asked && this.#picture(asked)}
        @outcome=${(event: CustomEvent<Outcome>) => this.#heard(event.detail)}
        @closed=${(event: CustomEvent<string | undefined>) => this.#closed(event.detail)}
      ></engagement-redeeming>
    </section>`
  }

  #balances({ wallets, rewards }: Shop): TemplateResult {
    const used = new Set(rewards.map(({ price }) => price?.currency))
    return html`<p class="balance">
      ${this.#speech.words.balance}
      ${wallets
        .filter(({ currency }) => used.has(currency))
        .map(
          ({ currency, balance }, position) => html`${position ? ', ' : ''}<b
              ><engagement-count aria-hidden="true" .locale=${this.#speech.locale} .value=${balance}></engagement-count
              ><span class="unseen">${this.#speech.number(balance)}</span></b
            >
            ${this.#unit(currency)}`,
        )}
    </p>`
  }

  #body(shop: Shop): TemplateResult {
    const { words } = this.#speech
    if (!shop.rewards.length) return html`<p class="muted waiting">${words.empty}</p>${this.#mine(shop)}`
    const shelves = new Map<string, Reward[]>()
    for (const each of shop.rewards) {
      const category = each.category ?? ''
      shelves.set(category, [...(shelves.get(category) ?? []), each])
    }
    // Those without a category come last.
    const ordered = [...shelves].sort(([one], [other]) => Number(!one) - Number(!other))
    return html`
      ${shop.goal === null ? nothing : this.#goal(shop, shop.goal)}
      ${ordered.map(
        ([category, rewards]) => html`<h3>${category ? this.#category(category) : words.others}</h3>
          <ul class="shelf">
            ${repeat(
              rewards.sort((one, other) => (one.price?.points ?? 0) - (other.price?.points ?? 0)),
              ({ key }) => key,
              (each) => this.#card(each, shop),
            )}
          </ul>`,
      )}
      ${this.#mine(shop)}
    `
  }

  #category(key: string): string {
    return (Object.hasOwn(this.categories, key) && this.categories[key]) || named(key)
  }

  #goal(shop: Shop, goal: string): TemplateResult {
    const { words } = this.#speech
    const reward = shop.rewards.find(({ key }) => key === goal)
    const { price } = reward ?? {}
    const far = price ? words.ofPrice(this.#speech.number(this.#balance(price.currency)), this.#points(price.points, price.currency)) : ''
    return html`<div class="goal">
      <h3 tabindex="-1">${words.goal} <b>${reward?.name ?? named(goal)}</b></h3>
      ${reward?.progress ? bar(reward.progress.fraction, reward.name, far) : nothing}
      <p class="muted">${reward?.canRedeem ? words.goalReached : far}</p>
      <p class="ways">
        ${reward?.canRedeem
          ? html`<button class="main" aria-label=${words.redeemName(reward.name)} @click=${() => this.#ask(reward)}>${words.redeem}</button>`
          : nothing}
        <button class="quiet" @click=${() => void this.#save(null)}>${words.stopSaving}</button>
      </p>
    </div>`
  }

  #card(reward: Reward, shop: Shop): TemplateResult {
    const { words } = this.#speech
    const picture = this.#picture(reward)
    return html`<li class=${reward.canRedeem ? '' : 'closed'} data-reward=${reward.key} part="reward">
      <div class="picture">
        ${picture
          ? html`<img src=${picture} alt="" loading="lazy" @error=${() => (this.broken = new Set([...this.broken, reward.image ?? '']))} />`
          : gift}
      </div>
      <div class="what">
        <h4 tabindex="-1">${reward.name}</h4>
        ${reward.description ? html`<p class="muted">${reward.description}</p>` : nothing}
      </div>
      <div class="how">
        <p class="price">
          ${this.#price(reward)}
          ${reward.left !== null && reward.left > 0 && reward.left <= FEW
            ? html`<span class="few">${words.onlyLeft(this.#speech.number(reward.left))}</span>`
            : nothing}
        </p>
        ${reward.canRedeem
          ? html`<button class="main" aria-label=${words.redeemName(reward.name)} @click=${() => this.#ask(reward)}>${words.redeem}</button>`
          : this.#blocked(reward, shop)}
      </div>
    </li>`
  }

  #price({ price, fullPrice }: Reward): TemplateResult {
    const { words } = this.#speech
    if (!price) return html`<b>${words.free}</b>`
    const lower = fullPrice && fullPrice.points > price.points
    return html`<b>${this.#points(price.points, price.currency)}</b>${lower
        ? html` <s><span class="unseen">${words.insteadOf}</span>${this.#speech.number(fullPrice.points)}</s>
            <span class="yours">${words.yourPrice}</span>`
        : nothing}`
  }

  #blocked(reward: Reward, shop: Shop): TemplateResult {
    const { words } = this.#speech
    const reason = reward.blockedReasons.find((each) => each !== 'NOT_ENOUGH_POINTS')
    if (reason) return html`<p class="reason">${words.reasons[reason]}</p>`
    const { price, progress } = reward
    const far = words.toGo(this.#speech.number(reward.missing), this.#unit(price?.currency))
    return html`
      ${bar(progress?.fraction ?? 0, reward.name, far)}
      <p class="missing muted">${far}</p>
      ${shop.goal === reward.key
        ? html`<p class="saving">${words.saving}</p>`
        : html`<button aria-label=${words.saveFor(reward.name)} @click=${() => void this.#save(reward)}>${words.save}</button>`}
    `
  }

  #mine({ redemptions, benefits, rewards }: Shop): TemplateResult {
    const { words } = this.#speech
    const all = holdings(redemptions, benefits, rewards, this.#speech)
    const shown = this.whole ? all : all.slice(0, FIRST_HOLDINGS)
    return html`<h3 id="mine">${words.mine}</h3>
      ${all.length
        ? html`<ul class="mine" aria-labelledby="mine">
            ${repeat(shown, ({ id }) => id, (each) => this.#holding(each))}
          </ul>`
        : html`<p class="muted">${words.noneOfMine}</p>`}
      ${all.length > FIRST_HOLDINGS
        ? html`<button class="quiet" aria-expanded=${this.whole} @click=${() => (this.whole = !this.whole)}>
            ${this.whole ? words.fewer : words.all(this.#speech.number(all.length))}
          </button>`
        : nothing}`
  }

  #holding(each: Holding): TemplateResult {
    return html`<li class=${each.fresh ? '' : 'over'} part="holding">
      <p><b>${each.name}</b></p>
      <p class="muted">${each.state}</p>
      ${each.code ? code(each.code, this.#speech) : nothing}
    </li>`
  }

  #waiting(): TemplateResult {
    const { words } = this.#speech
    if (this.status === 'failed') return html`<p class="waiting muted">${words.unavailable}</p>`
    if (this.unknown) return html`<p class="waiting muted">${words.nothingYet}</p>`
    return html`<div class="shelf" aria-hidden="true">${Array.from({ length: 4 }, () => html`<span class="bone"></span>`)}</div>`
  }

  static override styles = [shared, controls, styles]
}
