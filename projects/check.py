"""Hold a project to its contract: python projects/check.py 00

Without more it reads the project's starter.py, where you write. `--file mine.py` takes another file, `--solution` the
worked one, and `--measure` asks the simulated shop when the contract holds. The project of chapter 05 has a contract of
its own (see its README).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # recsys_lab of this clone, installed or not


@dataclass(frozen=True)
class Told:
    """What became of one part of a contract: `state` is "holds", "to write", "not yet" or "error"."""

    rule: str
    state: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.state:>8}  {self.rule}" + (f"\n{'':10}{self.why}" if self.why else "")


def folder_of(number: str) -> Path:
    """The folder of a project by its two digits. Raises `SystemExit` where there is none with a contract.py."""
    found = sorted(HERE.glob(f"{number}_*/contract.py"))
    if not found:
        known = ", ".join(sorted(path.parent.name[:2] for path in HERE.glob("*/contract.py")))
        raise SystemExit(
            f"project {number!r}: there is no contract of it here; there are {known};"
            " 05 has tests of its own: projects/05_lancedb/README.md"
        )
    return found[0].parent


def load(path: Path, name: str) -> ModuleType:
    """A file as a module. It is read anew each time."""
    if not path.is_file():
        raise SystemExit(f"{path} is not there; give --file the file that you write in")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made  # dataclasses look themselves up there
    spec.loader.exec_module(made)
    return made


def rules(contract: ModuleType) -> list[tuple[str, Callable[[ModuleType], None]]]:
    """The parts of a contract in their order: the first line of each docstring, and the function that asks."""
    asked = [one for name, one in vars(contract).items() if name.startswith("check_")]
    return [((one.__doc__ or one.__name__).strip().splitlines()[0].rstrip("."), one) for one in asked]


def ask(contract: ModuleType, mine: ModuleType) -> Iterator[Told]:
    """Each part of the contract, asked of a file."""
    for rule, one in rules(contract):
        try:
            one(mine)
        except NotImplementedError as error:
            yield Told(rule, "to write", str(error))
        except AssertionError as error:
            yield Told(rule, "not yet", str(error) or "see the check in contract.py")
        except Exception as error:  # a learner's code may raise anything, and the other parts are asked all the same
            *_, last = traceback.extract_tb(error.__traceback__)
            yield Told(rule, "error", f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})")
        else:
            yield Told(rule, "holds")


def main(given: Sequence[str] | None = None) -> int:
    """0 when the whole contract holds, else 1."""
    parser = argparse.ArgumentParser(prog="projects/check.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", help="the two digits of the chapter, for example 00")
    parser.add_argument("--file", type=Path, help="the file to check (starter.py of the project)")
    parser.add_argument("--solution", action="store_true", help="check the worked solution")
    parser.add_argument("--measure", action="store_true", help="then ask the simulated shop")
    asked = parser.parse_args(given)
    folder = folder_of(asked.project)
    worked = folder / "solution" / f"project_{asked.project}.py"
    path = worked if asked.solution else asked.file or folder / "starter.py"
    try:
        contract = load(folder / "contract.py", f"contract_{asked.project}")
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"projects/check.py needs {error.name}, which {sys.executable} does not have; take the course's Python:"
            f" .venv/bin/python projects/check.py {asked.project}, or make project NAME={asked.project}"
        ) from None
    told = []
    for one in ask(contract, mine := load(path.resolve(), f"mine_{asked.project}")):
        print(one, flush=True)
        told.append(one)
    held = sum(one.state == "holds" for one in told)
    print(f"\n{path.name}: {held} of {len(told)} parts of the contract hold.")
    if held < len(told):
        print(f"projects/{folder.name}/README.md says what each part is for.")
        if asked.measure:
            print("Nothing was measured: the shop is asked when all parts hold.")
        return 1
    if asked.measure:
        contract.measure(mine)
    else:
        print("Now the same with --measure, and three sentences on what it says.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
