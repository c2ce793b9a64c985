"""Mutants of a solution: the same code with one small mistake. A check that lets one pass does not check that.

>>> [mutant.line for mutant in mutants("share = clicks / shown")]
['share = clicks * shown', 'share = shown / clicks']
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

SWAPPED_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
SWAPPED_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
}  # fmt: skip
OPPOSITES = ({"min", "max"}, {"argmin", "argmax"}, {"idxmin", "idxmax"}, {"head", "tail"}, {"any", "all"})
ARRANGING = {"sorted", "reversed", "sort", "unique", "abs"}
"""Functions whose call may be dropped: `sorted(x)` and `np.sort(x)` become x."""


@dataclass(frozen=True)
class Mutant:
    """A mutated source, and the first line that differs (as `ast.unparse` writes it), to name the mutant by."""

    source: str
    line: str


def mutants(source: str) -> Iterator[Mutant]:
    """All mutants of `source`, each once: one operator, sign, comparison, number, axis, call or branch changed."""
    tree = ast.parse(source)
    plain = ast.unparse(tree)
    modules = {
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {"np", "pd"}
    seen = {plain}
    for at, node in enumerate(ast.walk(tree)):
        for changed in _changes(node, modules):
            mutated = ast.unparse(ast.fix_missing_locations(_replaced(tree, at, changed)))
            if mutated not in seen:
                seen.add(mutated)
                yield Mutant(mutated, _first_difference(plain, mutated))


def _replaced(tree: ast.Module, at: int, changed: ast.AST) -> ast.Module:
    """A copy of `tree` with `changed` in place of node number `at` of `ast.walk`."""
    tree = copy.deepcopy(tree)
    target = list(ast.walk(tree))[at]

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return copy.deepcopy(changed) if node is target else self.generic_visit(node)

    Replace().visit(tree)  # in place: the module itself is never replaced
    return tree


def _first_difference(plain: str, mutated: str) -> str:
    before, after = plain.splitlines(), mutated.splitlines()
    at = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(after) - 1)
    line = after[at].strip()
    return f"{after[at - 1].strip()} pass" if line == "pass" else line


def _changes(node: ast.AST, modules: set[str]) -> Iterator[ast.AST]:
    """What `node` may be mistaken for."""
    if isinstance(node, ast.BinOp):
        yield from _operation(node)
    elif isinstance(node, ast.AugAssign) and type(node.op) in SWAPPED_OPERATORS:
        yield _with(node, op=SWAPPED_OPERATORS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.Compare):
        for swapped in SWAPPED_COMPARISONS[type(node.ops[0])]:
            yield _with(node, ops=[swapped(), *node.ops[1:]])
    elif isinstance(node, ast.Constant):
        yield from _constant(node.value)
    elif isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.Constant):
        yield _with(node, value=ast.Constant(0 if node.value.value in (1, -1) else 1))
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield node.value
    elif isinstance(node, ast.If):
        yield _with(node, body=[ast.Pass()])
    elif isinstance(node, ast.Call):
        yield from _call(node, modules)


def _operation(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in SWAPPED_OPERATORS:
        yield _with(node, op=SWAPPED_OPERATORS[type(node.op)]())
    if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Pow | ast.Mod):
        yield _with(node, left=node.right, right=node.left)


def _constant(value: object) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        for changed in (value + 1, value - 1, -value):
            yield ast.Constant(changed)


def _call(node: ast.Call, modules: set[str]) -> Iterator[ast.AST]:
    """A keyword left out, the call of a method left out, or the opposite function called."""
    for at in range(len(node.keywords)):
        yield _with(node, keywords=node.keywords[:at] + node.keywords[at + 1 :])
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ARRANGING and node.args:
        yield node.args[0]
    for pair in OPPOSITES:
        for other in pair - {name} if name in pair else ():
            field = {"attr": other} if isinstance(node.func, ast.Attribute) else {"id": other}
            yield _with(node, func=_with(node.func, **field))
    if isinstance(node.func, ast.Attribute):
        receiver = node.func.value
        if not (isinstance(receiver, ast.Name) and receiver.id in modules):
            yield receiver


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """A shallow copy of `node` with other fields."""
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
