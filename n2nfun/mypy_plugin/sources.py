"""Whether an expression's value is surely the layer that its type was first told of.

mypy keeps for a variable the type of its first value, and with it what the plugin told of that. Where the variable is
assigned again, a function returns a changed copy, or another module may assign, the value is another.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mypy.checker import TypeChecker
from mypy.nodes import (
    AssignmentStmt,
    Block,
    CallExpr,
    ClassDef,
    Context,
    Decorator,
    Expression,
    ForStmt,
    FuncDef,
    IfStmt,
    MatchStmt,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OpExpr,
    OverloadedFuncDef,
    RefExpr,
    StarExpr,
    Statement,
    TryStmt,
    TupleExpr,
    Var,
    WhileStmt,
    WithStmt,
)
from mypy.patterns import (
    AsPattern,
    ClassPattern,
    MappingPattern,
    OrPattern,
    Pattern,
    SequencePattern,
    StarredPattern,
)
from mypy.plugin import CheckerPluginInterface

__all__ = ["vouched"]

_DEPTH = 20
"""So many names for one another are followed."""


def vouched(source: Context, api: CheckerPluginInterface, depth: int = 0) -> bool:
    """Say whether an expression's value is surely what its type tells."""
    match source:
        case OpExpr(op=">>"):
            return True
        case CallExpr(callee=RefExpr(fullname=fullname)):
            return fullname.startswith("n2nfun.")
        case NameExpr(node=Var() as variable):
            if not isinstance(api, TypeChecker) or depth == _DEPTH:
                return False
            value = _only_value(variable, api)
            return value is not None and vouched(value, api, depth + 1)
        case _:
            return False


class _File:
    """What the statements of a file assign, read once."""

    def __init__(self, statements: list[Statement], path: str) -> None:
        self.statements = statements
        self._values: dict[int, list[Expression | None]] = {}
        for target, value in _assignments(statements):
            self._values.setdefault(id(target.node), []).append(value)
        self._in_expressions = _assigned_in_expressions(path)

    def only_value(self, variable: Var) -> Expression | None:
        """Return what a variable is assigned, if it is assigned once."""
        values = self._values.get(id(variable), [])
        if len(values) != 1 or self._in_expressions is None or variable.name in self._in_expressions:
            return None
        return values[0]


class _Latest:
    """The file that was asked about last: mypy checks one after the other."""

    file: _File | None = None


def _only_value(variable: Var, checker: TypeChecker) -> Expression | None:
    """Return what a variable of the file that is checked is assigned, if it is assigned once."""
    module = variable.fullname.rpartition(".")[0]
    if module and not f"{module}.".startswith(f"{checker.tree.fullname}."):
        return None  # imported: its own file assigns it
    # The daemon puts a new list into the same tree when it reads a file again.
    if _Latest.file is None or _Latest.file.statements is not checker.tree.defs:
        _Latest.file = _File(checker.tree.defs, checker.path)
    return _Latest.file.only_value(variable)


def _assigned_in_expressions(path: str) -> frozenset[str] | None:
    """Return the names before a ``:=``, for which mypy's tree would have to be walked expression by expression."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None
    return frozenset(re.findall(r"\b(\w+)\s*:=", text))


def _assignments(statements: Iterable[Node]) -> Iterator[tuple[NameExpr, Expression | None]]:
    """Find the names that statements assign to, with what they are assigned where that is an expression of its own."""
    for statement in statements:
        match statement:
            case AssignmentStmt(lvalues=targets, rvalue=value):
                for target in targets:
                    yield from _names(target, value)
            case OperatorAssignmentStmt(lvalue=target) | ForStmt(index=target):
                yield from _names(target, None)
            case WithStmt(target=targets) | TryStmt(vars=targets):
                for one in targets:
                    yield from _names(one, None)
            case MatchStmt(patterns=patterns):
                for pattern in patterns:
                    yield from _captures(pattern)
            case _:
                pass
        yield from _assignments(_inside(statement))


def _names(target: Expression | None, value: Expression | None) -> Iterator[tuple[NameExpr, Expression | None]]:
    match target:
        case NameExpr():
            yield target, value
        case TupleExpr(items=items):
            for item in items:
                yield from _names(item, None)
        case StarExpr(expr=expr):
            yield from _names(expr, None)
        case _:
            pass


def _captures(pattern: Pattern | None) -> Iterator[tuple[NameExpr, None]]:
    """Find the names that a pattern binds."""
    name: NameExpr | None = None
    parts: Sequence[Pattern | None] = ()
    match pattern:
        case AsPattern(pattern=part, name=name):
            parts = (part,)
        case StarredPattern(capture=name):
            pass
        case OrPattern(patterns=parts) | SequencePattern(patterns=parts):
            pass
        case MappingPattern(values=parts, rest=name):
            pass
        case ClassPattern(positionals=positionals, keyword_values=keywords):
            parts = (*positionals, *keywords)
        case _:
            pass
    if name is not None:
        yield name, None
    for inner in parts:
        yield from _captures(inner)


def _inside(statement: Node) -> list[Node]:
    """List the statements that a compound statement consists of."""
    found: list[Node | None]
    match statement:
        case Block(body=body):
            found = list(body)
        case FuncDef(body=body) | ClassDef(defs=body):
            found = [body]
        case Decorator(func=function):
            found = [function]
        case OverloadedFuncDef(items=items):
            found = list(items)
        case IfStmt(body=bodies, else_body=otherwise):
            found = [*bodies, otherwise]
        case ForStmt(body=body, else_body=otherwise) | WhileStmt(body=body, else_body=otherwise):
            found = [body, otherwise]
        case WithStmt(body=body):
            found = [body]
        case TryStmt(body=body, handlers=handlers, else_body=otherwise, finally_body=last):
            found = [body, *handlers, otherwise, last]
        case MatchStmt(bodies=bodies):
            found = list(bodies)
        case _:
            found = []
    return [one for one in found if one is not None]
