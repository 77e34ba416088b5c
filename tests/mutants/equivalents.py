"""The mutants that no test can kill, each with its reason: they are the same function as the original."""

from typing import NamedTuple

__all__ = ["EQUIVALENTS", "UNSEEN", "Equivalent", "Unseen"]


class Equivalent(NamedTuple):
    """Changes of one place which change nothing."""

    module: str
    function: str
    was: str
    """The lines that are changed, as they stand."""
    now: tuple[str, ...]
    """What stands there instead, in each of the mutants."""
    reason: str


class Unseen(NamedTuple):
    """Something that makes no difference wherever it stands."""

    pattern: str
    """A regular expression."""
    reason: str


UNSEEN = (Unseen(r'(?<=\bcast\()(None|"[^"]*"), ', "cast() is for the type checker: it returns its second argument"),)

EQUIVALENTS = (
    Equivalent(
        "n2nfun/tree.py",
        "branches",
        "return None if children is None else tuple(zip(_labels(node), children, strict=True))",
        (
            "return None if children is None else tuple(zip(_labels(node), children, strict=None))",
            "return None if children is None else tuple(zip(_labels(node), children, ))",
            "return None if children is None else tuple(zip(_labels(node), children, strict=False))",
        ),
        "labels and children are made of the same node, so they are as many",
    ),
    Equivalent(
        "n2nfun/tree.py",
        "tree_map",
        "results = [function(*row) for row in zip(*columns, strict=True)]",
        (
            "results = [function(*row) for row in zip(*columns, strict=None)]",
            "results = [function(*row) for row in zip(*columns, )]",
            "results = [function(*row) for row in zip(*columns, strict=False)]",
        ),
        "leaves_alike() has refused trees of other numbers of leaves",
    ),
    Equivalent(
        "n2nfun/tree.py",
        "_difference",
        "for (label, child), (_, counterpart) in zip(parts, others, strict=True):",
        (
            "for (label, child), (_, counterpart) in zip(parts, others, strict=None):",
            "for (label, child), (_, counterpart) in zip(parts, others, ):",
            "for (label, child), (_, counterpart) in zip(parts, others, strict=False):",
        ),
        "they are as many here: their lengths have just been compared",
    ),
    Equivalent(
        "n2nfun/optim.py",
        "_check_held",
        "if not isinstance(value, Tensor) and value > torch.finfo(torch.float16).max:  # all hold less",
        ("if not isinstance(value, Tensor) and value >= torch.finfo(torch.float16).max:  # all hold less",),
        "the largest number of float16 is no more than any dtype holds, so that the loop finds nothing",
    ),
    Equivalent(
        "n2nfun/optim.py",
        "_rows",
        "return zip(*columns, strict=True)",
        (
            "return zip(*columns, strict=None)",
            "return zip(*columns, )",
            "return zip(*columns, strict=False)",
        ),
        "leaves_alike() has refused trees of other numbers of leaves",
    ),
    Equivalent(
        "n2nfun/layers/spread.py",
        "_sums",
        "axes = zip(kernel, scale, padding, lines, x.shape[::2], grad.shape[::2], strict=True)",
        (
            "axes = zip(kernel, scale, padding, lines, x.shape[::2], grad.shape[::2], strict=None)",
            "axes = zip(kernel, scale, padding, lines, x.shape[::2], grad.shape[::2], )",
            "axes = zip(kernel, scale, padding, lines, x.shape[::2], grad.shape[::2], strict=False)",
        ),
        "each is a pair",
    ),
    Equivalent(
        "n2nfun/layers/spread.py",
        "_sums",
        "for axis, s in zip((0, 2), scale, strict=True)",
        (
            "for axis, s in zip((0, 2), scale, strict=None)",
            "for axis, s in zip((0, 2), scale, )",
            "for axis, s in zip((0, 2), scale, strict=False)",
        ),
        "each is a pair",
    ),
    Equivalent(
        "n2nfun/layers/correlation.py",
        "multiply",
        "for window, stack in zip(windows, stacks, strict=True)",
        (
            "for window, stack in zip(windows, stacks, strict=None)",
            "for window, stack in zip(windows, stacks, )",
            "for window, stack in zip(windows, stacks, strict=False)",
        ),
        "both are divided by the same blocks",
    ),
    Equivalent(
        "n2nfun/layers/upsampling.py",
        "Upsampling.multiply_adds",
        "steps = [-(-size // scale) for size, scale in zip(out[2:], self.scale_factor, strict=True)]",
        (
            "steps = [-(-size // scale) for size, scale in zip(out[2:], self.scale_factor, strict=None)]",
            "steps = [-(-size // scale) for size, scale in zip(out[2:], self.scale_factor, )]",
            "steps = [-(-size // scale) for size, scale in zip(out[2:], self.scale_factor, strict=False)]",
        ),
        "each is a pair: an output's shape has four numbers",
    ),
    Equivalent(
        "n2nfun/layers/upsampling.py",
        "Upsampling.multiply_adds",
        "steps = [-(-size // scale) for size, scale in zip(out[2:], self.scale_factor, strict=True)]",
        ("steps = [+(-size // scale) for size, scale in zip(out[2:], self.scale_factor, strict=True)]",),
        "both are negative then, and only their product is used",
    ),
    Equivalent(
        "n2nfun/layers/phases.py",
        "_of_runs",
        "counts = [count + run.step * (run.size - 1) for count, run in zip(steps, (rows, columns), strict=True)]",
        (
            "counts = [count + run.step * (run.size - 1) for count, run in zip(steps, (rows, columns), strict=None)]",
            "counts = [count + run.step * (run.size - 1) for count, run in zip(steps, (rows, columns), )]",
            "counts = [count + run.step * (run.size - 1) for count, run in zip(steps, (rows, columns), strict=False)]",
        ),
        "each is a pair",
    ),
    Equivalent(
        "n2nfun/layers/phases.py",
        "_of_runs",
        "for run, count, length in zip((rows, columns), counts, image.shape[::2], strict=True)",
        (
            "for run, count, length in zip((rows, columns), counts, image.shape[::2], strict=None)",
            "for run, count, length in zip((rows, columns), counts, image.shape[::2], )",
            "for run, count, length in zip((rows, columns), counts, image.shape[::2], strict=False)",
        ),
        "each is a pair: lines have four sizes",
    ),
    Equivalent(
        "n2nfun/layers/convolving.py",
        "ConvolvingLayer._check_cached",
        "fits = False",
        ("fits = None",),
        "it is only asked whether it is true",
    ),
    Equivalent(
        "n2nfun/layers/phases.py",
        "_runs",
        "step = low - run.low - run.step * (run.size - 1)",
        (
            "step = low - run.low + run.step * (run.size - 1)",
            "step = low - run.low - run.step * (run.size + 1)",
        ),
        "where to begin rises once at most, by 1, among phases of one reach: a run of a step is complete with two, in all three",
    ),
    Equivalent(
        "n2nfun/layers/phases.py",
        "correlate_phases",
        "return y if (height, width) == size else y[: size[0], :, : size[1]]",
        ("return y if ((height, width) == size) and False else y[: size[0], :, : size[1]]",),
        "a slice of all is the same, and takes a call of torch",
    ),
    Equivalent(
        "n2nfun/layers/precision.py",
        "rounded",
        "return tensor if tensor.dtype == dtype else tensor.to(dtype)",
        ("return tensor if (tensor.dtype == dtype) and False else tensor.to(dtype)",),
        "to() returns the tensor itself where its dtype is that already, and takes a call of torch",
    ),
    Equivalent(
        "n2nfun/layers/constants.py",
        "once_for_each",
        "kept = lru_cache(maxsize=256)(function)",
        ("kept = lru_cache(maxsize=None)(function)", "kept = lru_cache(maxsize=257)(function)"),
        "how many results are kept says how often they are computed, not what they are",
    ),
    Equivalent(
        "n2nfun/factors.py",
        "times",
        "return [rounded(working(a) * own, a.dtype) for a, own in zip(tensors, _fitting(factor, tensors), strict=True)]",
        (
            "return [rounded(working(a) * own, a.dtype) for a, own in zip(tensors, _fitting(factor, tensors), strict=None)]",
            "return [rounded(working(a) * own, a.dtype) for a, own in zip(tensors, _fitting(factor, tensors), )]",
            "return [rounded(working(a) * own, a.dtype) for a, own in zip(tensors, _fitting(factor, tensors), strict=False)]",
        ),
        "_fitting() makes as many as there are tensors",
    ),
    Equivalent(
        "n2nfun/factors.py",
        "plus",
        "return [torch.add(a, b, alpha=factor) for a, b in zip(tensors, others, strict=True)]",
        (
            "return [torch.add(a, b, alpha=factor) for a, b in zip(tensors, others, strict=None)]",
            "return [torch.add(a, b, alpha=factor) for a, b in zip(tensors, others, )]",
            "return [torch.add(a, b, alpha=factor) for a, b in zip(tensors, others, strict=False)]",
        ),
        "the optimizers have listed trees that are alike",
    ),
    Equivalent(
        "n2nfun/factors.py",
        "plus",
        "for a, b, own in zip(tensors, others, _fitting(factor, tensors), strict=True)",
        (
            "for a, b, own in zip(tensors, others, _fitting(factor, tensors), strict=None)",
            "for a, b, own in zip(tensors, others, _fitting(factor, tensors), )",
            "for a, b, own in zip(tensors, others, _fitting(factor, tensors), strict=False)",
        ),
        "the optimizers have listed trees that are alike, and _fitting() makes as many",
    ),
    Equivalent(
        "n2nfun/factors.py",
        "_fitting",
        "found = {dtype: wide.to(dtype) for dtype in {working(a).dtype for a in tensors}}",
        ("found = {dtype: wide.to(None) for dtype in {working(a).dtype for a in tensors}}",),
        "torch casts a tensor of no dimensions to the dtype of the other, as here, but anew for each",
    ),
    Equivalent(
        "n2nfun/layers/lowering.py",
        "lowered",
        "found = (x[first * down :] if first else x).as_strided(size, (image, pixel, line, 1))",
        ("found = (x[first * down :] if (first) or True else x).as_strided(size, (image, pixel, line, 1))",),
        "a slice from the first line on is the same, and takes a call of torch",
    ),
    Equivalent(
        "n2nfun/layers/correlation.py",
        "_kernel_gradient",
        "few = g.shape[2] <= taps",
        ("few = g.shape[2] < taps",),
        "where there are as many of both, the two products are the same sums, of one size",
    ),
)
