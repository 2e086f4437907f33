"""Confirmations: an event says that another one has come to stay, like a delivery that nobody sends back any more.

Points of an event can wait for one (`pending: {confirmed_by: KEY}`). The ledger releases them; the fold says what was
confirmed, and remembers it for events that it hears of only afterwards.
"""

from achievements.building import Building
from achievements.conditions import Conditions
from achievements.moment import Moment, Rule, Stage
from achievements.outcomes import Confirmed
from achievements.parts import Living, PropertyName, Trigger
from achievements.states import ConfirmedPart
from achievements.values import ID_CHARACTERS_MAX

REMEMBERED_MAX = 500
"""So many events that were confirmed last are remembered, for the case that they are heard of later."""


class ConfirmationReady(Rule, frozen=True, kw_only=True):
    """A confirmation with its conditions compiled."""

    section = "confirmations"
    stage = Stage.EARN

    naming: str
    conditions: Conditions

    @property
    def event_types(self) -> frozenset[str]:
        """The types it looks at."""
        return frozenset(self.conditions)

    def apply(self, part: ConfirmedPart | None, moment: Moment) -> ConfirmedPart | None:
        """Confirm the event that this one names, once."""
        if not moment.first_pass or not moment.meets(self.conditions):
            return part
        named = moment.event.properties.get(self.naming)
        known = () if part is None else part.events
        # No event has a longer id: such a name is of nothing, and would only be kept.
        if not named or len(named) > ID_CHARACTERS_MAX or named in known:
            return part
        moment.emitted.append(Confirmed(self.key, str(named), moment.event.at, moment.event.id))
        return ConfirmedPart((*known, str(named))[-REMEMBERED_MAX:])


class Confirmation(Living, frozen=True, kw_only=True):
    """An event of some types that confirms another one of the same member: the one whose id is in the property `naming`."""

    kind = "confirmation"

    on: Trigger
    when: str | None = None
    naming: PropertyName

    def ready(self, building: Building) -> ConfirmationReady:
        """Compile it; mistakes are told to `building`."""
        building.property_of(self.on, self.naming, "naming", "string")
        return ConfirmationReady(key=self.key, naming=self.naming, conditions=building.conditions(self.on, self.when))
