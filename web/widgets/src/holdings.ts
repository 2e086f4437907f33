import type { Benefit, Redemption, Reward } from './shop-documents.ts'
import type { Speech } from './shop-words.ts'

/** One line of what a member has of the shop: a redemption, or something that came of one or was given to her. */
export interface Holding {
  id: string
  at: string
  name: string
  /** In a few words, what became of it, and until when it is good. */
  state: string
  /** Whether she has something of it still. */
  fresh: boolean
  code: string | null
}

/** What she has and then what she had, each newest first. What came of a redemption stands in its place. */
export function holdings(
  redemptions: readonly Redemption[],
  benefits: readonly Benefit[],
  rewards: readonly Reward[],
  speech: Speech,
): Holding[] {
  const shelf = new Map(rewards.map((each) => [each.key, each]))
  const brought = new Set(benefits.map(({ redemption }) => redemption))
  // One that was reserved, or came to nothing, is told for itself: what came of it may not be there yet, or any more.
  const taken = redemptions
    .filter(({ id, state }) => state !== 'FULFILLED' || !brought.has(id))
    .map((each) => ofRedemption(each, shelf.get(each.reward), speech))
  const had = benefits.map((each) => ofBenefit(each, shelf.get(each.source), speech))
  return [...taken, ...had].sort(
    (one, other) => Number(other.fresh) - Number(one.fresh) || Date.parse(other.at) - Date.parse(one.at),
  )
}

function ofRedemption(redemption: Redemption, reward: Reward | undefined, speech: Speech): Holding {
  const { id, at, state } = redemption
  const session = reward?.sessions.find(({ key }) => key === redemption.session)
  return {
    id,
    at,
    name: reward?.name ?? redemption.name,
    state: session && state === 'FULFILLED' ? speech.moment(session.startsAt) : speech.words.taken[state],
    fresh: state === 'FULFILLED' || state === 'RESERVED',
    code: null,
  }
}

function ofBenefit(benefit: Benefit, reward: Reward | undefined, speech: Speech): Holding {
  const { id, issuedAt, state, since, until, sort, count } = benefit
  const { words } = speech
  const fresh = state === 'ISSUED'
  const parts = [words.had[state]]
  if (sort === 'DRAW') parts[0] = fresh ? words.entries(count) : state === 'USED' ? words.tookPart : words.had[state]
  if (fresh && since > issuedAt) parts.splice(0, 1, words.from(speech.day(since)))
  if (fresh && until) parts.push(words.until(speech.lastDay(until)))
  return { id, at: issuedAt, name: reward?.name ?? benefit.name, state: parts.join(', '), fresh, code: fresh ? benefit.code : null }
}
