/** What the shop asks, and what it is answered. tests/web holds every document against schema.graphql. */

export type Reason =
  | 'NOT_STARTED'
  | 'PAUSED'
  | 'ENDED'
  | 'NOT_FOR_YOU'
  | 'LIMIT_REACHED'
  | 'OUT_OF_STOCK'
  | 'SESSION_FULL'
  | 'SESSION_OVER'
  | 'NOT_ENOUGH_POINTS'

export type RewardKind = 'DISCOUNT' | 'VOUCHER' | 'PRODUCT' | 'EXPERIENCE' | 'EARLY_ACCESS' | 'DONATION' | 'DRAW'

export interface Price {
  currency: string
  points: number
}

export interface Session {
  key: string
  name: string
  startsAt: string
  left: number
  blockedReason: Reason | null
}

export interface Reward {
  key: string
  kind: RewardKind
  name: string
  description: string
  category: string | null
  image: string | null
  price: Price | null
  fullPrice: Price | null
  left: number | null
  sessions: Session[]
  canRedeem: boolean
  blockedReasons: Reason[]
  missing: number
  progress: { fraction: number } | null
}

export interface Redemption {
  id: string
  reward: string
  name: string
  session: string | null
  state: 'RESERVED' | 'FULFILLED' | 'VOIDED' | 'EXPIRED' | 'REFUNDED'
  at: string
  usableUntil: string | null
}

export interface Benefit {
  id: string
  sort: 'BADGE' | 'TIER' | 'BOOST' | 'VOUCHER' | 'ENTITLEMENT' | 'DRAW'
  key: string
  name: string
  count: number
  code: string | null
  source: string
  redemption: string | null
  state: 'OWED' | 'ISSUED' | 'USED' | 'VOIDED' | 'EXPIRED'
  since: string
  until: string | null
  issuedAt: string
}

interface Page<T> {
  edges: { node: T }[]
}

export interface RewardsPage extends Page<Reward> {
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

export interface ShopAnswer {
  program: { timezone: string }
  me: { externalId: string; wallets: { currency: string; name: string; balance: number }[]; goal: { reward: string } | null }
  rewards: RewardsPage
  redemptions: Page<Redemption>
  benefits: Page<Benefit>
}

export type RedeemAnswer =
  | { __typename: 'RedemptionSuccess'; redemption: Redemption; benefits: Benefit[] }
  | { __typename: 'RewardRefusedError'; reason: Reason; message: string }
  | { __typename: 'NotEnoughPointsError'; missing: number; message: string }
  | {
      __typename: 'InvalidInputError' | 'NotFoundError' | 'MemberErasedError' | 'IdempotencyKeyReusedError' | 'TryAgainError'
      message: string
    }

export interface GoalAnswer {
  __typename: string
}

const REWARDS = /* GraphQL */ `
  fragment Shelf on RewardConnection {
    edges {
      node {
        key
        kind
        name
        description
        category
        image
        price { currency points }
        fullPrice { currency points }
        left
        sessions { key name startsAt left blockedReason }
        canRedeem
        blockedReasons
        missing
        progress { fraction }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
`

const TAKEN = /* GraphQL */ `
  fragment Taken on Redemption { id reward name session state at usableUntil }
  fragment Had on Benefit { id sort key name count code source redemption state since until issuedAt }
`

export const SHOP = /* GraphQL */ `
  query Shop($locale: String) {
    program { timezone }
    me { externalId wallets { currency name balance } goal { reward } }
    rewards(locale: $locale, first: 50) { ...Shelf }
    redemptions(first: 30) { edges { node { ...Taken } } }
    benefits(first: 30) { edges { node { ...Had } } }
  }
${REWARDS}${TAKEN}`

export const MORE_REWARDS = /* GraphQL */ `
  query MoreRewards($locale: String, $after: String) {
    rewards(locale: $locale, first: 50, after: $after) { ...Shelf }
  }
${REWARDS}`

export const REDEEM = /* GraphQL */ `
  mutation Redeem($input: RedeemRewardInput!) {
    redeemReward(input: $input) {
      __typename
      ... on RedemptionSuccess { redemption { ...Taken } benefits { ...Had } }
      ... on RewardRefusedError { reason }
      ... on NotEnoughPointsError { missing }
      ... on UserError { message }
    }
  }
${TAKEN}`

export const SET_GOAL = /* GraphQL */ `
  mutation SetGoal($input: SetGoalInput!) { setGoal(input: $input) { __typename } }
`

export const CLEAR_GOAL = /* GraphQL */ `
  mutation ClearGoal($input: ClearGoalInput!) { clearGoal(input: $input) { __typename } }
`

export const SHOP_UPDATES = /* GraphQL */ `
  subscription ShopUpdates($after: String) {
    memberUpdates(after: $after) {
      __typename
      ... on ActivityItem { cursor }
      ... on Reset { cursor }
      ... on Heartbeat { cursor }
    }
  }
`
