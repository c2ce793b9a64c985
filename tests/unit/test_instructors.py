"""The instructors' notes: tables made from the chapters, parts that exist, cut lists that fit into their time."""

import re
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

pytest.importorskip("jupytext", reason="jupytext is not installed (requirements-dev.txt)")

from tools.chapters.project import Project
from tools.instructors.__main__ import INDEX, NOTES, main, pages
from tools.instructors.cuts import RESERVE, Cut, read_cuts
from tools.instructors.parts import ROOT, Taught, read, shared_out

HEADINGS = [
    "In one sentence",
    "Why in this order",
    "The parts",
    "The first two minutes",
    "When you are late",
    "Questions that come",
    "Where people get stuck",
    "The exercises",
    "Before class",
]
NUMBERS = [name[:2] for name in Project(ROOT).names()]
CUT_MINUTES = {"45": 45, "90": 90, "180": 180, "day": 480}
every_chapter = pytest.mark.parametrize("number", NUMBERS)
every_cut = pytest.mark.parametrize("name", CUT_MINUTES)
NAMES = r"0\d|10|200|202|404|503|127\.0\.0\.1"  # chapters, answers of a web server, this computer: no measurements
LONGEST_STRETCH = 90  # minutes without a break
LINES_TO_SAY = 25  # of a notes file at least, without its tables


@cache
def chapters() -> dict[str, Taught]:
    """Read once: it takes some seconds."""
    return {chapter.number: chapter for chapter in read()}


@cache
def cuts() -> dict[str, Cut]:
    return {cut.name: cut for cut in read_cuts(list(chapters().values()))}


