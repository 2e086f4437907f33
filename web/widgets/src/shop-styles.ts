import { css } from 'lit'

/** How the shop lies on a phone and on a desk: by its own width, not the page's. */
export const styles = css`
  section {
    padding: 20px;
  }
  h2:focus,
  h3:focus,
  h4:focus {
    outline: none;
  }
  h2:focus-visible,
  h3:focus-visible,
  h4:focus-visible {
    outline: 3px solid var(--accent);
    outline-offset: 3px;
    border-radius: 4px;
  }
  .balance {
    color: var(--muted);
    font-size: 13px;
  }
  .balance b {
    color: var(--text);
    font-weight: 650;
    font-variant-numeric: tabular-nums;
  }
  h3 {
    margin: 24px 0 10px;
    font-size: 15px;
    font-weight: 650;
    letter-spacing: -0.005em;
  }
  h4 {
    margin: 0;
    font-size: 15px;
    font-weight: 600;
    line-height: 1.3;
    overflow-wrap: anywhere;
  }
  .trouble {
    margin-top: 14px;
    padding: 10px 14px;
    border-radius: calc(var(--radius) - 6px);
    background: var(--warm-soft);
    color: var(--warm);
  }
  .goal {
    display: grid;
    grid-template-columns: minmax(0, 1fr) auto;
    gap: 8px 16px;
    align-items: center;
    margin-top: 16px;
    padding: 14px 16px;
    border-radius: calc(var(--radius) - 4px);
    background: var(--accent-soft);
  }
  .goal h3 {
    margin: 0;
    font-size: 14px;
    font-weight: 400;
    overflow-wrap: anywhere;
  }
  .goal .bar {
    grid-column: 1 / -1;
    grid-row: 2;
    background: color-mix(in oklab, var(--accent) 16%, var(--surface));
  }
  .goal .muted {
    grid-column: 1 / -1;
    color: var(--text);
    font-variant-numeric: tabular-nums;
  }
  .goal .ways {
    display: flex;
    flex-wrap: wrap;
    gap: 8px;
    grid-column: 2;
    grid-row: 1;
  }
  .shelf {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr));
    gap: 16px;
  }
  .shelf .bone {
    height: 260px;
    margin-top: 20px;
  }
  .shelf li {
    display: flex;
    flex-direction: column;
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) - 4px);
    overflow: hidden;
  }
  .picture {
    display: grid;
    place-items: center;
    aspect-ratio: 16 / 9;
    background: var(--track);
    color: var(--muted);
  }
  .picture img {
    width: 100%;
    height: 100%;
    object-fit: cover;
  }
  .picture svg {
    width: 40px;
    height: 40px;
  }
  .closed .picture img {
    filter: saturate(0.75);
  }
  .what {
    flex: 1;
    padding: 12px 14px 0;
  }
  .what .muted {
    margin-top: 4px;
    line-height: 1.4;
  }
  .how {
    display: grid;
    gap: 8px;
    padding: 10px 14px 14px;
  }
  .price {
    display: flex;
    flex-wrap: wrap;
    align-items: baseline;
    gap: 2px 8px;
    font-variant-numeric: tabular-nums;
  }
  .price b {
    font-weight: 650;
  }
  .price s {
    color: var(--muted);
    font-size: 13px;
  }
  .yours,
  .few {
    padding: 0 8px;
    border-radius: 99px;
    font-size: 12px;
    font-weight: 550;
    line-height: 20px;
  }
  .yours {
    background: var(--accent-soft);
    color: var(--accent);
  }
  .few {
    margin-left: auto;
    background: var(--warm-soft);
    color: var(--warm);
  }
  .reason,
  .saving {
    display: grid;
    place-items: center;
    min-height: 44px;
    padding: 6px 12px;
    border-radius: 10px;
    background: var(--track);
    font-size: 14px;
    text-align: center;
  }
  .reason {
    color: var(--muted);
    color: color-mix(in oklab, var(--muted) 80%, var(--text));
  }
  .saving {
    background: var(--accent-soft);
    color: var(--accent);
    font-weight: 550;
  }
  .missing {
    margin-top: -2px;
    font-variant-numeric: tabular-nums;
  }
  .mine {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr));
    gap: 10px;
  }
  .mine li {
    display: grid;
    gap: 2px;
    align-content: start;
    padding: 12px 14px;
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) - 6px);
  }
  .mine b {
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .mine .over b {
    color: var(--muted);
    font-weight: 500;
  }
  .mine .code {
    margin-top: 6px;
  }
  .mine + button {
    margin: 10px 0 0 -16px;
  }
  .waiting {
    padding: 24px 0 8px;
  }
  @container (max-width: 520px) {
    section {
      padding: 18px 16px;
    }
    .shelf {
      grid-template-columns: minmax(0, 1fr);
      gap: 12px;
    }
    .shelf .bone {
      height: 120px;
    }
    .shelf li {
      display: grid;
      grid-template-columns: 84px minmax(0, 1fr);
      grid-template-rows: auto 1fr;
      gap: 0 12px;
      padding: 12px;
    }
    .picture {
      align-self: start;
      aspect-ratio: 1;
      border-radius: calc(var(--radius) - 8px);
      overflow: hidden;
    }
    .what {
      padding: 0;
    }
    .how {
      grid-column: 1 / -1;
      padding: 10px 0 0;
    }
    .how:has(> :nth-child(2):last-child) {
      grid-template-columns: minmax(0, 1fr) auto;
      align-items: center;
    }
    .goal {
      grid-template-columns: minmax(0, 1fr);
    }
    .goal .ways {
      grid-column: 1;
      grid-row: auto;
      margin-left: -16px;
    }
    .goal .main {
      margin-left: 16px;
    }
  }
`
