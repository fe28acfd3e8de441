"""The generated tables in the README and the documentation are up to date."""

from pathlib import Path

import fake_assignments
import pytest

from dls_keras import catalog
from dls_keras.core import files, weights
from docs import tables

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("page", tables.PAGES)
def test_the_tables_of_a_page_are_up_to_date(page):
    """Run `python docs/tables.py` to update them."""
    text = (ROOT / page).read_text("utf-8")
    assert "<!-- table: " in text
    assert tables.filled(text) == text


def test_the_readme_lists_every_assignment_once():
    """It has one row per assignment, in the order of the catalogue."""
    rows = tables.assignments().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(catalog.BY_NAME)


def test_only_the_text_between_the_markers_is_replaced(monkeypatch, tmp_path):
    """Replacing it again changes nothing."""
    fake_assignments.register(monkeypatch, tmp_path)
    page = "before\n<!-- table: assignments -->\nold\n<!-- end of table -->\nafter"
    filled = tables.filled(page)
    assert filled.startswith("before\n<!-- table: assignments -->\n| course |")
    assert filled.endswith("|\n<!-- end of table -->\nafter")
    assert "| C1 W2 | `echo` | Echo, louder | functions, training, weights" in filled
    assert "old" not in filled
    assert tables.filled(filled) == filled


def test_a_marker_with_an_unknown_table_raises_an_error():
    """The message lists the tables."""
    with pytest.raises(ValueError, match="no table 'wights'.*weight-records"):
        tables.filled("<!-- table: wights -->\n<!-- end of table -->")


def test_the_records_of_shipped_weights_are_listed(monkeypatch, tmp_path):
    """Published weights have no record; a | in a metric is escaped."""
    fake_assignments.register(monkeypatch, tmp_path)
    record = weights.record("echo")
    (row,) = tables.weights().splitlines()[2:]
    assert row.startswith("| `echo` | `echo/v1` | ")
    assert r"loudness \| dB: 90" in row
    section = tables.weight_records()
    assert section.startswith("### echo/v1\n\n- use: `dls_keras.echo.load_pretrained(")
    assert f"{record.bytes:,} bytes, sha256 `{record.sha256}`" in section
    assert "download" not in section  # there is no url


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (51_204, "51.2 kB"),
        (47_400_000, "47.4 MB"),
        (2_000_000_000, "2.0 GB"),
    ],
)
def test_sizes_are_given_in_decimal_units(count, text):
    """1 kB is 1000 bytes."""
    assert files.size(count) == text
