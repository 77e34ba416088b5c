"""Nobody picks a tolerance by hand: what is compared is equal to the bit, or within a bound that the test derives."""

import ast
import doctest
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(file for folder in ("n2nfun", "tests", "examples") for file in (ROOT / folder).rglob("*.py"))
NEAR = frozenset({"allclose", "isclose", "approx", "assert_close", "assert_allclose", "assert_almost_equal"})
"""Comparisons that have a tolerance even where none is named."""
TOLERANCES = frozenset({"rtol", "atol", "rel_tol", "abs_tol"})


def examples(text: str) -> str:
    """Return the code of the examples in a text."""
    return "".join(example.source for example in doctest.DocTestParser().get_examples(text))


def _literal(node: ast.expr) -> float | None:
    """Return the number that an expression of numbers alone stands for."""
    if any(isinstance(part, ast.Name | ast.Attribute | ast.Call | ast.Subscript) for part in ast.walk(node)):
        return None
    try:
        value: object = eval(ast.unparse(node), {})
    except (ArithmeticError, TypeError, SyntaxError):
        return None
    return float(value) if isinstance(value, int | float) else None


def _is_a_distance(node: ast.expr) -> bool:
    """Tell whether an absolute value is taken somewhere."""
    return any(
        isinstance(part, ast.Name | ast.Attribute) and (part.id if isinstance(part, ast.Name) else part.attr) == "abs"
        for part in ast.walk(node)
    )


def _compares_with_a_number(node: ast.Compare) -> bool:
    """Tell whether a distance is required to be below a small number that was picked."""
    parts = [node.left, *node.comparators]
    for (one, other), order in zip(pairwise(parts), node.ops, strict=True):
        less, more = (other, one) if isinstance(order, ast.Gt | ast.GtE) else (one, other)
        if _is_a_distance(less) and 0 < (_literal(more) or 0) < 0.1:
            return True
    return False


def tolerances(code: str) -> list[int]:
    """List the lines on which a tolerance is picked, those of examples in texts as where the text begins."""
    found: list[int] = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) if name in NEAR:
                found.append(node.lineno)
            case ast.ImportFrom(names=names) if any(name.name in NEAR for name in names):
                found.append(node.lineno)
            case ast.keyword(arg=name) if name in TOLERANCES:
                found.append(node.lineno)
            case ast.Compare() if _compares_with_a_number(node):
                found.append(node.lineno)
            case ast.Constant(value=str(text)) if ">>>" in text:
                found += [node.lineno] * len(tolerances(examples(text)))
            case _:
                pass
    return sorted(found)


PICKED = [
    "assert torch.allclose(x, y)",
    "from torch.testing import assert_close",
    "assert x == pytest.approx(y)",
    "assert math.isclose(x, y, rel_tol=1e-6)",
    "np.testing.assert_allclose(x, y)",
    "check(x, y, atol=bound)",
    "assert abs(x - y) < 1e-6",
    "assert (x - y).abs().max() <= 10**-3",
    'def f():\n    """Add.\n\n    >>> torch.allclose(f(), x)\n    True\n    """',
    "assert 1e-6 > abs(x - y)",
    "'''\n>>> abs(x - y) < 0.01\nTrue\n'''",
]
DERIVED = [
    "assert torch.equal(x, y)",
    "assert bool(((x - y).abs() <= bound).all())",
    "assert abs(x - y) <= 3 * unit_roundoff(dtype)",
    "assert abs(x) <= 1",
    "large = abs(x) > 0.01",
    "assert 0 < share < 0.01",
    '"""Never torch.allclose."""',
]


@pytest.mark.parametrize("code", PICKED)
def test_a_tolerance_is_found(code: str) -> None:
    assert tolerances(code)


@pytest.mark.parametrize("code", DERIVED)
def test_a_bound_is_left_alone(code: str) -> None:
    assert tolerances(code) == []


def test_no_tolerance_is_picked_by_hand() -> None:
    found = {
        str(file.relative_to(ROOT)): lines
        for file in SOURCES
        if file != Path(__file__) and (lines := tolerances(file.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert len(SOURCES) > 100


def test_none_is_picked_in_the_readme() -> None:
    assert tolerances(examples((ROOT / "README.md").read_text(encoding="utf-8"))) == []
