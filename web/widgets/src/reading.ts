import type { Connection } from './connection.ts'
import {
  MORE_REWARDS,
  SHOP,
  type Benefit,
  type Redemption,
  type Reward,
  type RewardsPage,
  type ShopAnswer,
} from './shop-documents.ts'

/** A shop as a member sees it. */
export interface Shop {
  /** The app's own id of whose it is. */
  member: string
  timezone: string
  wallets: ShopAnswer['me']['wallets']
  goal: string | null
  rewards: Reward[]
  redemptions: Redemption[]
  benefits: Benefit[]
}

/** The whole shop: its first page with what is hers, then the other pages of the shelf. */
export async function readShop(connection: Connection, locale: string): Promise<Shop> {
  const { program, me, rewards, redemptions, benefits } = await connection.ask<ShopAnswer>(SHOP, { locale })
  const shelf = nodes(rewards)
  for (let { pageInfo } = rewards; pageInfo.hasNextPage; ) {
    const more = await connection.ask<{ rewards: RewardsPage }>(MORE_REWARDS, { locale, after: pageInfo.endCursor })
    shelf.push(...nodes(more.rewards))
    pageInfo = more.rewards.pageInfo
  }
  return {
    member: me.externalId,
    timezone: program.timezone,
    wallets: me.wallets,
    goal: me.goal?.reward ?? null,
    rewards: shelf,
    redemptions: nodes(redemptions),
    benefits: nodes(benefits),
  }
}

const nodes = <T>({ edges }: { edges: { node: T }[] }): T[] => edges.map(({ node }) => node)
