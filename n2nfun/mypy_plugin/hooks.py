"""What mypy asks the plugin, and what it answers."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from mypy.errorcodes import ErrorCode
from mypy.nodes import CallExpr, MemberExpr, OpExpr
from mypy.plugin import FunctionContext, FunctionSigContext, MethodContext, MethodSigContext, Plugin
from mypy.types import CallableType, Instance, ProperType, TupleType, Type, TypeVarType, UnionType, get_proper_type

from n2nfun.mypy_plugin.blueprints import Blueprint, Chain, Residual, Scaling, Windowed
from n2nfun.mypy_plugin.reading import (
    as_layer,
    carrying,
    literal,
    literals,
    number,
    read,
    size_type,
    unknown,
    with_arguments,
    without,
)

__all__ = ["LayerPlugin"]

SHAPE = ErrorCode("n2nfun-shape", "Layers whose channels or sizes do not fit", "n2nfun")

_PACKAGE = Path(__file__).parent
_FILES = (*sorted(_PACKAGE.glob("*.py")), _PACKAGE.parent / "geometry.py")
_VERSION = hashlib.sha256(b"".join(file.read_bytes() for file in _FILES)).hexdigest()


class LayerPlugin(Plugin):
    """Follows layers from their constructors through their compositions."""

    def report_config_data(self, ctx: object) -> object:
        """Let mypy check anew what it checked with another version of the plugin."""
        del ctx
        return _VERSION

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], CallableType] | None:
        """Let compositions take any channels: the plugin compares them, in its own words."""
        return _any_channels if fullname in {_SEQUENTIAL, _RESIDUAL} else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Follow constructors, ``sequential`` and ``residual``, and ``dataclasses.replace``, which changes a layer."""
        return _FUNCTIONS.get(fullname)

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], CallableType] | None:
        """Let ``>>`` take any channels."""
        return _any_channels if _is_method(fullname, "__rshift__") else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Follow ``>>``, and compute what sizes and counts can be known."""
        return next((hook for name, hook in _METHODS.items() if _is_method(fullname, name)), None)


def _is_method(fullname: str, name: str) -> bool:
    return fullname.startswith("n2nfun.") and fullname.endswith(f".{name}")


def _any_channels(context: FunctionSigContext | MethodSigContext) -> CallableType:
    """Replace the channels of the layers that a signature takes and makes by Any."""
    return _without_channels(context.default_signature)


@lru_cache(maxsize=128)  # every call of `sequential` asks for each of its overloads
def _without_channels(signature: CallableType) -> CallableType:
    layers = [_layer_of(kind) for kind in signature.arg_types]
    channels = [get_proper_type(arg) for layer in layers if layer is not None for arg in layer.args[2:]]
    dropped = {channel.id for channel in channels if isinstance(channel, TypeVarType)}
    return signature.copy_modified(  # pyright: ignore[reportUnknownMemberType]  # mypy hides how its types are made
        arg_types=[
            kind if layer is None else _with_any_channels(layer)
            for kind, layer in zip(signature.arg_types, layers, strict=True)
        ],
        ret_type=_with_any_channels(get_proper_type(signature.ret_type)),
        variables=[variable for variable in signature.variables if variable.id not in dropped],
    )


def _with_any_channels(kind: ProperType) -> ProperType:
    if not isinstance(kind, Instance) or len(kind.args) != 4:
        return kind
    return with_arguments(kind, [*kind.args[:2], unknown(), unknown()])


def _layer_of(kind: Type) -> Instance | None:
    """Return a formal's ``Layer[P, C, In, Out]``; of the union in ``>>`` the first."""
    proper = get_proper_type(kind)
    first = get_proper_type(proper.items[0]) if isinstance(proper, UnionType) else proper
    return first if isinstance(first, Instance) and first.type.fullname == "n2nfun.layer.Layer" else None


def _made(context: FunctionContext) -> Instance | None:
    """Return what a call makes, unless it unpacks arguments, so that nobody knows which goes where."""
    made = get_proper_type(context.default_return_type)
    unpacks = any(kind.is_star() for own in context.arg_kinds for kind in own)
    return made if isinstance(made, Instance) and not unpacks else None


class _Arguments:
    """The arguments of a constructor, by name."""

    def __init__(self, context: FunctionContext) -> None:
        self._types = {
            name: kinds[0]
            for name, kinds in zip(context.callee_arg_names, context.arg_types, strict=True)
            if name is not None and kinds
        }

    def count(self, name: str) -> int | None:
        """Return a number of channels, which is positive."""
        return number(self._types.get(name)) or None

    def pair(self, name: str, default: int, *, least: int = 0) -> tuple[int | None, int | None]:
        """Return a size as (height, width)."""
        if name not in self._types:
            return default, default
        kind = self._types[name]
        one = number(kind)
        both = (one, one) if one is not None else literals(kind) or ()
        if len(both) != 2:
            return None, None
        height, width = (None if size is None or size < least else size for size in both)
        return height, width

    def flag(self, name: str, *, default: bool) -> bool | None:
        """Return a switch."""
        value = literal(self._types.get(name)) if name in self._types else default
        return value if isinstance(value, bool) else None


