"""The generated tables of the instructors' notes."""

from __future__ import annotations

from collections.abc import Sequence

from tools.instructors.parts import Part, Taught

_INDENT = "↳ "


def parts_table(chapter: Taught) -> str:
    """What stands between `<!-- parts -->` and `<!-- /parts -->`: one line for each part, and the sum."""
    lines = [
        "| part | teach | exercise | what happens | its cells run |",
        "|---|---|---|---|---|",
    ]
    for part in chapter.parts:
        title = (_INDENT if part.level == 3 else "") + part.title.replace("|", "\\|")
        exercise = f"{part.exercise_minutes} min" if part.exercises else ""
        cells = [title, _minutes(part.minutes), exercise, happens(part), _seconds(part)]
        lines.append("| " + " | ".join(cells) + " |")
    run = f"{chapter.stated_seconds} s" if chapter.stated_seconds else ""
    total = ["**all**", f"{chapter.minutes} min", f"{chapter.exercise_minutes} min", "", run]
    lines.append("| " + " | ".join(total) + " |")
    return "\n".join(lines)


def exercises_table(chapter: Taught) -> str:
    """What stands between `<!-- exercises -->` and `<!-- /exercises -->`."""
    lines = [
        "| exercise | minutes | difficulty | lines to write | hints | wrong answers that it knows |",
        "|---|---|---|---|---|---|",
    ]
    for task in chapter.tasks:
        # An exercise that has no heading of its own is called by the part in which it stands.
        title = (
            task.title
            if task.title.startswith(f"Exercise {task.number}")
            else f"Exercise {task.number}, in {task.title}"
        )
        cells = [title, f"{task.minutes} min", task.difficulty or "", task.lines, task.hints, task.wrong]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def happens(part: Part) -> str:
    """What is on the screen in a part, in words."""
    said = [counted(part.code_cells, "code cell")] if part.code_cells else []
    if part.exercises:
        said.append(" and ".join(f"exercise {number}" for number in part.exercises))
    if part.charts:
        said.append(counted(part.charts, "chart"))
    return ", ".join(said) or ("text" if part.words else "")


def counted(number: int, what: str) -> str:
    """A number and its noun.

    >>> counted(1, "chart"), counted(2, "code cell")
    ('1 chart', '2 code cells')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def index_table(chapters: Sequence[Taught]) -> str:
    """The chapters with their notes, minutes and seconds, for INSTRUCTORS.md."""
    lines = [
        "| | chapter | notes | teach | exercises | to run |",
        "|---|---|---|---|---|---|",
    ]
    for chapter in chapters:
        name, card = chapter.chapter.name, chapter.chapter.card
        cells = [
            chapter.number,
            f"[{card.title}](notebooks/{name}.ipynb)",
            f"[notes for {chapter.number}](docs/instructors/{chapter.number}.md)",
            f"{chapter.minutes} min",
            f"{chapter.exercise_minutes} min",
            f"{chapter.stated_seconds} s" if chapter.stated_seconds else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    teach = sum(chapter.minutes for chapter in chapters)
    exercises = sum(chapter.exercise_minutes for chapter in chapters)
    lines.append(f"| | **all** | | {teach} min | {exercises} min | |")
    return "\n".join(lines)


def _minutes(minutes: int) -> str:
    return f"{minutes} min" if minutes else ""


def _seconds(part: Part) -> str:
    if not part.code_cells or part.seconds is None:
        return ""
    return f"{part.seconds} s" if part.seconds else "under 1 s"
