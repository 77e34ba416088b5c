"""Whether an expression's value is surely the layer that its type was first told of.

mypy keeps for a variable the type of its first value, and with it what the plugin told of that. Where the variable is
assigned again, a function returns a changed copy, or another module may assign, the value is another.
"""

import re
from collections.abc import Iterable, Iterator
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
    TryStmt,
    TupleExpr,
    Var,
    WhileStmt,
    WithStmt,
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
        case RefExpr(node=Var() as variable):
            if variable.is_final:
                return True
            if not isinstance(source, NameExpr) or not isinstance(api, TypeChecker) or depth == _DEPTH:
                return False
            value = _only_value(variable, api)
            return value is not None and vouched(value, api, depth + 1)
        case _:
            return False


def _only_value(variable: Var, checker: TypeChecker) -> Expression | None:
    """Return what a variable is assigned, if it is assigned once in the file."""
    values = [value for target, value in _assignments(checker.tree.defs) if target.node is variable]
    if len(values) != 1 or _is_assigned_in_an_expression(variable.name, checker.path):
        return None
    return values[0]


def _is_assigned_in_an_expression(name: str, path: str) -> bool:
    """Say whether a file has ``name :=``, for which mypy's tree would have to be walked expression by expression."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return True
    return re.search(rf"\b{re.escape(name)}\s*:=", text) is not None


def _assignments(statements: Iterable[Node]) -> Iterator[tuple[NameExpr, Expression | None]]:
    """Find the names that statements assign to, with what they are assigned where that is an expression of its own."""
    for statement in statements:
        match statement:
            case AssignmentStmt(lvalues=targets, rvalue=value):
                for target in targets:
                    yield from _names(target, value)
            case OperatorAssignmentStmt(lvalue=target) | ForStmt(index=target):
                yield from _names(target, None)
            case WithStmt(target=targets):
                for one in targets:
                    yield from _names(one, None)
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
