import { LitElement, type PropertyValues } from 'lit'
import { customElement, property } from 'lit/decorators.js'
import { number, still } from './widget.ts'

const RUN_MS = 600

/** A number that runs to its new value, unless less motion is asked for. Its text is the true value for screen readers. */
@customElement('engagement-count')
export class Count extends LitElement {
  @property({ type: Number }) value = 0
  /** How it is written; as the browser does where left out. */
  @property({ attribute: false }) locale: string | undefined
  #shown: number | undefined
  #frame = 0

  protected override createRenderRoot(): HTMLElement {
    return this
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    cancelAnimationFrame(this.#frame)
    this.#shown = undefined
  }

  protected override updated(changed: PropertyValues): void {
    if (!changed.has('value')) return
    cancelAnimationFrame(this.#frame)
    const from = this.#shown
    if (from === undefined || still() || document.hidden) this.#show(this.value)
    else this.#run(from, performance.now())
  }

  #run(from: number, began: number): void {
    this.#frame = requestAnimationFrame((now) => {
      const part = Math.min(Math.max((now - began) / RUN_MS, 0), 1)
      const eased = 1 - (1 - part) ** 3
      this.#show(part === 1 ? this.value : Math.round(from + (this.value - from) * eased))
      if (part < 1) this.#run(from, began)
    })
  }

  #show(value: number): void {
    this.#shown = value
    this.textContent = number(value, this.locale)
  }
}
