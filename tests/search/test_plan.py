"""Plans: presets, TOML files, and what is wrong with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from n2nfun.config import ConfigError
from n2nfun.search.plan import PRESETS, SearchData, SearchPlan, plan_from_json, plan_to_json, read_plan
from n2nfun.search.records import Record
from n2nfun.search.rungs import PAPER_RUNGS, Rung
from n2nfun.search.space import SearchSpace

WHOLE = """
[space]
nesterov = [true]
momentum = [0.5, 0.9]
lr = [1, 0.01]
hidden = [[4, 8], [8, 8]]
up_kernel = [3]
down_kernel = [2, 3]
batch_size = [8]

[[rungs]]
samples = 100
epochs = 1

[[rungs]]
entrants = 3
epochs = 2

[data]
data = "photos"
validation = "val.npz"
noise = "gaussian:25"
count = 500
size = 16
seed = 7
"""


def test_a_file_says_all(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(WHOLE)
    plan = read_plan(str(file))
    assert plan == SearchPlan(
        SearchSpace((True,), (0.5, 0.9), (1.0, 0.01), ((4, 8), (8, 8)), (3,), (2, 3), (8,)),
        (Rung(None, 100, epochs=1), Rung(3, None, epochs=2)),
        SearchData(Path("photos"), (), Path("val.npz"), "gaussian:25", 500, 16, 7),
    )
    assert plan.sizes() == (16, 3)


def test_what_a_file_leaves_out_is_the_papers(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[space]\nlr = [0.1]\n")
    assert read_plan(str(file)) == SearchPlan(SearchSpace(lr=(0.1,)), PAPER_RUNGS, SearchData())
    file.write_text("")
    assert read_plan(str(file)) == read_plan("paper") == PRESETS["paper"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[space]\nlr = 0.1\n", "space.lr is 0.1: Input should be a valid array"),
        ("[space]\nlr = ['0.1']\n", "space.lr.0 is '0.1': Input should be a valid number"),
        ("[space]\nlr = [0.1, -1]\n", "space: lr is -1.0, expected more than 0 and at most 1e+30"),
        ("[space]\nlr = [nan]\n", "space: lr is nan, expected more than 0 and at most 1e+30"),
        ("[space]\nnesterov = [1]\n", "space.nesterov.0 is 1: Input should be a valid boolean"),
        ("[space]\nrate = [0.1]\n", "space.rate: there is no such setting"),
        ("[spaces]\nlr = [0.1]\n", "spaces: there is no such setting"),
        ("[space]\nlr = [1979-05-27]\n", "space.lr.0 is '1979-05-27': Input should be a valid number"),
        ("rungs = []\n", "rungs is empty, expected at least one rung"),
        ("[[rungs]]\nsamples = 5\n", "rungs.0.epochs"),
        ("[[rungs]]\nepochs = 0\n", "rungs: epochs is 0, expected at least 1"),
        ("[[rungs]]\nepochs = 1\nentrants = 3\n", "rungs: the first one's entrants is 3, expected none: all enter it"),
        ("[data]\ncount = 0\n", "--count is 0, expected at least 1"),
        ("[data]\nseed = -1\n", "--seed is -1, expected from 0 to 9223372036854775807"),
        ("[data]\ndata = 'a'\npairs = ['b']\n", "--pairs and --data are both given, expected one of them"),
        ("lr = [0.1", "not a TOML file: "),
        ("[a]\n[a]\n", "not a TOML file: "),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_plan(str(file))
    assert str(refused.value).startswith(f"{file}: {message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["papers", "mine.json", "nowhere.toml", ""])
def test_what_is_no_plan_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--plan is {name}"):
        read_plan(name)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a TOML file"):
        read_plan(str(file))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_written_and_read(name: str) -> None:
    assert plan_from_json(plan_to_json(PRESETS[name]), "here") == PRESETS[name]


def test_the_identity_is_of_what_decides_the_results() -> None:
    plan = PRESETS["smoke"]
    one = plan.identity("a")
    assert one == PRESETS["smoke"].identity("a") != plan.identity("b")
    others = [
        replace(plan, space=SearchSpace()),
        replace(plan, rungs=plan.rungs[:2]),
        replace(plan, data=replace(plan.data, seed=1)),
    ]
    assert len({one, *(other.identity("a") for other in others)}) == 4
    # Where the same data came from does not.
    assert replace(plan, data=replace(plan.data, data=Path("photos"))).identity("a") == one


def test_a_rung_takes_the_best_of_the_one_below() -> None:
    plan = PRESETS["smoke"]
    settings = plan.space.settings()
    assert plan.entrants(0, []) == settings
    found = [Record("a", 0, setting, "finished", psnr_mean=float(place)) for place, setting in enumerate(settings)]
    assert plan.entrants(1, found) == settings[:-4:-1]
    above = [Record("a", 1, setting, "finished", psnr_mean=-setting.lr) for setting in settings[5:]]
    assert plan.entrants(2, [*found, *above]) == (min(settings[5:], key=lambda setting: (setting.lr, setting)),)
