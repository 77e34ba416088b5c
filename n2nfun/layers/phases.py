"""Correlations from a low resolution to a high one: which of an image's pixels each output reads, by the output's phase.

Output ``s*q + r`` of one dimension (phase r of position q) reads some neighbouring pixels from ``q + low`` on, where low and
their number depend on the phase alone. So all phases that read equally many pixels are one correlation of the image with
as many kernels side by side, and its windows are laid between each other afterwards. Two layers compute so:

- Nearest upsampling followed by a convolution: tap t of output i falls on pixel ``floor((i - p + t) / s)`` (see
  ``upsampling.py``); taps that fall on the same pixel add up. Zero padding agrees exactly, since an upsampled index is
  outside the image exactly when its pixel is.
- The gradient of a convolution's input: window i reads input ``s*i - p + t`` with tap t, so input ``s*q + r`` gets what tap
  ``t = (r + p) mod s``, and every s-th from there on, brings from window ``(s*q + r + p - t) / s``.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from math import prod
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from n2nfun.geometry import Pair
from n2nfun.layers.constants import once_for_each
from n2nfun.layers.correlation import correlate
from n2nfun.layers.lowering import aligned, copied, lines_of, pad, planar, settled
from n2nfun.layers.reordering import reordered

Taps: TypeAlias = tuple[tuple[tuple[int, ...], ...], ...]
"""For each phase, for each pixel that it reads: the kernel's taps that fall on the pixel."""


class Run(NamedTuple):
    """Phases first, first+1, …, that read equally many pixels, each of them ``step`` pixels on from the one before."""

    first: int
    low: int
    """Where the first of these phases begins to read, from q: 0 or negative, mostly."""
    step: int
    taps: Taps

    @property
    def size(self) -> int:
        """How many phases these are."""
        return len(self.taps)

    @property
    def reach(self) -> int:
        """How many pixels each of them reads."""
        return len(self.taps[0])

    @property
    def selects(self) -> bool:
        """Whether a single tap falls on each pixel, so that nothing adds up."""
        return all(len(taps) == 1 for phase in self.taps for taps in phase)


Phase = tuple[int, tuple[tuple[int, ...], ...]]
"""Where a phase begins to read, and the taps on each pixel from there on."""


@once_for_each
def upsampled_phases(kernel: int, scale: int, padding: int) -> tuple[Run, ...]:
    """Return the phases of nearest upsampling followed by a convolution, in one dimension."""
    return tuple(_runs(_upsampled(kernel, scale, padding)))


@once_for_each
def folded_taps(kernel: Pair, scale: Pair, padding: Pair) -> int:
    """Count the pixels that all phases of nearest upsampling followed by a convolution read."""
    counts = [  # lists, as torch.compile traces no generators here
        sum([run.size * run.reach for run in upsampled_phases(*axis)])
        for axis in zip(kernel, scale, padding, strict=True)
    ]
    return prod(counts)


