"""What takes points by rule: spend rules and automatic rewards.

Both depend on a balance, and nothing in the fold reads one. So a spend rule only asks, and an automatic reward is looked
at by whoever keeps the ledger, after the bookings of each input. What is decided comes back as a fact.
"""

from achievements.asked import SpendAsked
from achievements.building import Building
from achievements.conditions import Conditions
from achievements.moment import Moment, Rule, Stage
from achievements.parts import ForMembers, Key, Living, Points, Price, Trigger


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


class AutoReward(Living, frozen=True, kw_only=True):
    """Whenever the balance of a currency reaches `at` points, that many are spent, as often as it does."""

    kind = "auto_reward"

    at: Points
    currency: Key | None = None

    def ready(self, building: Building) -> None:
        """Look up its currency; it meets no event, so no rule comes of it."""
        building.currency(self.currency, "currency")
