"""What takes points by rule: spend rules and automatic rewards.

Both depend on a balance, and nothing in the fold reads one. So a spend rule only asks, and an automatic reward is looked
at by whoever keeps the ledger, after the bookings of each input. What is decided comes back as a fact.
"""

from achievements.asked import SpendAsked
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.moment import Moment, Rule, Stage
from achievements.parts import BENEFITS, ForMembers, Key, Living, Misfit, Points, Price, Rewards, Trigger
from achievements.values import Fact

REWARD_TAKEN = "reward_taken"
"""The fact that an automatic reward was taken, so many `times` at once."""
TIMES_MAX = 100


class SpendRuleReady(Rule, frozen=True, kw_only=True):
    """A spend rule with its conditions compiled; it keeps no state."""

    section = "spend_rules"
    stage = Stage.DECISIONS

    currency: str
    points: int
    conditions: Conditions

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: None, moment: Moment) -> None:
        """Ask, once for each event."""
        if moment.first_pass and moment.meets(self.conditions):
            moment.emitted.append(
                SpendAsked(self.key, self.currency, self.points, moment.event.at, moment.event.id),
            )


class SpendRule(ForMembers, frozen=True, kw_only=True):
    """An event that takes points where the balance allows it, and is rejected, and counted, where it does not."""

    kind = "spend_rule"

    on: Trigger
    when: str | None = None
    spend: Price

    def ready(self, building: Building) -> SpendRuleReady:
        """Compile it; mistakes are told to `building`."""
        return SpendRuleReady(
            key=self.key,
            currency=building.currency(self.spend.currency, "spend.currency"),
            points=self.spend.points,
            conditions=building.conditions(self.on, self.when),
        )


class AutoRewardReady(Rule, frozen=True, kw_only=True):
    """An automatic reward that gives something. It hears that it was taken, and keeps no state."""

    section = "auto_rewards"
    stage = Stage.DECISIONS
    hears = frozenset({REWARD_TAKEN})

    rewards: Rewards

    @property
    def event_types(self) -> frozenset[str]:
        """None: it is a decision."""
        return frozenset()

    def told(self, part: None, fact: Fact, moment: Moment) -> None:
        """Give it, as often as it was taken at once."""
        if fact.data["rule"] == self.key:
            for time in range(min(int(fact.data["times"]), TIMES_MAX)):
                moment.reward(self.stage, self.rewards, self.key, f"auto_reward/{self.key}/{fact.id}/{time}")


class AutoReward(Living, frozen=True, kw_only=True):
    """Whenever the balance of a currency reaches `at` points, that many are spent, as often as it does.

    Each time it gives its `rewards`, but no more often than a hundred times at once.
    """

    kind = "auto_reward"

    at: Points
    currency: Key | None = None
    rewards: Rewards = ()

    def __post_init__(self) -> None:
        others = [each.sort for each in self.rewards if each.sort not in BENEFITS]
        if others:
            # Points would bring the balance up again, and what counts points or badges is judged before decisions.
            raise Misfit(
                "rewards", f"an automatic reward gives {', '.join(BENEFITS[:-1])} or {BENEFITS[-1]}, and no {others[0]}"
            )

    def ready(self, building: Building) -> AutoRewardReady | None:
        """Compile what it gives; it meets no event, so no rule comes of one that gives nothing."""
        building.currency(self.currency, "currency")
        return (
            AutoRewardReady(key=self.key, rewards=building.rewards(self.rewards, "rewards")) if self.rewards else None
        )
