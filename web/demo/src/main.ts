import { Connection, type Board, type LeaderboardWidget, type ProgressWidget, type Screen, type ShopWidget } from '@engagement/widgets'
import { session, tokenOf } from './session.ts'

const ENDPOINT = '/graphql'
const DAY = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'America/New_York' })
const RETRY_MS = 2_000

const at = (id: string): HTMLElement => document.getElementById(id) as HTMLElement

async function show(): Promise<void> {
  const { program, board, members } = await session()
  at('trouble').hidden = true
  at('program').textContent = program
  document.title = `${program}, live`
  const cards = members.map(({ id }) => {
    const card = document.createElement('engagement-progress') as ProgressWidget
    card.label = id
    card.connection = new Connection(ENDPOINT, () => tokenOf(id))
    return card
  })
  at('people').replaceChildren(...cards)
  const list = at('board') as LeaderboardWidget
  list.board = board
  list.highlight = members.map(({ id }) => id).join(' ')
  list.connection = cards[0]?.connection
  const [shop, shopper] = [at('shop') as ShopWidget, at('shopper') as HTMLSelectElement]
  shopper.replaceChildren(...members.map(({ id }) => new Option(id)))
  shopper.onchange = () => {
    shop.connection = cards[shopper.selectedIndex]?.connection
  }
  shop.connection = cards[0]?.connection
}

let latest = 0
addEventListener('engagement-screen', (event) => {
  const { asOf } = (event as CustomEvent<Screen>).detail
  latest = Math.max(latest, Date.parse(asOf))
  at('now').textContent = DAY.format(latest)
})
addEventListener('engagement-board', (event) => {
  const { total, entries } = (event as CustomEvent<Board>).detail
  at('members').textContent = total.toLocaleString()
  at('leader').textContent = entries[0]?.score.toLocaleString() ?? '–'
})

async function begin(): Promise<void> {
  try {
    await show()
  } catch {
    at('trouble').textContent = 'The service does not answer. This page goes on by itself when it does.'
    at('trouble').hidden = false
    setTimeout(() => void begin(), RETRY_MS)
  }
}

void begin()
