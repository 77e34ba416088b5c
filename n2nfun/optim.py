"""Optimizers as pure functions: ``init(params) -> state`` and ``step(params, grads, state) -> (params, state)``.

The arithmetic is grouped as in ``torch.optim`` with ``foreach=False``, so the results are the same bits.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, fields
from typing import Generic, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from n2nfun.arguments import check_flag, check_int, check_number, shown
from n2nfun.factors import Factor, Switch, check_factor, check_switch, is_zero, known, plus, times
from n2nfun.layers.checks import FLOATS, check_float
from n2nfun.layers.precision import detached
from n2nfun.tree import filled, global_norm, leaves_alike, leaves_of, paths, rebuild, zeros_like

__all__ = ["SGD", "Adam", "AdamState", "Optimizer", "SGDState", "clip_by_global_norm"]

P = TypeVar("P")
S = TypeVar("S")


class Optimizer(Protocol[P, S]):
    """What ``train_step`` asks of an optimizer: pure, with a learning rate that a schedule may set."""

    @property
    def lr(self) -> Factor:
        """The learning rate."""
        ...

    def init(self, params: P, /) -> S:
        """Return the state before the first step."""
        ...

    def step(self, params: P, grads: P, state: S, /, *, lr: float | None = None) -> tuple[P, S]:
        """Return the parameters and the state after one step; ``lr`` stands in for the optimizer's own."""
        ...


def _floats(name: str, tree: object) -> list[Tensor]:
    """List the tensors of a tree that optimizers compute with.

    Raises:
        TreeError: if it holds a list or a dict.
        TypeError: if a tensor is not dense, or of another dtype than layers compute in; the message names the path.
    """
    found = leaves_of(name, tree)
    for index, leaf in enumerate(found):
        if leaf.dtype not in FLOATS or leaf.layout != torch.strided:
            check_float("optimizer", f"{name}{paths(tree)[index][0]}", leaf)
    return found


def _detached(found: list[Tensor]) -> list[Tensor]:
    """Return tensors outside autograd."""
    return [detached(leaf) for leaf in found]