def notes(number: str) -> str:
    return (NOTES / f"{number}.md").read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """What stands below each heading of level 2."""
    found = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def by_hand(text: str) -> str:
    """A page without the tables that are made."""
    return re.sub(r"<!-- ([\w ]+) -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)


def test_every_chapter_has_notes_and_nothing_else_does() -> None:
    assert sorted(path.stem for path in NOTES.glob("*.md")) == NUMBERS


def test_the_tables_are_up_to_date() -> None:
    behind = [
        path.name for path, text in pages(list(chapters().values())).items() if path.read_text(encoding="utf-8") != text
    ]
    assert not behind, f"python -m tools.instructors makes them anew: {', '.join(behind)}"


def test_check_sees_a_table_that_is_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "docs" / "instructors"
    folder.mkdir(parents=True)
    (folder / "00.md").write_text(notes("00").replace("| **all** | ", "| **all** | 9"), encoding="utf-8")
    monkeypatch.setattr("tools.instructors.__main__.read", lambda: list(chapters().values()))
    monkeypatch.setattr("tools.instructors.__main__.ROOT", tmp_path)
    monkeypatch.setattr("tools.instructors.__main__.NOTES", folder)
    monkeypatch.setattr("tools.instructors.__main__.INDEX", tmp_path / "INSTRUCTORS.md")
    assert main(["--check"]) == 1
    assert "docs/instructors/00.md" in capsys.readouterr().err
    assert main([]) == 0
    assert (folder / "00.md").read_text(encoding="utf-8") == notes("00")


@every_chapter
def test_minutes_are_the_cards(number: str) -> None:
    chapter = chapters()[number]
    assert chapter.minutes == chapter.chapter.card.minutes
    assert [task.number for task in chapter.tasks] == list(range(1, len(chapter.chapter.exercises()) + 1))
    assert all(task.minutes > 0 and task.lines > 0 for task in chapter.tasks)
    empty = [part.title for part in chapter.parts if part.words + part.lines and not part.minutes]
    assert not empty


@every_chapter
def test_seconds_add_up_to_the_cards(number: str) -> None:
    chapter = chapters()[number]
    measured = [part.seconds for part in chapter.parts if part.seconds is not None]
    assert sum(measured) == chapter.stated_seconds, "python -m tools.instructors --measure has not run this chapter"


@every_chapter
def test_notes_have_all_headings(number: str) -> None:
    chapter = chapters()[number]
    text = notes(number)
    assert text.startswith(f"# Teaching chapter {chapter.number}: {chapter.chapter.card.title}\n")
    assert list(sections(text)) == HEADINGS
    assert all(by_hand(said).strip() for title, said in sections(text).items() if title != "The parts")
    assert len(by_hand(text).splitlines()) >= LINES_TO_SAY


@every_chapter
def test_parts_to_leave_out_exist(number: str) -> None:
    chapter = chapters()[number]
    late = sections(notes(number))["When you are late"]
    named = [" ".join(name.split()) for name in re.findall(r"\*\*(.+?)\*\*", late, re.DOTALL)]
    known = {part.title for part in chapter.parts}
    known |= {part.title.partition(".")[0] for part in chapter.parts if re.match(r"\d\. ", part.title)}  # **2** of six
    assert len(named) >= 3
    assert [name for name in named if name not in known] == []


@every_chapter
def test_every_exercise_has_a_way_to_run_it(number: str) -> None:
    chapter = chapters()[number]
    said = re.findall(r"^- \*\*Exercise (\d+)\*\*", sections(notes(number))["The exercises"], re.MULTILINE)
    assert [int(number) for number in said] == [task.number for task in chapter.tasks]


@every_chapter
def test_questions_and_places_to_get_stuck(number: str) -> None:
    parts = sections(notes(number))
    assert 3 <= len(re.findall(r"^- \*[^*]", parts["Questions that come"], re.MULTILINE)) <= 6
    assert len(re.findall(r"^- \*\*", parts["Where people get stuck"], re.MULTILINE)) >= 4


def numbers_in_prose(text: str, titles: list[str]) -> list[str]:
    """Numbers of two digits and more that are no chapter's: such a number belongs in a table that is made.

    Left out are headings, code, addresses of links, tables by hand, and titles of parts.
    """
    text = by_hand(text)
    for pattern in (r"^#.*$", r"^\|.*$", r"```.*?```", r"`[^`]*`", r"\]\([^)]*\)"):
        text = re.sub(pattern, " ", text, flags=re.MULTILINE | (re.DOTALL if "```" in pattern else 0))
    text = " ".join(text.split())
    for title in sorted(titles, key=len, reverse=True):
        text = text.replace(title, " ")
    found = re.findall(r"(?<![\w@.,/-])\d[\d.,]*\d(?!\w)|\d+ ?%", text)
    return [number for number in found if not re.fullmatch(NAMES, number)]


def test_no_number_in_prose() -> None:
    titles = [part.title for chapter in chapters().values() for part in chapter.parts]
    for path in [INDEX, *sorted(NOTES.glob("*.md"))]:
        assert numbers_in_prose(path.read_text(encoding="utf-8"), titles) == [], path.name
    assert numbers_in_prose("It has 0.43, 1,200 and 7 %; chapter 05, NDCG@10, `x = 25` and 3 do not count.", []) == [
        "0.43",
        "1,200",
        "7 %",
    ]


def test_links_of_the_pages_lead_somewhere() -> None:
    for path in [INDEX, *NOTES.glob("*.md")]:
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8"))
        assert targets
        assert [target for target in targets if not (path.parent / target).exists()] == [], path.name


@every_cut
def test_a_cut_list_fits_into_its_time(name: str) -> None:
    cut = cuts()[name]
    assert cut.used == sum(row.minutes for row in cut.rows)
    assert 0.75 * cut.minutes <= cut.used <= (1 - RESERVE) * cut.minutes
    assert all(row.minutes > 0 for row in cut.rows)
    stretches = [
        sum(row.minutes for row in rows)
        for rest, rows in groupby(cut.rows, lambda row: row.kind == "break")
        if not rest
    ]
    assert max(stretches) <= LONGEST_STRETCH


@every_cut
def test_a_cut_list_follows_the_course(name: str) -> None:
    cut = cuts()[name]
    taught = [row for row in cut.rows if row.chapter]
    assert [row.chapter for row in taught] == sorted(row.chapter for row in taught)
    for number, group in groupby(taught, key=lambda row: row.chapter):
        rows = list(group)
        order = [part.title for part in chapters()[number].parts]
        parts = [row.what for row in rows if row.kind == "part"]
        assert parts == sorted(set(parts), key=order.index)
        for row in rows:  # who does an exercise has read its task
            if row.kind == "exercise":
                task = chapters()[number].tasks[int(row.what.split()[-1]) - 1]
                assert task.title in parts


def test_every_cut_list_has_a_story() -> None:
    text = INDEX.read_text(encoding="utf-8")
    assert {cut.name: cut.minutes for cut in cuts().values()} == CUT_MINUTES
    for cut in cuts().values():
        before = text[: text.index(f"<!-- cut {cut.name} -->")]
        story = before[before.rindex("\n### ") :]
        for said in ("**What people can do afterwards:**", "**What is lost:**", "**Breaks:**"):
            assert said in story, cut.name


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="chapter 00 has no part 'The truth'; it has: The shop's question"):
        chapters()["00"].find("The truth")
    path = tmp_path / "cuts.toml"
    for step, message in (
        ('{ chapter = "99", parts = [] }', "no chapter '99'"),
        ('{ chapter = "00", exercises = [7] }', "chapter 00 has no exercise 7"),
        ('{ chapter = "00", parts = ["Nowhere"] }', "has no part 'Nowhere'"),
    ):
        path.write_text(f"[short]\nminutes = 5\nsteps = [{step}]\n", encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            read_cuts(list(chapters().values()), path)


def test_a_part_with_all_below_it(tmp_path: Path) -> None:
    path = tmp_path / "cuts.toml"
    title = "Break it: five ways to fool yourself"
    path.write_text(
        f'[all]\nminutes = 9\nsteps = [{{ chapter = "00", parts = ["{title} …", "{title}"] }}]\n', encoding="utf-8"
    )
    whole, alone = read_cuts(list(chapters().values()), path)[0].rows
    parts = chapters()["00"].parts
    assert alone.minutes == next(part.minutes for part in parts if part.title == title)
    assert whole.minutes == alone.minutes + sum(part.minutes for part in parts if re.match(r"\d\. ", part.title))


def test_shared_out() -> None:
    assert shared_out(35, [1.0, 1.0, 5.0, 0.0]) == [5, 5, 25, 0]
    assert shared_out(4, [100.0, 0.1, 0.1]) == [2, 1, 1]  # nobody with something to say goes without
    with pytest.raises(ValueError, match="cannot be shared out"):
        shared_out(1, [1.0, 1.0])


def test_the_page_of_the_course_is_where_it_says() -> None:
    assert INDEX == ROOT / "INSTRUCTORS.md"
