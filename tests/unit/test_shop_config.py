"""The settings of a live shop: from a file, by hand, and what is wrong with them in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys_lab.shop import ConfigError, Settings
from recsys_lab.shop.reach import quick
from recsys_lab.shop.trained import makes, wanted
from recsys_lab.spaces.aspects import APPEAL, LIKENESS


def test_what_is_left_out_is_as_usual(tmp_path: Path) -> None:
    assert Settings().state == "memory://" and Settings().weights == {**LIKENESS, **APPEAL}
    loaded = Settings.load(folder=tmp_path)
    assert loaded.state == f"sqlite://{tmp_path}/live.db" and loaded.folder == tmp_path
    assert Settings.load().state == "memory://"


def test_a_file_and_what_is_given_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(
        f"""
        state = "redis://localhost/0"
        switch = ["live", "markov"]
        idle_minutes = 20
        folder = "{tmp_path / "kept"}"
        [surfaces]
        similar = "markov"
        [weights]
        style = 2
        """
    )
    loaded = Settings.load(path)
    assert loaded.switch == ("live", "markov") and loaded.folder == tmp_path / "kept" and loaded.idle_minutes == 20
    assert loaded.surfaces["similar"] == "markov" and loaded.surfaces["for-you"] == "live"
    assert loaded.weights == {"style": 2} and loaded.state == "redis://localhost/0"
    assert Settings.load(path, state="memory://", store=None).state == "memory://"
    assert list(wanted(loaded)) == [makes("markov", "similar")]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("colour = 1", "colour: there is no such setting"),
        ("idle_minutes = '9'", "idle_minutes: '9' is not a number"),
        ("idle_minutes = true", "idle_minutes: True is not a number"),
        ("idle_minutes = 0", "idle_minutes: 0 is no pause"),
        ("idle_minutes = nan", "idle_minutes: nan"),
        ("switch = 'live'", "switch: 'live' is not a list of texts"),
        ("switch = []", "switch: names no recommender"),
        ("weights = {style = 'much'}", "weights: .* is not a table of numbers"),
        ("weights = {style = inf}", "weights: .* is not a table of numbers"),
        ("surfaces = {window = 'live'}", "surfaces: there is no surface 'window'"),
        ("surfaces = {lookalikes = 'popular'}", "lookalikes is a question of its own"),
        ("encoder = 1", "encoder: 1 is not a true or false"),
        ("state = 3", "state: 3 is not a text"),
        ("state = 'sqlite:///tmp/live.db'", "folder: none is given"),
        ("state = ", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rule) as error:
        Settings.load(path)
    assert str(error.value).startswith(str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.load(tmp_path / "shop.toml")


def test_names_of_recommenders() -> None:
    assert makes("next event-weighted") is not makes("event-weighted", "for-you")
    assert makes("event-weighted", "similar") is makes("next event-weighted")
    with pytest.raises(ConfigError, match="there is no recommender 'magic'"):
        makes("magic")


def test_servers_are_not_waited_for_long() -> None:
    assert quick("redis://h/0?socket_timeout=9") == "redis://h/0?socket_timeout=9"
    assert "socket_connect_timeout=1" in quick("redis://h/0?protocol=3")