def _rows(*columns: list[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """Go through the leaves of trees that are alike, those of one place together."""
    return zip(*columns, strict=True)


def _check_held(name: str, value: Factor, params: object) -> None:
    """Require a number that the parameters' dtypes hold, as torch takes no other as a factor; a tensor may be any.

    Raises:
        ValueError: if it is too large; the message names the parameter.
    """
    if not isinstance(value, Tensor) and value > torch.finfo(torch.float16).max:  # all hold less
        for path, leaf in paths(params):
            if value > torch.finfo(leaf.dtype).max:
                raise ValueError(f"{name} is {value!r}, more than {leaf.dtype}, the dtype of params{path}, holds")


def _alike(name: str, tree: object, params: object, of_params: list[Tensor]) -> list[Tensor]:
    """List the tensors of gradients, or of a part of a state, given those of the parameters.

    Raises:
        TreeError: if they differ from the parameters in structure or shape; the message names the path.
        TypeError: if one is of another dtype or on another device, or not dense; likewise.
    """
    found = leaves_alike(name, tree, "params", params)
    for index, (param, leaf) in enumerate(_rows(of_params, found)):
        if leaf.dtype == param.dtype and leaf.device == param.device and leaf.layout == torch.strided:
            continue
        path = paths(params)[index][0]
        if leaf.dtype != param.dtype:
            raise TypeError(f"{name}{path} is {leaf.dtype}, expected the dtype of params{path}, {param.dtype}")
        if leaf.device != param.device:
            raise TypeError(
                f"{name}{path} is on {leaf.device}, params{path} on {param.device}: move one to the other's device"
            )
        check_float("optimizer", f"{name}{path}", leaf)
    return found


@dataclass(frozen=True, slots=True)
class SGDState(Generic[P]):
    """The state of SGD for parameters of type ``P``."""

    velocity: P | None
    """The running sum of gradients; None before the first step, and always without momentum."""


@dataclass(frozen=True, slots=True)
class SGD:
    """Stochastic gradient descent with momentum.

    ``g = grad + weight_decay * p``; ``v = g`` on the first step, then ``v = momentum * v + (1 - dampening) * g``;
    ``d = g + momentum * v`` with Nesterov's form, else ``v`` (without momentum ``g``); ``p = p - lr * d``.

    Each argument may also be a tensor of no dimensions: ``torch.func.vmap`` over it moves many models at once, each with
    its own (see :class:`~n2nfun.ensemble.EnsembleStep`), and a compiled step takes another one without compiling again.
    Of tensors:

    - the same formula is computed, rounded in some places otherwise than with numbers;
    - whether they are finite and in range is checked on the CPU, outside ``vmap`` and ``torch.compile``, and cannot be
      elsewhere; whether a parameter's dtype holds them is never checked;
    - a velocity is kept for a momentum that is a tensor, which may be 0: that is plain gradient descent, for finite
      gradients, with or without Nesterov's form;
    - optimizers are equal if they have the same tensors, rather than equal ones.

    Args:
        lr: The learning rate.
        momentum: How much of the velocity stays.
        dampening: How much of the gradient is kept out of the velocity, from the second step on.
        weight_decay: Of an L2 penalty ``weight_decay / 2 * |p|²``.
        nesterov: Look ahead along the velocity; needs momentum > 0 and no dampening.

    Raises:
        TypeError: if an argument is not a number, or a tensor of floats (for nesterov of torch.bool).
        ValueError: if a number is negative or not finite, a tensor has dimensions, or nesterov is asked for without
            momentum or with dampening.

    Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, section 2;
    in the form of ``torch.optim.SGD``, with numbers equal to it to the bit.

    Example:
        >>> import torch
        >>> sgd = SGD(0.5, momentum=0.5)
        >>> params = (torch.tensor([1.0]),)
        >>> state = sgd.init(params)
        >>> params, state = sgd.step(params, (torch.tensor([1.0]),), state)
        >>> params, state.velocity
        ((tensor([0.5000]),), (tensor([1.]),))
        >>> def moved(lr):
        ...     return SGD(lr).step(params, params, SGDState(None))[0]
        >>> torch.func.vmap(moved)(torch.tensor([0.0, 0.5, 1.0]))
        (tensor([[0.5000],
                [0.2500],
                [0.0000]]),)
    """

    lr: Factor
    _: KW_ONLY
    momentum: Factor = 0.0
    dampening: Factor = 0.0
    weight_decay: Factor = 0.0
    nesterov: Switch = False

    def __post_init__(self) -> None:
        for name in ("lr", "momentum", "dampening", "weight_decay"):
            check_factor(name, getattr(self, name))
        check_switch("nesterov", self.nesterov)
        without_momentum, damped = is_zero(self.momentum), known(self.dampening) not in {0, None}
        if known(self.nesterov) and (without_momentum or damped):
            raise ValueError(
                f"nesterov={self.nesterov!r} with momentum={self.momentum!r} and dampening={self.dampening!r}: "
                "Nesterov's form needs momentum > 0 and dampening=0"
            )

    def __eq__(self, other: object) -> bool:
        """Compare numbers by value and tensors by identity, which under vmap cannot be asked for their values."""
        return self._compared() == other._compared() if isinstance(other, SGD) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._compared())

    def _compared(self) -> tuple[object, ...]:
        values: list[Factor | Switch] = [getattr(self, field.name) for field in fields(self)]
        return tuple((id(value),) if isinstance(value, Tensor) else value for value in values)

    def init(self, params: P) -> SGDState[P]:
        """Return the state before the first step: no velocity."""
        _floats("params", params)
        return SGDState(None)

    def step(self, params: P, grads: P, state: SGDState[P], *, lr: Factor | None = None) -> tuple[P, SGDState[P]]:
        """Return parameters and state after one step.

        Raises:
            TypeError: if a parameter is not of a dtype that layers compute in, a gradient, or part of the state, is not
                of its parameter's dtype and on its device, or lr is neither a number nor a tensor of one.
            ValueError: if lr is negative or not finite, or a number of this optimizer is more than a parameter's dtype holds.
            TreeError: if grads or the state's velocity do not have the structure and shapes of params.
        """
        if not isinstance(state, SGDState):
            raise TypeError(f"state is a {type(state).__name__}, expected the SGDState that SGD.init() makes")
        rate = self.lr if lr is None else check_factor("lr", lr)
        p = _floats("params", params)
        g = _alike("grads", grads, params, p)
        v = None if state.velocity is None else _alike("state.velocity", state.velocity, params, p)
        _check_held("lr", rate, params)
        for name in ("momentum", "dampening", "weight_decay"):
            _check_held(name, getattr(self, name), params)
        p, g = _detached(p), _detached(g)
        if not is_zero(self.weight_decay):
            g = plus(g, p, self.weight_decay)
        direction, velocity = g, None
        if not is_zero(self.momentum):
            v = g if v is None else plus(times(v, self.momentum), g, self._undamped())
            direction, velocity = v, filled(params, v)
            if self.nesterov is not False:
                direction = self._looking_ahead(g, v)
        after = plus(p, direction, -rate)
        return filled(params, after), SGDState(velocity)

    def _undamped(self) -> Factor:
        """Return how much of the gradient goes into the velocity: all of it without momentum, which a tensor may be."""
        if isinstance(self.momentum, Tensor) and not is_zero(self.dampening):
            return 1 - self.dampening * (self.momentum != 0).double()
        return 1 - self.dampening

    def _looking_ahead(self, grads: list[Tensor], velocity: list[Tensor]) -> list[Tensor]:
        ahead = plus(grads, velocity, self.momentum)
        if not isinstance(self.nesterov, Tensor):
            return ahead
        return [torch.where(self.nesterov, a, v) for a, v in _rows(ahead, velocity)]


@dataclass(frozen=True, slots=True)
class AdamState(Generic[P]):
    """The state of Adam for parameters of type ``P``."""

    steps: int
    """How many steps were made."""
    mean: P
    """The running mean of the gradients."""
    square: P
    """The running mean of their squares."""


@dataclass(frozen=True, slots=True)
class Adam:
    """Steps scaled by running moments of the gradient.

    With step t = 1, 2, …: ``m = m + (1 - b1)(g - m)``; ``v = b2 * v + (1 - b2) * g²``;
    ``p = p - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)``. Weight decay is added to the gradient (an L2
    penalty), or, decoupled, shrinks the parameters by ``1 - lr * weight_decay`` first, which is AdamW.

    Args:
        lr: The learning rate.
        betas: Of the two running means, b1 and b2.
        eps: Keeps the division finite.
        weight_decay: The penalty, or the decay.
        decoupled: Whether weight decay is AdamW's.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if a number is out of range.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1; Loshchilov and Hutter,
    "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2; equal to ``torch.optim.Adam`` and ``AdamW`` to the bit.

    Example:
        >>> import torch
        >>> adam = Adam(0.1)
        >>> params = (torch.tensor([1.0]),)
        >>> adam.step(params, (torch.tensor([5.0]),), adam.init(params))[0]
        (tensor([0.9000]),)
    """

    lr: float = 0.001
    _: KW_ONLY
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def __post_init__(self) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_number(name, getattr(self, name))
        check_flag("decoupled", self.decoupled)
        betas: object = self.betas
        if not (isinstance(betas, tuple) and len(betas) == 2):
            raise TypeError(f"betas is {shown(betas)}, expected a pair of numbers")
        for index, beta in enumerate(self.betas):
            check_number(f"betas[{index}]", beta, below=1)

    def init(self, params: P) -> AdamState[P]:
        """Return the state before the first step: both means zero."""
        _floats("params", params)
        return AdamState(0, zeros_like(params), zeros_like(params))

    def step(self, params: P, grads: P, state: AdamState[P], *, lr: float | None = None) -> tuple[P, AdamState[P]]:
        """Return parameters and state after one step.

        Raises:
            TypeError: if a parameter is not of a dtype that layers compute in, a gradient, or part of the state, is not
                of its parameter's dtype and on its device, or lr is not a number.
            ValueError: if lr is negative or not finite, or a number of this optimizer is more than a parameter's dtype holds.
            TreeError: if grads or the state's means do not have the structure and shapes of params.
        """
        if not isinstance(state, AdamState):
            raise TypeError(f"state is a {type(state).__name__}, expected the AdamState that Adam.init() makes")
        rate = self.lr if lr is None else check_number("lr", lr)
        first, second = self.betas
        steps = check_int("state.steps", state.steps, least=0) + 1
        p = _floats("params", params)
        g = _alike("grads", grads, params, p)
        m, v = _alike("state.mean", state.mean, params, p), _alike("state.square", state.square, params, p)
        size = rate / (1 - first**steps)
        _check_held("lr / (1 - betas[0]**steps)", size, params)
        _check_held("weight_decay", self.weight_decay, params)
        p, g = _detached(p), _detached(g)
        if self.weight_decay != 0 and self.decoupled:
            p = [leaf * (1 - rate * self.weight_decay) for leaf in p]
        elif self.weight_decay != 0:
            g = [torch.add(a, b, alpha=self.weight_decay) for a, b in _rows(g, p)]
        m = [torch.lerp(old, new, 1 - first) for old, new in _rows(m, g)]
        v = [torch.addcmul(old * second, new, new, value=1 - second) for old, new in _rows(v, g)]
        spread = (1 - second**steps) ** 0.5

        def moved(p: Tensor, m: Tensor, v: Tensor) -> Tensor:
            return torch.addcdiv(p, m, v.sqrt() / spread + self.eps, value=-size)

        after = [moved(*row) for row in _rows(p, m, v)]
        return filled(params, after), AdamState(steps, filled(params, m), filled(params, v))


def clip_by_global_norm(grads: P, most: float) -> tuple[P, Float[Tensor, ""]]:
    """Scale gradients down so that their global norm is at most ``most``: ``g * min(1, most / norm)``.

    Returns:
        The scaled gradients, and the norm before.

    Raises:
        TypeError: if ``most`` is not a number, or a gradient is not of a dtype that layers compute in.
        ValueError: unless ``most`` is positive and finite.

    Source: Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.

    Example:
        >>> import torch
        >>> clip_by_global_norm((torch.tensor([3.0, 4.0]),), 1.0)
        ((tensor([0.6000, 0.8000]),), tensor(5.))
    """
    check_number("most", most, positive=True)
    found = _detached(_floats("grads", grads))
    norm = global_norm(
        tuple(leaf.double() for leaf in found)
    )  # in float64, where no norm of float16 gradients overflows
    # NaN norms clamp to NaN, and show in the gradients; a norm of 0 gives inf, which clamps to 1.
    factor = (most / norm).clamp(max=1.0)
    clipped = rebuild(grads, [(leaf.double() * factor).to(leaf.dtype) for leaf in found])
    return clipped, norm.to(found[0].dtype) if found else norm
