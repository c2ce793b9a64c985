"""A chapter on a shop of one's own: what it lacks is skipped with a line, and nothing stops the chapter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from recsys_lab.datasets import Shop, cells

pytest.importorskip("IPython")


@pytest.fixture
def shell() -> Iterator[Any]:
    """A notebook on a shop with clicks alone."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shop = Shop.from_sessions([["a", "b"], ["b", "a"]])
    cells.skip_cells(shop)
    shell.user_ns["shop"] = shop
    yield shell
    shell.ast_transformers.clear()
    InteractiveShell.clear_instance()


def run(shell: Any, source: str, capsys: pytest.CaptureFixture[str]) -> str:
    result = shell.run_cell(source)
    assert result.success, result
    return capsys.readouterr().out


def test_a_cell_that_needs_what_is_there_runs_and_shows_its_last_line(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "3" in run(shell, "# needs: clicked_on\n1 + 2", capsys)
    assert run(shell, "for _ in range(2):\n    print('a')\nx = 4", capsys) == "a\na\n"
    assert shell.user_ns["x"] == 4


def test_a_cell_that_needs_what_is_missing_is_skipped_and_so_is_all_that_builds_on_it(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(shell, "# needs: description, buy\nimport json\ntexts = shop.products['description']", capsys)
    assert said == "Skipped on this shop: it has no description, no buy.\n"
    assert run(shell, "json.dumps(1)", capsys).strip().endswith("'1'")
    said = run(shell, "def words():\n    return texts.str.split()\nlong = len(words())", capsys)
    assert said == "Skipped on this shop: this builds on a skipped cell (texts).\n"
    assert "long" in run(shell, "print(long)", capsys)
    assert run(shell, "texts = 5", capsys) == ""
    assert run(shell, "print(texts)", capsys) == "5\n"


def test_a_local_name_of_a_function_is_not_the_missing_one(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "# needs: truth\nrows = 1", capsys)
    assert run(shell, "def count(rows):\n    return len(rows)\nprint(count([1]))", capsys) == "1\n"


def test_what_goes_wrong_is_said_in_a_line_and_counts_as_missing(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run(shell, "cheap = shop.products['price'].min()", capsys)
    assert said == "This cell does not work on this shop: KeyError: 'price'\n"
    assert "builds on a skipped cell (cheap)" in run(shell, "cheap + 1", capsys)
    stopped = shell.user_ns["_own_shop_cells"].failed
    assert [(line, type(error)) for line, error in stopped] == [("cheap = shop.products['price'].min()", KeyError)]


def test_a_name_that_a_cell_binds_itself_is_not_the_missing_one(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "# needs: truth\ntitle = row = total = error = 1", capsys)
    assert run(shell, "title = 'a'\nprint(title)", capsys) == "a\n"
    run(shell, "# needs: truth\ntitle = row = total = error = 1", capsys)
    assert run(shell, "for row in 'ab':\n    print(row)", capsys) == "a\nb\n"
    assert run(shell, "def say():\n    return title\ntitle = 'b'\nprint(say())", capsys) == "b\n"
    assert "builds on a skipped cell (total)" in run(shell, "total += 1", capsys)
    assert run(shell, "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)", capsys) != ""


def test_what_a_cell_defined_before_it_went_wrong_is_there(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "old = 1", capsys)
    run(shell, "import json\nnames = ['a']\nold = cheap = shop.products['price'].min()", capsys)
    assert run(shell, "print(json.dumps(names))", capsys) == '["a"]\n'
    assert "builds on a skipped cell (cheap)" in run(shell, "cheap + 1", capsys)
    assert "builds on a skipped cell (old)" in run(shell, "old + 1", capsys)


def test_opening_another_shop_begins_anew(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    products = pd.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0]})
    events = pd.DataFrame({"user_id": "u", "item_id": ["a"], "event_type": "buy", "timestamp": [0]})
    run(shell, "# needs: price\ncheap = 0", capsys)
    cells.skip_cells(Shop.from_frames(products, events))
    assert run(shell, "# needs: price\ncheap = 0\nprint(cheap)", capsys) == "0\n"
    assert len(shell.ast_transformers) == 1


def test_without_a_notebook_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython")
    cells.skip_cells(Shop.from_sessions([["a", "b"]]))


def test_every_need_named_in_a_chapter_is_known() -> None:
    from pathlib import Path

    named = {
        (source.name, need)
        for source in (Path(__file__).parents[2] / "notebooks/src").glob("*.py")
        for cell in source.read_text().split("\n# %%")
        for need in cells.needs_of("\n".join(cell.split("\n")[1:]))
    }
    assert not {(name, need) for name, need in named if need not in cells.KNOWN}
