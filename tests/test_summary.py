"""The table of a network, to the letter."""

from typing import Any

import pytest

from n2nfun.compose import residual, sequential
from n2nfun.layer import ShapeError
from n2nfun.layers import Conv2d, Identity, NearestUpsampling, ReLU
from n2nfun.summary import Row, Summary, summary
from tests.layer_cases import CASES, PAPER, Case, every_case
from tests.refusals import Refusal, each

untyped: Any = summary  # for callers without a type checker

THE_PAPERS = """\
   layer       output shape     parameters  multiply-adds
---------------------------------------------------------
0  Conv2d      (4, 16, 16, 16)         208        196,608
1  ReLU        (4, 16, 16, 16)           0              0
2  Conv2d      (4, 32, 8, 8)         2,080        524,288
3  ReLU        (4, 32, 8, 8)             0              0
4  Upsampling  (4, 16, 16, 16)      12,816      4,718,592
5  ReLU        (4, 16, 16, 16)           0              0
6  Upsampling  (4, 3, 32, 32)        1,203      1,769,472
7  Sigmoid     (4, 3, 32, 32)            0              0
---------------------------------------------------------
   total                            16,307      7,208,960"""

NESTED = """\
     layer              output shape  parameters  multiply-adds
---------------------------------------------------------------
0    Identity           (1, 2, 3, 4)           0              0
1.0  Conv2d             (1, 2, 3, 4)           6             48
1.1  ReLU               (1, 2, 3, 4)           0              0
2    Conv2d             (1, 2, 3, 4)          36            432
3.0  NearestUpsampling  (1, 2, 6, 8)           0              0
3.1  Conv2d             (1, 1, 6, 8)           3             96
---------------------------------------------------------------
     total                                    45            576"""

ONE = """\
   layer  output shape  parameters  multiply-adds
-------------------------------------------------
0  ReLU   (7,)                   0              0
-------------------------------------------------
   total                         0              0"""


def test_the_papers_network() -> None:
    assert str(summary(PAPER, (4, 3, 32, 32))) == THE_PAPERS


def test_nested_networks_are_numbered_by_their_place() -> None:
    network = sequential(
        Identity(),
        residual(Conv2d(2, 2, 1) >> ReLU()),
        residual(Conv2d(2, 2, 3, padding=1, bias=False)),
        sequential(NearestUpsampling(2), Conv2d(2, 1, 1)),
    )
    assert str(summary(network, (1, 2, 3, 4))) == NESTED


def test_one_layer_is_a_network() -> None:
    assert str(summary(ReLU(), (7,))) == ONE
    assert summary(ReLU(), (7,)) == Summary((Row("0", "ReLU", (7,), 0, 0),), 0, 0)


@every_case
def test_sums_are_those_of_the_whole(case: Case) -> None:
    table = summary(case.layer, case.shape)
    assert table.parameters == case.layer.count_parameters()
    assert table.multiply_adds == case.layer.multiply_adds(case.shape)
    if "residual" not in case.name:
        assert table.rows[-1].output_shape == case.layer.output_shape(case.shape)


def test_every_line_is_as_long_as_its_numbers_need_and_no_longer() -> None:
    for case in CASES:
        lines = str(summary(case.layer, case.shape)).split("\n")
        assert all(line == line.rstrip() for line in lines)
        assert {len(line) for line in lines} == {len(lines[0])}


def test_a_batch_of_none_costs_nothing() -> None:
    assert summary(PAPER, (0, 3, 32, 32)).multiply_adds == 0


def test_every_mismatch_is_told() -> None:
    with pytest.raises(ShapeError) as caught:
        summary(Conv2d(3, 4, 3) >> Conv2d(5, 6, 1), (1, 1, 8, 8))
    assert caught.value.problems == (
        'layer 0 "Conv2d": x has 1 channels (shape (1, 1, 8, 8)), expected in_channels=3',
        'layer 1 "Conv2d": x has 4 channels (shape (1, 4, 6, 6)), expected in_channels=5',
    )


@each(
    [
        Refusal(lambda: untyped(3, (1, 3, 8, 8)), TypeError, "summary(): layer is 3, expected a layer"),
        Refusal(
            lambda: untyped(ReLU, (1, 3, 8, 8)),
            TypeError,
            "summary(): layer is <class 'n2nfun.layers.activations.ReLU'>, expected a layer: "
            "call it, ReLU(...), to make one",
        ),
    ]
)
def test_refuses(refusal: Refusal) -> None:
    refusal.check()
