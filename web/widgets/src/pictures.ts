import { html, svg, type TemplateResult } from 'lit'

/** How far something is, of 0 to 1. */
export function bar(fraction: number, name: string, far: string): TemplateResult {
  const percent = Math.min(100, Math.max(0, fraction * 100))
  return html`<span
    class="bar"
    role="progressbar"
    aria-label=${name}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${Math.floor(percent)}
    aria-valuetext=${far}
    ><i .style=${`width:${percent}%`}></i
  ></span>`
}

/** In place of a picture that a reward has not, or that does not load. */
export const gift = html`<svg viewBox="0 0 24 24" aria-hidden="true">
  ${svg`<path d="M4 11h16v9H4zM3 7h18v4H3zM12 7v13M12 7C9 7 7 6 7 4.500S9.500 2.500 12 7Zm0 0c3 0 5-1 5-2.500S14.500 2.500 12 7Z" fill="none" stroke="currentColor" stroke-width="1.500" stroke-linejoin="round"/>`}
</svg>`
