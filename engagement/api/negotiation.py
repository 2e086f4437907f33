"""Reads what a client accepts, and decides the media type of the answer."""

from dataclasses import dataclass
from typing import Final, Literal

JSON: Final = "application/json"
GRAPHQL_JSON: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"
MULTIPART: Final = "multipart/mixed"

StreamKind = Literal["sse", "multipart"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer's media types: of a single result, and of a subscription where the client can read one."""

    media_type: str
    stream: StreamKind | None

    @classmethod
    def of(cls, header: str) -> "Accepted":
        """Read an Accept header; a missing, odd or too narrow one is answered with plain JSON."""
        ranges = dict(_range(each) for each in header.lower().split(",") if each.strip())
        json = next((ranges[each] for each in (JSON, "application/*", "*/*") if each in ranges), _Range(0.0))
        graphql = ranges.get(GRAPHQL_JSON, _Range(0.0))
        media_type = GRAPHQL_JSON if graphql.quality > 0 and graphql.quality >= json.quality else JSON
        return cls(media_type, _stream(ranges))


@dataclass(frozen=True, slots=True)
class _Range:
    quality: float
    is_subscription_spec: bool = False


def _range(text: str) -> tuple[str, _Range]:
    name, *rest = (each.strip() for each in text.split(";"))
    parameters = {key.strip(): value.strip(" \"'") for key, _, value in (each.partition("=") for each in rest)}
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = 0.0
    return name, _Range(quality, parameters.get("subscriptionspec", "").startswith("1"))


def _stream(ranges: dict[str, _Range]) -> StreamKind | None:
    """Multipart is for those that ask for its subscription profile; others list it for incremental delivery."""
    multipart, events = ranges.get(MULTIPART), ranges.get(EVENT_STREAM)
    if multipart and multipart.quality > 0 and multipart.is_subscription_spec:
        return "multipart"
    return "sse" if events and events.quality > 0 else None