def _windowed(name: str, *, scale: int) -> Callable[[_Arguments], Blueprint]:
    """Return how the blueprint of a layer with a kernel is drawn; what it has no argument for is as if left out."""

    def draw(arguments: _Arguments) -> Blueprint:
        return Windowed(
            name,
            arguments.count("in_channels"),
            arguments.count("out_channels"),
            arguments.pair("kernel_size", 1, least=1),
            stride=arguments.pair("stride", 1, least=1),
            padding=arguments.pair("padding", 0),
            scale=arguments.pair("scale_factor", scale, least=1),
            trim=arguments.pair("trim", 0),
            bias=arguments.flag("bias", default=True),
        )

    return draw


def _nearest(arguments: _Arguments) -> Blueprint:
    return Scaling("NearestUpsampling", arguments.pair("scale_factor", 1, least=1))


def _constructor(draw: Callable[[_Arguments], Blueprint]) -> Callable[[FunctionContext], Type]:
    def hook(context: FunctionContext) -> Type:
        made = _made(context)
        if made is None:
            return context.default_return_type
        return carrying(made, draw(_Arguments(context)), context.api)

    return hook


def _sequential(context: FunctionContext) -> Type:
    made = _made(context)
    types = [kind for own in context.arg_types for kind in own]
    if made is None or not types:
        return context.default_return_type
    sources = [source for own in context.args for source in own]
    if len(types) > _SPELLED_OUT:
        layers = [as_layer(kind) for kind in types]
        flat = [
            _tuple_of([unknown() if one is None else one.args[place] for one in layers], context) for place in (0, 1)
        ]
        made = with_arguments(made, [*flat, unknown(), unknown()])
    return _composed(
        context,
        "sequential()",
        made,
        Chain(tuple(read(kind, source, context.api) for kind, source in zip(types, sources, strict=True))),
    )


def _tuple_of(items: list[Type], context: FunctionContext) -> Type:
    return TupleType(items, context.api.named_generic_type("builtins.tuple", [unknown()]))


def _residual(context: FunctionContext) -> Type:
    made = _made(context)
    if made is None:
        return context.default_return_type
    return _composed(
        context, "residual()", made, Residual(read(context.arg_types[0][0], context.args[0][0], context.api))
    )


def _then(context: MethodContext) -> Type:
    made, left = get_proper_type(context.default_return_type), get_proper_type(context.type)
    if not isinstance(made, Instance) or not isinstance(left, Instance):
        return context.default_return_type
    source = context.context.left if isinstance(context.context, OpExpr) else context.context
    first = read(left, source, context.api)
    before = first.layers if isinstance(first, Chain) else (first,)
    after = read(context.arg_types[0][0], context.args[0][0], context.api)
    return _composed(context, ">>", made, Chain((*before, after)))


def _composed(context: FunctionContext | MethodContext, call: str, made: Instance, whole: Chain | Residual) -> Type:
    """Report what does not fit, else return the composition's type."""
    mismatches = list(whole.mismatches())
    for mismatch in mismatches:
        context.api.fail(f"{call}: {mismatch}", context.context, code=SHAPE)
    return made if mismatches else carrying(made, whole, context.api)


def _replaced(context: FunctionContext) -> Type:
    made = get_proper_type(context.default_return_type)
    if not isinstance(made, Instance) or as_layer(made) is None:
        return context.default_return_type
    return without(made, {name for own in context.arg_names for name in own})


def _output_shape(context: MethodContext) -> Type:
    shape = literals(context.arg_types[0][0])
    whole = None if shape is None else _whole(context)
    if whole is None or shape is None:
        return context.default_return_type
    out, problems = whole.shape(shape)
    for problem in problems:
        context.api.fail(f"output_shape(): {problem}", context.context, code=SHAPE)
    if problems or out is None:
        return context.default_return_type
    integer = context.api.named_generic_type("builtins.int", [])
    sizes = [size_type(size, context.api) for size in out]
    return TupleType(sizes, context.api.named_generic_type("builtins.tuple", [integer]))


def _count_parameters(context: MethodContext) -> Type:
    whole = _whole(context)
    count = None if whole is None else whole.parameters()
    return context.default_return_type if count is None else size_type(count, context.api)


def _whole(context: MethodContext) -> Blueprint | None:
    """Return what is known of the layer whose method is called."""
    call = context.context
    if not isinstance(call, CallExpr) or not isinstance(call.callee, MemberExpr):
        return None
    return read(context.type, call.callee.expr, context.api)


_SEQUENTIAL = "n2nfun.compose.overloads.sequential"
_RESIDUAL = "n2nfun.compose.residual.residual"
_SPELLED_OUT = 16
"""Up to so many layers the overloads of ``sequential`` give the exact types."""

_FUNCTIONS: dict[str, Callable[[FunctionContext], Type]] = {
    "n2nfun.layers.conv.Conv2d": _constructor(_windowed("Conv2d", scale=1)),
    "n2nfun.layers.upsampling.Upsampling": _constructor(_windowed("Upsampling", scale=2)),
    "n2nfun.layers.upsampling.NearestUpsampling": _constructor(_nearest),
    _SEQUENTIAL: _sequential,
    _RESIDUAL: _residual,
    "dataclasses.replace": _replaced,
}
_METHODS: dict[str, Callable[[MethodContext], Type]] = {
    "__rshift__": _then,
    "output_shape": _output_shape,
    "count_parameters": _count_parameters,
}
