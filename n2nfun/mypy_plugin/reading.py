"""Between mypy's types and blueprints: what a type says of a layer, and a type that says it."""

from collections.abc import Iterable

from mypy.maptype import map_instance_to_supertype
from mypy.nodes import Context, TypeInfo
from mypy.plugin import CheckerPluginInterface
from mypy.types import AnyType, Instance, LiteralType, TupleType, Type, TypeOfAny, get_proper_type

from n2nfun.mypy_plugin.blueprints import Blueprint, Elementwise, Opaque, from_text, to_text
from n2nfun.mypy_plugin.sources import vouched

__all__ = [
    "as_layer",
    "carrying",
    "literal",
    "literals",
    "number",
    "read",
    "size_type",
    "unknown",
    "with_arguments",
    "without",
]

_BLUEPRINT = "__n2nfun_blueprint__"
_LAYER = "n2nfun.layer.Layer"
_PRESERVING = "n2nfun.layer.ChannelPreserving"
_ELEMENTWISE = "n2nfun.layers.activations.Elementwise"


def unknown() -> AnyType:
    """Return the type of channels that are known only at run time."""
    return AnyType(TypeOfAny.special_form)


def literal(kind: Type | None) -> object:
    """Return the value of an expression whose type tells it, else None."""
    proper = None if kind is None else get_proper_type(kind)
    if isinstance(proper, Instance):
        proper = proper.last_known_value
    return proper.value if isinstance(proper, LiteralType) else None


def number(kind: Type | None) -> int | None:
    """Return a number from 0 on, if the type tells it."""
    value = literal(kind)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def literals(kind: Type | None) -> tuple[int | None, ...] | None:
    """Return the numbers of a tuple of known length."""
    proper = None if kind is None else get_proper_type(kind)
    return tuple(number(item) for item in proper.items) if isinstance(proper, TupleType) else None


def size_type(size: int | None, api: CheckerPluginInterface) -> Type:
    """Return int, as mypy does for a number in the source: a ``Literal[size]`` where one is asked for."""
    integer = api.named_generic_type("builtins.int", [])
    told = None if size is None else LiteralType(size, integer)
    return Instance(integer.type, [], last_known_value=told)


def as_layer(kind: Type) -> Instance | None:
    """Return a type seen as ``Layer[P, C, In, Out]``, if it is one layer's."""
    proper = get_proper_type(kind)
    if not isinstance(proper, Instance):
        return None
    layer = _base(proper.type, _LAYER)
    return None if layer is None else map_instance_to_supertype(proper, layer)


def read(kind: Type, source: Context, api: CheckerPluginInterface) -> Blueprint:
    """Return what type and source of an argument say of the layer."""
    proper, layer = get_proper_type(kind), as_layer(kind)
    if layer is None or not isinstance(proper, Instance):
        return Opaque("layer")
    found = _carried(proper)
    if found is not None and vouched(source, api):  # in this order: to vouch for it the file is read
        return found
    if proper.type.has_base(_ELEMENTWISE):
        return Elementwise(proper.type.name)
    if proper.type.has_base(_PRESERVING):
        return Opaque(proper.type.name, preserves=True)
    return Opaque(proper.type.name, number(layer.args[2]), number(layer.args[3]))


def _carried(kind: Instance) -> Blueprint | None:
    """Return the blueprint that a type carries."""
    attributes = {} if kind.extra_attrs is None else kind.extra_attrs.attrs
    text = literal(attributes.get(_BLUEPRINT))
    try:
        return from_text(text) if isinstance(text, str) else None
    except (ValueError, TypeError, KeyError):
        return None  # another version of the plugin wrote it into mypy's cache


def carrying(kind: Instance, blueprint: Blueprint, api: CheckerPluginInterface) -> Instance:
    """Return the type with a blueprint, and with the channels that this knows."""
    told = LiteralType(to_text(blueprint), api.named_generic_type("builtins.str", []))
    return with_arguments(kind, _with_channels(kind, blueprint, api)).copy_with_extra_attr(_BLUEPRINT, told)


def with_arguments(kind: Instance, arguments: list[Type]) -> Instance:
    """Return a type with other arguments, that carries nothing."""
    return Instance(kind.type, arguments, kind.line, kind.column)


def without(kind: Instance, changed: Iterable[str | None]) -> Instance:
    """Return the type of a layer with some fields changed: no blueprint, and no channels if these are among them."""
    args = list(kind.args)
    for place, name in enumerate(("in_channels", "out_channels")):
        if name in changed and len(args) == 2:
            args[place] = unknown()
    return with_arguments(kind, args)


def _with_channels(kind: Instance, blueprint: Blueprint, api: CheckerPluginInterface) -> list[Type]:
    """Replace the last two arguments of a type that has channels, In and Out."""
    if kind.type.has_base(_PRESERVING):
        return list(kind.args)
    channels, integer = (blueprint.takes, blueprint.makes), api.named_generic_type("builtins.int", [])
    return [*kind.args[:-2], *(unknown() if size is None else LiteralType(size, integer) for size in channels)]


def _base(kind: TypeInfo, fullname: str) -> TypeInfo | None:
    return next((base for base in kind.mro if base.fullname == fullname), None)
