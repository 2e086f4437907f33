"""The whole schema: every noun's fields of the root joined, bound to what resolvers work with."""

from typing import Final

import strawberry
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import get_object_definition

from engagement.api.accounting import AccountingMutation, AccountingQuery
from engagement.api.activity import ActivityQuery
from engagement.api.aliases import AliasesMutation
from engagement.api.amendments import AmendmentsMutation
from engagement.api.attributes import AttributesMutation
from engagement.api.backtests import BacktestsMutation, BacktestsQuery
from engagement.api.benefits import BenefitsMutation, BenefitsQuery
from engagement.api.boards import BoardsQuery, BoardsSubscription
from engagement.api.challenges import ChallengesMutation
from engagement.api.consents import ConsentsMutation, ConsentsQuery
from engagement.api.control_groups import ControlGroupsQuery
from engagement.api.definitions import DefinitionsQuery
from engagement.api.documents import KnownDocuments
from engagement.api.draws import DrawsQuery
from engagement.api.erasures import ErasuresMutation
from engagement.api.events import EventsMutation
from engagement.api.explaining import ExplainingQuery
from engagement.api.failures import CodedErrors
from engagement.api.holds import HoldsMutation, HoldsQuery
from engagement.api.jobs import JobsMutation, JobsQuery, JobsSubscription
from engagement.api.journal import JournalQuery
from engagement.api.liabilities import LiabilitiesQuery
from engagement.api.limits import Limits
from engagement.api.lists import ListsMutation
from engagement.api.members import MembersQuery
from engagement.api.merges import MergesMutation
from engagement.api.personal import PersonalQuery
from engagement.api.points import PointsMutation
from engagement.api.previews import PreviewsMutation, PreviewsQuery
from engagement.api.principals import Guard
from engagement.api.programs import ProgramsMutation, ProgramsQuery
from engagement.api.redemptions import RedemptionsMutation, RedemptionsQuery
from engagement.api.referrals import ReferralsQuery
from engagement.api.refusals import HANDLERS
from engagement.api.replies import CompilingExecutor
from engagement.api.resources import BoundSchema, Resources
from engagement.api.rewards import RewardsMutation, RewardsQuery
from engagement.api.scalars import SCALARS
from engagement.api.streaks import StreaksMutation
from engagement.api.teams import TeamsMutation, TeamsQuery
from engagement.api.tiers import TiersMutation
from engagement.api.timezones import TimezonesMutation
from engagement.api.updates import UpdatesSubscription


@strawberry.type(description="What can be read.")
class Query(
    MembersQuery,
    BoardsQuery,
    ActivityQuery,
    ExplainingQuery,
    ReferralsQuery,
    ProgramsQuery,
    DefinitionsQuery,
    ControlGroupsQuery,
    JobsQuery,
    BacktestsQuery,
    PreviewsQuery,
    TeamsQuery,
    ConsentsQuery,
    PersonalQuery,
    AccountingQuery,
    JournalQuery,
    HoldsQuery,
    LiabilitiesQuery,
    RedemptionsQuery,
    BenefitsQuery,
    RewardsQuery,
    DrawsQuery,
):
    """Every field to read."""


@strawberry.type(description="What can be done. Each answers with a union of its success and what can be wrong.")
class Mutation(
    EventsMutation,
    AmendmentsMutation,
    TimezonesMutation,
    AliasesMutation,
    AttributesMutation,
    ChallengesMutation,
    ListsMutation,
    TiersMutation,
    StreaksMutation,
    TeamsMutation,
    HoldsMutation,
    PointsMutation,
    ErasuresMutation,
    MergesMutation,
    RedemptionsMutation,
    BenefitsMutation,
    ConsentsMutation,
    RewardsMutation,
    ProgramsMutation,
    JobsMutation,
    BacktestsMutation,
    PreviewsMutation,
    AccountingMutation,
):
    """Every mutation."""


@strawberry.type(description="What can be followed, over graphql-transport-ws, server-sent events or multipart.")
class Subscription(UpdatesSubscription, BoardsSubscription, JobsSubscription):
    """Every subscription."""


ROOTS: Final[tuple[type, ...]] = (Query, Mutation, Subscription)


def schema(resources: Resources | None = None) -> BoundSchema:
    """The schema for a process, or without resources one to print."""
    for root in ROOTS:
        for field in get_object_definition(root, strict=True).fields:
            assert any(isinstance(each, Guard) for each in field.extensions), f"{field.name} states no access"
    made = BoundSchema(
        Query,
        Mutation,
        Subscription,
        extensions=[CodedErrors, Limits, KnownDocuments],
        exception_handlers=HANDLERS,
        execution_context_class=CompilingExecutor,
        config=StrawberryConfig(disable_field_suggestions=True, scalar_map=SCALARS),
    )
    _without_null_defaults(made._schema)  # noqa: SLF001 — Strawberry has no public way to graphql-core's schema.
    for union in made._schema.type_map.values():  # noqa: SLF001 — see above.
        if isinstance(union, GraphQLUnionType):
            union.resolve_type = _type_name
    made.resources = resources
    return made


def sdl() -> str:
    """The schema as text: what `schema.graphql` holds."""
    return schema().as_str() + "\n"


def _type_name(value: object, *_: object) -> str:
    """The type of a union's value by its class; Strawberry's own way tries every type of the schema."""
    return get_object_definition(value, strict=True).name


def _without_null_defaults(core: GraphQLSchema) -> None:
    """Leave out what Strawberry says of every argument that Python gives a default: that its default is null."""
    for named in core.type_map.values():
        if isinstance(named, GraphQLInputObjectType):
            for field in named.fields.values():
                if field.default_value is None:
                    field.default_value = Undefined
        elif isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
            for argument in (each for field in named.fields.values() for each in field.args.values()):
                if argument.default_value is None:
                    argument.default_value = Undefined