def _upsampled(kernel: int, scale: int, padding: int) -> Iterator[Phase]:
    for r in range(scale):
        falls = [(r - padding + t) // scale for t in range(kernel)]
        pixels = range(falls[0], falls[-1] + 1)
        yield falls[0], tuple(tuple(t for t in range(kernel) if falls[t] == pixel) for pixel in pixels)


@once_for_each
def adjoint_phases(kernel: int, stride: int, padding: int) -> tuple[Run, ...]:
    """Return the phases of a convolution's input, which read the gradient of its output, in one dimension."""
    return tuple(_runs(_adjoint(kernel, stride, padding)))


def _adjoint(kernel: int, stride: int, padding: int) -> Iterator[Phase]:
    for r in range(stride):
        taps = range((r + padding) % stride, kernel, stride)
        yield (r + padding) // stride - len(taps) + 1, tuple((t,) for t in reversed(taps))


def _runs(phases: Iterable[Phase]) -> Iterator[Run]:
    """Put phases together that can be computed together; leave out those that read nothing."""
    run: Run | None = None
    for r, (low, taps) in enumerate(phases):
        if run is not None and len(taps) == run.reach:
            step = low - run.low - run.step * (run.size - 1)
            if run.size == 1 or step == run.step:
                run = Run(run.first, run.low, step, (*run.taps, taps))
                continue
        if run is not None:
            yield run
        run = Run(r, low, 0, (taps,)) if taps else None
    if run is not None:
        yield run


def correlate_phases(
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    runs: tuple[tuple[Run, ...], tuple[Run, ...]],
    scale: Pair,
    size: Pair,
) -> Tensor:
    """Correlate a low-resolution image with the kernels of all phases, and lay the results between each other.

    Args:
        image: Lines (low_height, batch, low_width, in_channels), of any memory layout.
        weight: (out_channels, in_channels, kernel_height, kernel_width), likewise.
        bias: For each output channel, or None.
        runs: Of the rows and of the columns.
        scale: How many phases there are.
        size: (height, width) of the result.

    Returns:
        Lines (height, batch, width, out_channels); 0 where no phase reads anything.
    """
    batch, channels = image.shape[1], weight.shape[0]
    steps = (-(-size[0] // scale[0]), -(-size[1] // scale[1]))
    parts = [(*pair, _between(_of_runs(image, weight, bias, *pair, steps), *pair, steps)) for pair in product(*runs)]
    if (parts[0][0].size, parts[0][1].size) == scale:
        whole = parts[0][2]
    else:
        whole = parts[0][2].new_zeros(steps[0], scale[0], batch, steps[1], scale[1], channels)
        for rows, columns, part in parts:
            whole[:, rows.first : rows.first + rows.size, :, :, columns.first : columns.first + columns.size] = part
    height, width = steps[0] * scale[0], steps[1] * scale[1]
    if planar(channels):
        y = lines_of(settled(copied(whole.permute(2, 5, 0, 1, 3, 4))).view(batch, channels, height, width))
    else:
        y = copied(whole).view(height, batch, width, channels)
    return y if (height, width) == size else y[: size[0], :, : size[1]]


def _of_runs(image: Tensor, weight: Tensor, bias: Tensor | None, rows: Run, columns: Run, steps: Pair) -> Tensor:
    """Return a run's windows times its kernels: (positions, batch, positions, row phases, column phases, out_channels)."""
    counts = [count + run.step * (run.size - 1) for count, run in zip(steps, (rows, columns), strict=True)]
    bottom, right = (
        run.low + count + run.reach - 1 - length
        for run, count, length in zip((rows, columns), counts, image.shape[::2], strict=True)
    )
    phases = rows.size * columns.size
    part = correlate(
        pad(image, -rows.low, bottom, -columns.low, right),
        _folded(weight, rows, columns),
        None if bias is None else reordered(bias, Tensor.repeat, phases),
    )
    return part.view(*part.shape[:3], rows.size, columns.size, weight.shape[0])


def _folded(weight: Tensor, rows: Run, columns: Run) -> Tensor:
    """Return the kernels of a run's phases: (row phases * column phases * out_channels, pixels, pixels, in_channels)."""
    out_channels, in_channels, height, width = weight.shape
    sizes = (rows.size, rows.reach, columns.size, columns.reach)
    if rows.selects and columns.selects:
        return reordered(weight, _selected, rows, columns)
    # Its results lie as they are read, but for one move of runs of in_channels.
    taps = aligned(weight).view(-1, height * width)
    spelled = _fold_map(rows.taps, columns.taps, height, width, weight.dtype, weight.device) @ taps.t()
    folded = spelled.view(*sizes, out_channels, in_channels).permute(0, 2, 4, 1, 3, 5)
    return folded.reshape(rows.size * columns.size * out_channels, rows.reach, columns.reach, in_channels)


def _selected(weight: Tensor, rows: Run, columns: Run) -> Tensor:
    """Return the kernels of phases where one tap falls on each place."""
    for axis, run in ((2, rows), (3, columns)):
        taps = [fallen[0] for phase in run.taps for fallen in phase]
        if taps != list(range(weight.shape[axis])):
            weight = weight.index_select(axis, _indices(tuple(taps), weight.device))
    out_channels, in_channels = weight.shape[:2]
    chosen = weight.reshape(out_channels, in_channels, rows.size, rows.reach, columns.size, columns.reach)
    return chosen.permute(2, 4, 0, 3, 5, 1).reshape(-1, rows.reach, columns.reach, in_channels)


@once_for_each
def _indices(taps: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(taps, device=device)


@once_for_each
def _fold_map(rows: Taps, columns: Taps, height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the map of a kernel's taps to the pixels of each phase: a matrix of zeros and ones, a row for each place."""
    of_rows, of_columns = (
        torch.tensor(_fold(taps, kernel), dtype=dtype, device=device)
        for taps, kernel in ((rows, height), (columns, width))
    )
    return torch.kron(of_rows, of_columns)


def _fold(taps: Taps, kernel: int) -> list[list[float]]:
    """Return the map of one dimension."""
    return [[float(tap in fallen) for tap in range(kernel)] for phase in taps for fallen in phase]


def _between(part: Tensor, rows: Run, columns: Run, steps: Pair) -> Tensor:
    """View a run's results as (steps, row phases, batch, steps, column phases, out_channels): each phase from its own start."""
    row, image, column, row_phase, column_phase, channel = part.stride()
    size = (steps[0], rows.size, part.shape[1], steps[1], columns.size, part.shape[5])
    stride = (row, row_phase + rows.step * row, image, column, column_phase + columns.step * column, channel)
    return part.as_strided(size, stride)
