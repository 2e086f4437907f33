import { html, type TemplateResult } from 'lit'
import type { Speech } from './shop-words.ts'

const SAID_MS = 2_500

/** A code to be read out, with a button that copies it. */
export function code(text: string, { words }: Speech): TemplateResult {
  return html`<span class="code">
    <span class="unseen">${words.code}</span><code>${text}</code>
    <button
      class="copy"
      aria-live="polite"
      .textContent=${words.copy}
      @click=${(event: Event) => void copy(text, event.currentTarget as HTMLElement, words)}
    ></button>
  </span>`
}

async function copy(text: string, button: HTMLElement, words: Speech['words']): Promise<void> {
  let said = words.copied
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // Not allowed here, or a page without HTTPS.
    said = words.notCopied
  }
  button.textContent = said
  setTimeout(() => (button.textContent = words.copy), SAID_MS)
}
