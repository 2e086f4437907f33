"""`engagement schema`: the GraphQL schema as text."""

import sys

from engagement.api.schema import sdl


def schema() -> None:
    """Print the GraphQL schema.

    Example: engagement schema > schema.graphql
    """
    sys.stdout.write(sdl())
