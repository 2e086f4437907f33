export { Connection, Refused, type Status, type TokenSource } from './connection.ts'
export type { Board, Entry, Screen } from './documents.ts'
export { LeaderboardWidget } from './leaderboard.ts'
export { ProgressWidget } from './progress.ts'
