import { css } from 'lit'

/**
 * What the widgets share. Themed by custom properties, each with a default for light and dark surroundings:
 * --engagement-font, --engagement-surface, --engagement-text, --engagement-muted, --engagement-line, --engagement-track,
 * --engagement-accent, --engagement-accent-soft, --engagement-on-accent, --engagement-warm, --engagement-warm-soft,
 * --engagement-radius, --engagement-shadow. `color-scheme` on the element or above it chooses between light and dark.
 */
export const shared = css`
  :host {
    --font: var(--engagement-font, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif);
    --surface: var(--engagement-surface, light-dark(#ffffff, #1a201d));
    --text: var(--engagement-text, light-dark(#17211c, #eef3ef));
    --muted: var(--engagement-muted, light-dark(#56625b, #a3b0a8));
    --line: var(--engagement-line, light-dark(#e4e8e4, #2d3631));
    --track: var(--engagement-track, light-dark(#e8ede9, #2a332e));
    --accent: var(--engagement-accent, light-dark(#0b7a4b, #4cc38a));
    --accent-soft: var(--engagement-accent-soft, light-dark(#e3f3ea, #173526));
    --on-accent: var(--engagement-on-accent, light-dark(#ffffff, #07140d));
    --warm: var(--engagement-warm, light-dark(#a84b00, #ffb266));
    --warm-soft: var(--engagement-warm-soft, light-dark(#fdf0e2, #3a2a18));
    --radius: var(--engagement-radius, 16px);
    display: block;
    container-type: inline-size;
    color: var(--text);
    font: 400 15px/1.45 var(--font);
    font-feature-settings: 'tnum', 'cv11';
  }
  :host([hidden]) {
    display: none;
  }
  * {
    box-sizing: border-box;
  }
  h2,
  h3,
  p,
  ol,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
    list-style: none;
  }
  section {
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: var(--radius);
    box-shadow: var(--engagement-shadow, 0 1px 2px rgb(16 32 24 / 5%), 0 8px 24px -12px rgb(16 32 24 / 12%));
  }
  header {
    display: flex;
    align-items: center;
    gap: 12px;
  }
  header > :first-child {
    min-width: 0;
    flex: 1;
  }
  h2 {
    font-size: 17px;
    font-weight: 650;
    letter-spacing: -0.01em;
    line-height: 1.3;
    overflow-wrap: anywhere;
  }
  .muted {
    color: var(--muted);
    font-size: 13px;
  }
  .unseen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .status {
    display: inline-flex;
    align-items: center;
    gap: 6px;
    flex: none;
    padding: 3px 10px 3px 8px;
    border-radius: 99px;
    background: var(--track);
    color: var(--muted);
    font-size: 12px;
    font-weight: 550;
    line-height: 18px;
  }
  .status i {
    width: 8px;
    height: 8px;
    border-radius: 50%;
    background: currentColor;
  }
  .status[data-status='live'] {
    background: var(--accent-soft);
    color: var(--accent);
  }
  .status[data-status='reconnecting'],
  .status[data-status='failed'] {
    background: var(--warm-soft);
    color: var(--warm);
  }
  .bar {
    display: block;
    height: 8px;
    border-radius: 99px;
    background: var(--track);
    overflow: hidden;
  }
  .bar > i {
    display: block;
    height: 100%;
    border-radius: inherit;
    background: var(--accent);
    transform-origin: left;
    transition: width 0.5s cubic-bezier(0.2, 0.7, 0.2, 1);
  }
  .bone {
    border-radius: 8px;
    background: var(--track);
  }
  @media (prefers-reduced-motion: no-preference) {
    .status[data-status='live'] i {
      animation: breathe 2.4s ease-in-out infinite;
    }
    .status[data-status='reconnecting'] i,
    .bone {
      animation: breathe 1.1s ease-in-out infinite;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .bar > i {
      transition: none;
    }
  }
  @media (forced-colors: active) {
    .bar {
      border: 1px solid CanvasText;
    }
    .bar > i {
      background: Highlight;
      forced-color-adjust: none;
    }
  }
  @keyframes breathe {
    50% {
      opacity: 0.4;
    }
  }
`

/** Buttons, and codes beside one that copies them. */
export const controls = css`
  button {
    min-height: 44px;
    padding: 8px 16px;
    border: 1px solid var(--line);
    border-radius: 10px;
    background: var(--surface);
    color: var(--text);
    font: inherit;
    font-weight: 550;
    cursor: pointer;
  }
  button:hover {
    background: var(--track);
  }
  button.main {
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
  }
  button.main:hover {
    background: color-mix(in oklab, var(--accent) 88%, var(--text));
  }
  button[aria-disabled='true'] {
    cursor: progress;
  }
  button.quiet {
    border-color: transparent;
    background: none;
    color: var(--accent);
  }
  button:focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  .code {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
  }
  .code code {
    flex: 1 1 max-content;
    max-width: 100%;
    font: 600 14px/1.4 ui-monospace, 'SF Mono', Menlo, Consolas, monospace;
    overflow-wrap: anywhere;
    user-select: all;
  }
  .copy {
    padding: 8px 14px;
  }
`
