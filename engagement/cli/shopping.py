"""What the demo's members take from the shop month by month, and save towards, so that there is something to see of it."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from engagement.cli.client import Client
from engagement.cli.feeding import Event

TAKEN: Final = (
    *("tasting", "tote", "five-off", "coffee", "food-bank", "five-off", "coffee", "farm", "five-off", "food-bank"),
    *("coffee", "tote", "five-off", "coffee", "food-bank", "farm", "five-off", "coffee", "coffee", "food-bank"),
    *("five-off", "coffee", "farm", "coffee"),
)
"""What those who spend most take in a month, in turn; a month later everybody something else."""
SHIFT: Final = 5
ONE_IN: Final = 100
"""Of so many who shopped in a month one takes something."""
FEWEST: Final = 2
SESSIONS: Final = (*("january",) * 8, *("february",) * 4)
"""Which evening is booked in which month."""
GOAL: Final = "hamper"

_REFUSALS: Final = ("NotEnoughPointsError", "RewardRefusedError")
_REDEEM: Final = """mutation Redeem($input: RedeemRewardInput!) {
  redeemReward(input: $input) { __typename ... on UserError { code message field } }
}"""
_SAVE: Final = """mutation Save($input: SetGoalInput!) {
  setGoal(input: $input) { __typename ... on UserError { code message field } }
}"""


def spending(events: Sequence[Event]) -> Counter[str]:
    """Whole dollars that each member spent; who is equal, in order of her first basket."""
    spent: Counter[str] = Counter()
    for event in events:
        spent[str(event["member"])] += int(float(event["properties"]["amount"]))
    return spent


async def redeem(client: Client, month: str, events: Sequence[Event]) -> None:
    """Let some who shopped in a month (`2017-05`) each take something; who has not the points for it goes without."""
    spent = spending(events)
    ahead, number = spent.most_common(max(FEWEST, len(spent) // ONE_IN)), int(month[-2:])
    async with asyncio.TaskGroup() as group:
        for place, (member, _) in enumerate(ahead):
            reward = TAKEN[(place + SHIFT * number) % len(TAKEN)]
            session = SESSIONS[number - 1] if reward == "tasting" else None
            key = f"demo-{month}-{member}"
            given = {"member": member, "reward": reward, "session": session, "idempotencyKey": key}
            group.create_task(client.settle(_REDEEM, {"input": given}, "redeemReward", also=_REFUSALS))


async def save(client: Client, members: Sequence[str]) -> None:
    """Let members save towards what is great."""
    for member in members:
        given = {"member": member, "reward": GOAL, "idempotencyKey": f"demo-goal-{member}"}
        await client.settle(_SAVE, {"input": given}, "setGoal")
