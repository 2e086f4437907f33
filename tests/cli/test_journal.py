"""The journal on the command line: every transfer once, whichever way it is written, and nothing that a spreadsheet would run."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from engagement.actions import journal as reading
from engagement.actions.programs import Sandbox
from engagement.cli.journal import SCHEMA, Format, journal
from engagement.cli.stopping import Stop
from engagement.errors import NotFound
from engagement.records.unit import Database
from tests.actions.conftest import BEGIN, House, purchase
from tests.actions.test_accounting import close
from tests.actions.test_decisions import bought, coupon, spending
from tests.conftest import Urls

FORMULA = '=HYPERLINK("x")'


@pytest.fixture
async def books(records: Database, database: Urls, monkeypatch: pytest.MonkeyPatch) -> House:
    """A program in April whose March is closed, with a late purchase of then, and a member whose id is a formula."""
    monkeypatch.setenv("DATABASE_URL", database.app)
    # A few rows at a time, so that there are several pieces.
    monkeypatch.setattr(reading, "PIECE_ENTRIES", 2)
    house = House(records)
    await house.apply(spending(), Sandbox(BEGIN))
    await house.advance("2017-03-02T00:00:00Z")
    await house.send(bought(3, 120), coupon(4), purchase("f", FORMULA, "2017-03-28T12:00:00Z", "30.00"))
    await house.advance("2017-04-02T00:00:00Z")
    await close(house, "2017-03")
    await house.send(bought(30, 7, "late"))
    return house


@pytest.mark.usefixtures("books")
def test_every_transfer_is_written_once_and_no_cell_is_a_formula(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal("spending", out=tmp_path / "j.parquet", written=Format.PARQUET)
    journal("spending", out=tmp_path / "j.csv")
    assert f"spending: 5 transfers in {tmp_path / 'j.csv'}." in capsys.readouterr().err
    journal("spending")
    printed = capsys.readouterr().out
    assert (tmp_path / "j.csv").read_bytes().decode() == printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j.csv", "j.parquet"]
    rows = list(csv.DictReader(io.StringIO(printed)))
    stored = pl.read_parquet(tmp_path / "j.parquet")
    assert stored.schema == pl.Schema(SCHEMA)
    assert stored["id"].is_sorted()
    assert {each["member"] for each in rows} == {"ann", f"'{FORMULA}"}
    assert set(stored["member"]) == {"ann", FORMULA}
    assert [each["id"] for each in rows] == stored["id"].to_list()
    moved = [(each["kind"], each["debit"], each["credit"], int(each["points"])) for each in rows]
    assert sorted(moved) == [
        ("earn", "issuance", "wallet", 7),
        ("earn", "issuance", "wallet", 30),
        ("earn", "issuance", "wallet", 120),
        ("expire", "wallet", "expired", 20),
        ("spend", "wallet", "redeemed", 100),
    ]
    late = rows[-1]
    assert (late["at"], late["counts_at"]) == ("2017-03-30T12:00:00Z", "2017-04-01T04:00:00Z")
    assert all(each["counts_at"] == each["at"] for each in rows[:-1])


@pytest.mark.usefixtures("books")
def test_a_stretch_is_by_when_it_was_booked(capsys: pytest.CaptureFixture[str]) -> None:
    journal("spending", since="2017-03-02T00:00:00Z", until="2017-04-02T00:00:00Z")
    told = capsys.readouterr()
    assert sorted(each["kind"] for each in csv.DictReader(io.StringIO(told.out))) == ["earn", "earn", "spend"]
    assert "spending: 3 transfers." in told.err


@pytest.mark.usefixtures("books")
def test_what_is_asked_wrongly_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="--out"):
        journal("spending", written=Format.PARQUET)
    with pytest.raises(Stop, match="write an instant"):
        journal("spending", since="March")
    with pytest.raises(NotFound):
        journal("elsewhere", out=tmp_path / "j.csv")
    assert list(tmp_path.iterdir()) == []
