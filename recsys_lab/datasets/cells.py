"""On a shop of one's own a chapter runs to its end: cells that need what the shop lacks are skipped, and say so.

A cell names what it needs in its first line: `# needs: description, clicked_on`. For the simulated shop that is a
comment and no more.
"""

from __future__ import annotations

import ast
import re
import symtable
import sys
from collections.abc import Iterator
from typing import Any

from recsys_lab.datasets import schema
from recsys_lab.datasets.events import EVENT_TYPES
from recsys_lab.datasets.shop import Shop

NEEDS = re.compile(r"\s*#\s*needs:(.*)")
KNOWN = (
    *schema.PRODUCT_COLUMNS, *(f"shoppers.{name}" for name in schema.SHOPPER_COLUMNS),
    *(f"event.{name}" for name in schema.EVENT_COLUMNS), *EVENT_TYPES, "impressions", "truth",
)  # fmt: skip
"""What a cell can need: what `Shop.lacks` can name, and the truth, which only the simulated shop has."""


def needs_of(source: str) -> tuple[str, ...]:
    """What the first line of a cell says that it needs.

    >>> needs_of("# needs: price, truth\\nprint(1)"), needs_of("print(1)")
    (('price', 'truth'), ())
    """
    found = NEEDS.match(source.lstrip().split("\n", 1)[0])
    return tuple(name.strip() for name in found.group(1).split(",") if name.strip()) if found else ()


def used_names(source: str) -> set[str]:
    """The global names that a cell reads before it binds them itself, also inside its functions.

    >>> sorted(used_names("title = f(old)\\nfor row in rows:\\n    show(title, row)"))
    ['f', 'old', 'rows', 'show']
    """
    body = ast.parse(source).body
    now: set[str] = set()
    later: set[str] = set()  # when the functions are called, all of the cell may be there
    bound: set[str] = set()
    for part in body:
        mine = bound_names([part])
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            later |= _read_by(part)
        else:
            blocks = isinstance(part, ast.For | ast.With | ast.Try)  # which read the names that they bind
            now |= _read_by(part) - bound - (mine if blocks else set())
        bound |= mine
    return now | (later - bound)


def _read_by(part: ast.stmt) -> set[str]:
    """The global names that a statement reads, in whatever order."""

    def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
        yield table
        for inner in table.get_children():
            yield from tables(inner)

    changed = {part.target.id} if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name) else set()
    return changed | {
        symbol.get_name()
        for table in tables(symtable.symtable(ast.unparse(part), "cell", "exec"))
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global())
    }


def bound_names(body: list[ast.stmt]) -> set[str]:
    """The global names that a cell defines."""
    source = ast.unparse(ast.Module(body, type_ignores=[]))
    table = symtable.symtable(source, "cell", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


class OwnShopCells(ast.NodeTransformer):
    """Changes each cell before it runs: skip it, or say in one line what went wrong and go on.

    An `ast_transformers` member of IPython. `skipped` holds (first line of the cell, why) in order, `missing` the names
    that skipped cells would have defined: a cell that reads one of them is skipped as well.
    """

    def __init__(self, shop: Shop) -> None:
        self.lacks = {*shop.lacks, "truth"}
        self.source = ""
        self.missing: set[str] = set()
        self.skipped: list[tuple[str, str]] = []
        self.failed: list[tuple[str, BaseException]] = []
        self._held: dict[str, Any] = {}

    def before(self, info: Any) -> None:
        """IPython's event `pre_run_cell`: the cell as it was written, with its comments."""
        self.source = info.raw_cell
        self._held = dict(_names())

    def visit_Module(self, cell: ast.Module) -> ast.Module:
        """The cell, to be run so that it cannot stop the chapter; or, where it is skipped, the line that says why."""
        if not cell.body:
            return cell
        why = self._why_not(cell)
        if why is None:
            self.missing -= bound_names(cell.body)
            return self._caught(cell)
        kept = [part for part in cell.body if self._harmless(part)]
        self.missing |= bound_names(cell.body) - (bound_names(kept) if kept else set())
        self.skipped.append((self.source.strip().split("\n")[0], why))
        return _module([*kept, *ast.parse(f"print({f'Skipped on this shop: {why}.'!r})").body])

    def _why_not(self, cell: ast.Module) -> str | None:
        without = [name for name in needs_of(self.source) if name in self.lacks]
        if without:
            return f"it has no {', no '.join(without)}"
        gone = sorted(self.missing & used_names(ast.unparse(cell)))
        return f"this builds on a skipped cell ({', '.join(gone)})" if gone else None

    def _harmless(self, part: ast.stmt) -> bool:
        """Imports and definitions, which other cells may need and which read nothing of the shop by themselves."""
        if isinstance(part, ast.Import | ast.ImportFrom):
            return True
        return isinstance(part, ast.FunctionDef | ast.ClassDef) and not self.missing & used_names(ast.unparse(part))

    def _caught(self, cell: ast.Module) -> ast.Module:
        last = cell.body[-1]
        if isinstance(last, ast.Expr):  # inside `try` IPython would not show it
            show = ast.parse("__import__('sys').displayhook(0)").body[0]
            show.value.args = [last.value]  # type: ignore[attr-defined]
            cell.body[-1] = show
        catch = ast.parse("try:\n    pass\nexcept Exception as _error:\n    _own_shop_cells.stopped(_error)").body[0]
        assert isinstance(catch, ast.Try)
        self._defines = bound_names(cell.body)
        imports: list[ast.stmt] = [part for part in cell.body if isinstance(part, ast.Import | ast.ImportFrom)]
        self._imports = bound_names(imports) if imports else set()
        catch.body = cell.body
        return _module([catch])

    def stopped(self, error: BaseException) -> None:
        """One line in place of a traceback; what the cell was to define and did not counts as missing."""
        self.failed.append((self.source.strip().split("\n")[0], error))
        names, nothing = _names(), object()
        came = {name for name in self._defines if names.get(name, nothing) is not self._held.get(name, nothing)}
        self.missing |= self._defines - came - {name for name in self._imports if name in names}
        said = str(error).strip().split("\n")[0] or "no more is said"
        print(f"This cell does not work on this shop: {type(error).__name__}: {said}")


def _names() -> dict[str, Any]:
    """What the notebook has named so far."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return {} if shell is None else shell.user_ns


def _module(body: list[ast.stmt]) -> ast.Module:
    return ast.fix_missing_locations(ast.Module(body, type_ignores=[]))


def skip_cells(shop: Shop) -> None:
    """From the next cell on, in a notebook: cells that this shop cannot fill are skipped. Elsewhere nothing happens."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    old = shell.user_ns.get("_own_shop_cells")
    if isinstance(old, OwnShopCells):  # the chapter is run again, perhaps on another shop
        shell.events.unregister("pre_run_cell", old.before)
        shell.ast_transformers.remove(old)
    cells = OwnShopCells(shop)
    shell.user_ns["_own_shop_cells"] = cells
    shell.ast_transformers.append(cells)
    shell.events.register("pre_run_cell", cells.before)
