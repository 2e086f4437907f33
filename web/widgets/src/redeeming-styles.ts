import { css } from 'lit'

/** A sheet in the middle of a desk, and at the foot of a phone. */
export const styles = css`
  dialog {
    width: min(100vw - 32px, 420px);
    max-height: calc(100dvh - 32px);
    margin: auto;
    padding: 0;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
    color: var(--text);
    overflow: auto;
    overscroll-behavior: contain;
  }
  dialog::backdrop {
    background: rgb(10 20 14 / 55%);
  }
  .sheet {
    display: grid;
    gap: 12px;
    padding: 20px;
  }
  h2:focus {
    outline: none;
  }
  img {
    width: 100%;
    aspect-ratio: 16 / 9;
    object-fit: cover;
    border-radius: calc(var(--radius) - 6px);
  }
  dl {
    display: grid;
    gap: 4px;
    padding: 12px 14px;
    border-radius: calc(var(--radius) - 6px);
    background: var(--track);
  }
  dl div {
    display: flex;
    justify-content: space-between;
    gap: 12px;
  }
  dt {
    color: var(--muted);
  }
  dd {
    font-weight: 600;
    font-variant-numeric: tabular-nums;
  }
  fieldset {
    display: grid;
    gap: 6px;
    margin: 0;
    padding: 0;
    border: 0;
  }
  legend {
    padding: 0 0 6px;
    font-weight: 550;
  }
  label {
    display: grid;
    grid-template-columns: auto 1fr auto;
    gap: 10px;
    align-items: center;
    min-height: 44px;
    padding: 6px 12px;
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) - 6px);
  }
  label:has(:checked) {
    border-color: var(--accent);
    background: var(--accent-soft);
  }
  label:has(:focus-visible) {
    outline: 3px solid var(--accent);
    outline-offset: 2px;
  }
  label:has(:checked) .muted {
    color: var(--text);
  }
  label.blocked {
    color: var(--muted);
  }
  input {
    margin: 0;
    accent-color: var(--accent);
    outline: none;
  }
  .ways {
    display: grid;
    gap: 8px;
    margin-top: 4px;
  }
  .why {
    padding: 12px 14px;
    border-radius: calc(var(--radius) - 6px);
    background: var(--warm-soft);
    color: var(--warm);
  }
  .tick {
    display: grid;
    place-items: center;
    width: 52px;
    height: 52px;
    border-radius: 50%;
    background: var(--accent-soft);
    color: var(--accent);
    font-size: 26px;
  }
  .big {
    padding: 16px 14px;
    border: 1.5px dashed var(--accent);
    border-radius: calc(var(--radius) - 6px);
  }
  .big code {
    font-size: 20px;
  }
  @media (prefers-reduced-motion: no-preference) {
    dialog[open] {
      animation: rise 0.25s cubic-bezier(0.2, 0.7, 0.2, 1);
    }
    .tick {
      animation: pop 0.4s cubic-bezier(0.3, 1.6, 0.5, 1);
    }
    @keyframes rise {
      from {
        transform: translateY(12px);
        opacity: 0;
      }
    }
    @keyframes pop {
      from {
        transform: scale(0.6);
      }
    }
  }
  @media (max-width: 480px) {
    dialog {
      width: 100vw;
      max-width: 100vw;
      max-height: 92dvh;
      margin: auto 0 0;
      border-radius: var(--radius) var(--radius) 0 0;
      border-width: 1px 0 0;
    }
    .sheet {
      padding-bottom: max(20px, env(safe-area-inset-bottom));
    }
  }
`
