import { css, html, nothing, type PropertyValues, type TemplateResult } from 'lit'
import { customElement, property, state } from 'lit/decorators.js'
import { repeat } from 'lit/directives/repeat.js'
import type { Connection } from './connection.ts'
import './count.ts'
import { BOARD_UPDATES, type Board, type Entry } from './documents.ts'
import { shared } from './styles.ts'
import { Widget, number, still } from './widget.ts'

const MOVE_MS = 450
const STANDING = { OPEN: '', PROVISIONAL: ', provisional', FINAL: ', final' } as const

/**
 * The top of a leaderboard, live.
 *
 * Attributes beside a widget's own: `board` (its key), `first` (how many places, at most 100), `highlight` (members' ids, apart
 * by spaces), `unit` (what is counted).
 */
@customElement('engagement-leaderboard')
export class LeaderboardWidget extends Widget {
  @property() board = ''
  @property({ type: Number }) first = 10
  @property() highlight = ''
  @property() unit = 'points'
  @state() private shown: Board | undefined
  #tops = new Map<string, number>()

  protected override get sources(): readonly string[] {
    return [...super.sources, 'board', 'first']
  }

  protected override start(connection: Connection): () => void {
    this.shown = undefined
    return connection.follow<{ leaderboardUpdates: Board }>(BOARD_UPDATES, {
      variables: () => ({ key: this.board, first: this.first }),
      status: (status) => (this.status = status),
      next: ({ leaderboardUpdates: found }) => {
        const before = this.shown?.entries[0]?.member
        const leader = found.entries[0]
        if (before && leader && before !== leader.member) {
          this.announce(`${leader.alias ?? leader.member} leads with ${number(leader.score)} ${this.unit}.`)
        }
        this.shown = found
        this.dispatchEvent(new CustomEvent('engagement-board', { detail: found, bubbles: true, composed: true }))
      },
    })
  }

  protected override willUpdate(changed: PropertyValues): void {
    // Where each row stands before it moves.
    if (changed.has('shown')) this.#tops = new Map(this.#rows().map((row) => [row.dataset['member'] ?? '', row.offsetTop]))
  }

  protected override updated(changed: PropertyValues): void {
    super.updated(changed)
    if (!changed.has('shown') || still() || document.hidden || !this.#tops.size) return
    for (const row of this.#rows()) {
      const before = this.#tops.get(row.dataset['member'] ?? '')
      const way = before === undefined ? 24 : before - row.offsetTop
      if (!way) continue
      row.animate(
        [{ transform: `translateY(${way}px)`, opacity: before === undefined ? 0 : 1 }, { transform: 'none', opacity: 1 }],
        { duration: MOVE_MS, easing: 'cubic-bezier(.2,.7,.2,1)' },
      )
    }
  }

  #rows(): HTMLElement[] {
    return [...this.renderRoot.querySelectorAll<HTMLElement>('li[data-member]')]
  }

  protected override render(): TemplateResult {
    const entries = this.shown?.entries
    return html`<section aria-labelledby="title" aria-busy=${this.status === 'loading'}>
      <header>
        <div>
          <h2 id="title">${this.label || this.shown?.name || 'Leaderboard'}</h2>
          <p class="muted">${this.shown ? `${number(this.shown.total)} members${STANDING[this.shown.state]}` : html`&nbsp;`}</p>
        </div>
        ${this.pill()}
      </header>
      ${entries === undefined ? this.#bones() : entries.length ? this.#list(entries) : this.#nobody()} ${this.voice()}
    </section>`
  }

  #list(entries: Entry[]): TemplateResult {
    const best = Math.max(entries[0]?.score ?? 0, 1)
    const marked = new Set(this.highlight.split(/\s+/))
    return html`<ol>
      ${repeat(
        entries,
        (each) => each.member,
        (each) => html`<li
          data-member=${each.member}
          class=${marked.has(each.member) ? 'marked' : nothing}
          part="entry"
        >
          <span class="rank" data-rank=${each.rank}><span class="unseen">Rank</span> ${each.rank}</span>
          <span class="who">${each.alias ?? each.member}${marked.has(each.member) ? html`<span class="unseen">, shown here</span>` : nothing}</span>
          <span class="score"
            ><engagement-count aria-hidden="true" .value=${each.score}></engagement-count
            ><span class="unseen">${number(each.score)} ${this.unit}</span></span
          >
          <span class="bar" aria-hidden="true"><i .style=${`width:${(100 * Math.max(each.score, 0)) / best}%`}></i></span>
        </li>`,
      )}
    </ol>`
  }

  #nobody(): TemplateResult {
    if (this.shown?.withheld) return html`<p class="nobody muted">Too few take part yet for places to be shown.</p>`
    return html`<p class="nobody muted">Nobody has scored yet. The first to do so will stand here.</p>`
  }

  #bones(): TemplateResult {
    if (this.status === 'failed') return html`<p class="nobody muted">This leaderboard cannot be shown.</p>`
    return html`<ol aria-hidden="true">
      ${Array.from({ length: Math.min(this.first, 10) }, () => html`<li><span class="bone line"></span></li>`)}
    </ol>`
  }

  static override styles = [
    shared,
    css`
      section {
        padding: 20px 12px 12px;
      }
      header {
        padding: 0 8px 12px;
      }
      li {
        display: grid;
        grid-template-columns: 36px minmax(0, 1fr) auto;
        gap: 2px 10px;
        align-items: center;
        padding: 8px;
        border-radius: calc(var(--radius) - 6px);
        background: var(--surface);
      }
      li.marked {
        background: var(--accent-soft);
      }
      li + li {
        margin-top: 2px;
      }
      .rank {
        grid-row: span 2;
        display: grid;
        place-items: center;
        width: 30px;
        height: 30px;
        border-radius: 50%;
        background: var(--track);
        color: var(--muted);
        font-size: 13px;
        font-weight: 650;
      }
      .marked .rank {
        background: var(--surface);
        color: var(--text);
      }
      .rank[data-rank='1'] {
        background: var(--accent);
        color: var(--on-accent);
      }
      .rank[data-rank='2'],
      .rank[data-rank='3'] {
        background: color-mix(in oklab, var(--accent) 18%, var(--surface));
        color: var(--text);
      }
      .who {
        font-weight: 550;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .score {
        font-weight: 650;
        font-variant-numeric: tabular-nums;
      }
      .bar {
        grid-column: 2 / -1;
        height: 4px;
      }
      .marked .bar {
        background: color-mix(in oklab, var(--accent) 16%, var(--surface));
      }
      .nobody {
        padding: 24px 8px;
      }
      .line {
        grid-column: 1 / -1;
        height: 34px;
      }
    `,
  ]
}
