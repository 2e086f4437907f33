"""The GraphQL documents that are sent."""

from typing import Final

EFFECTS: Final = """mutation Record($input: RecordEventsInput!) {
  recordEvents(input: $input) {
    __typename
    ... on RecordEventsSuccess {
      receipts {
        id
        effects {
          __typename
          ... on PointsEarned { currency points source at }
          ... on PointsExpired { currency points at }
          ... on StreakChanged { streak current longest broken at }
          ... on ChallengeProgressed { challenge period objectives { current target fraction } }
          ... on ChallengeCompleted { challenge period at }
          ... on BadgeAwarded { badge level name at }
          ... on LeaderboardScored { leaderboard period score }
        }
      }
      refused { id code message }
    }
    ... on UserError { code message }
  }
}"""
"""All effects of each event, with every field but the rank, which is a look-up of its own."""

IDS: Final = """mutation Record($input: RecordEventsInput!) {
  recordEvents(input: $input) {
    __typename
    ... on RecordEventsSuccess { receipts { id } refused { id code message } }
    ... on UserError { code message }
  }
}"""

REDEEM: Final = """mutation Redeem($input: RedeemRewardInput!) {
  redeemReward(input: $input) {
    __typename
    ... on RedemptionSuccess { redemption { id state points } benefits { __typename } }
    ... on UserError { code message }
  }
}"""

ME: Final = """query Screen {
  me {
    externalId
    asOf
    cursor
    wallets { currency name balance earned expired pending nextExpiry { points at } }
    streaks { key name period current longest active periodEndsAt }
    challenges {
      key name description period endsAt fraction completed completedAt completions
      objectives { current target fraction remaining }
    }
    badges { key name description level levels { key name target awardedAt } next { current target fraction remaining } }
  }
}"""
"""A member's whole screen."""
