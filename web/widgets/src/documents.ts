/** What the widgets ask, and what they are answered. tests/web holds every document against schema.graphql. */

export interface Progress {
  current: string
  target: string
  fraction: number
  remaining: string
}

export interface Screen {
  externalId: string
  asOf: string
  wallets: { currency: string; name: string; balance: number; nextExpiry: { points: number; at: string } | null }[]
  streaks: {
    key: string
    name: string
    period: 'DAY' | 'WEEK' | 'MONTH'
    current: number
    longest: number
    active: boolean
    timezone: string
  }[]
  challenges: {
    key: string
    name: string
    description: string
    endsAt: string | null
    objectives: Progress[]
    fraction: number
    completed: boolean
  }[]
  badges: { key: string; name: string; level: string | null; levels: { key: string; name: string }[] }[]
}

export type Effect =
  | { __typename: 'PointsEarned'; currency: string; points: number }
  | { __typename: 'BadgeAwarded'; name: string }
  | { __typename: 'StreakChanged'; streak: string; current: number; broken: boolean }
  | { __typename: 'ChallengeCompleted'; challenge: string }
  | {
      __typename:
        | 'OutcomeWithdrawn'
        | 'PointsExpired'
        | 'PointsSpent'
        | 'SpendRejected'
        | 'TierChanged'
        | 'ChallengeProgressed'
        | 'LeaderboardScored'
    }

export type Update =
  | { __typename: 'ActivityItem'; cursor: string; effects: Effect[] }
  | { __typename: 'Reset'; cursor: string; member: Screen }
  | { __typename: 'Heartbeat'; cursor: string }

export interface Entry {
  rank: number
  member: string
  alias: string | null
  score: number
}

export interface Board {
  name: string
  state: 'OPEN' | 'PROVISIONAL' | 'FINAL'
  total: number
  withheld: string | null
  entries: Entry[]
}

const SCREEN = /* GraphQL */ `
  fragment Screen on Member {
    externalId
    asOf
    wallets { currency name balance nextExpiry { points at } }
    streaks { key name period current longest active timezone }
    challenges {
      key
      name
      description
      endsAt
      objectives { current target fraction remaining }
      fraction
      completed
    }
    badges { key name level levels { key name } }
  }
`

export const ME = /* GraphQL */ `
  query Me { me { ...Screen } }
${SCREEN}`

export const MEMBER_UPDATES = /* GraphQL */ `
  subscription MemberUpdates($after: String) {
    memberUpdates(after: $after) {
      __typename
      ... on ActivityItem {
        cursor
        effects {
          __typename
          ... on PointsEarned { currency points }
          ... on BadgeAwarded { name }
          ... on StreakChanged { streak current broken }
          ... on ChallengeCompleted { challenge }
        }
      }
      ... on Reset { cursor member { ...Screen } }
      ... on Heartbeat { cursor }
    }
  }
${SCREEN}`

export const BOARD_UPDATES = /* GraphQL */ `
  subscription BoardUpdates($key: String!, $first: Int!) {
    leaderboardUpdates(key: $key, first: $first) {
      name
      state
      total
      withheld
      entries { rank member alias score }
    }
  }
`
