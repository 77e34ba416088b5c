"""Run time says the same as the type checkers: accepted code runs and has the types it is said to have, misuse is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from beartype.door import is_bearable
from torch import Tensor

from n2nfun import NoParams
from n2nfun.testing.numbers import seeded
from tests.typing import accepts
from tests.typing.rejects import NETWORKS, UNSEEN, VALUES, Misuse


@pytest.mark.parametrize("misuse", [*NETWORKS, *VALUES, *UNSEEN], ids=lambda misuse: misuse.told[:70])
def test_run_time_refuses_what_is_misuse(misuse: Misuse) -> None:
    with pytest.raises(misuse.error) as caught:
        misuse.call()
    assert type(caught.value) is misuse.error
    assert "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])]) == misuse.told


def assert_is(value: object, kind: Any) -> object:
    """Stand in for ``assert_type``, which does nothing at run time."""
    assert is_bearable(value, kind), f"{value!r} is not a {kind}"
    return value


def test_accepted_code_has_its_types_at_run_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accepts, "assert_type", assert_is)
    x = torch.rand(1, 3, 8, 8, generator=seeded(0))
    accepts.layers(16)
    accepts.chains(16)
    accepts.many()
    accepts.values(seeded(0), x)
    accepts.training(seeded(0), x, tmp_path)
    accepts.ensembles(seeded(0), x)
    accepts.models(seeded(0))
    accepts.unknown(16, wide=True)
    accepts.unknown(16, wide=False)


def test_a_wrong_type_is_found_at_run_time() -> None:
    params = accepts.Grey().init(seeded(0)), torch.ones(1)
    assert_is(params, tuple[NoParams, Tensor])
    with pytest.raises(AssertionError, match="is not a"):
        assert_is(params, tuple[NoParams, NoParams])
