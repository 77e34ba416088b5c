"""Records drawn at random."""

from hypothesis import strategies as st

from n2nfun.search.records import Record
from n2nfun.search.space import Setting

numbers = st.floats(allow_nan=False)
psnrs = st.none() | st.floats(-100, 100) | st.just(float("inf"))
settings = st.builds(
    Setting,
    nesterov=st.booleans(),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    lr=st.floats(1e-9, 10),
    hidden=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    up_kernel=st.integers(1, 7),
    down_kernel=st.integers(1, 7),
    batch_size=st.integers(1, 64),
)
records = st.builds(
    Record,
    search=st.text(max_size=5),
    rung=st.integers(0, 3),
    setting=settings,
    status=st.sampled_from(["finished", "diverged", "failed"]),
    psnr_mean=psnrs,
    psnr_pooled=psnrs,
    psnr_blind=psnrs,
    curve=st.lists(numbers, max_size=3).map(tuple),
    loss=st.none() | numbers,
    reason=st.text(max_size=10),
    seconds=st.floats(0, 1e6),
)
