"""Checkpoints: a tree of tensors and what describes it, in one file that holds no code.

The file is a safetensors file. Its tensors carry their paths in the tree as names; its header holds the tree's other
values, the configuration that the caller gives, and a digest of all of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from n2nfun.files import write_atomically
from n2nfun.tree import assemble, branches, walk

__all__ = ["Checkpoint", "CheckpointError", "load_checkpoint", "save_checkpoint"]

T = TypeVar("T")
Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Scalar: TypeAlias = str | int | float | bool | None

_FORMAT = "n2nfun/1"


class CheckpointError(ValueError):
    """A file that is not a sound checkpoint, or not one of what was asked for."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint file holds."""

    path: Path
    tensors: Mapping[str, Tensor]
    """By their path in the tree."""
    scalars: Mapping[str, Scalar]
    """The numbers, texts and Nones of the tree, likewise."""
    config: Mapping[str, Json]

    def fill(self, like: T, at: str = "") -> T:
        """Return a tree of the structure and type of ``like`` with the values of the file.

        Args:
            like: A tree of the same structure, such as a fresh state.
            at: Where in the saved tree it stands: ``.params`` for the parameters of a saved state.

        Raises:
            CheckpointError: if something of ``like`` is missing in the file, or has another shape or dtype there.
        """
        return cast("T", self._fill(like, at))

    def _fill(self, node: object, path: str) -> object:
        parts = branches(node)
        if parts is not None:
            return assemble(node, tuple(self._fill(child, path + label) for label, child in parts))
        if not isinstance(node, Tensor):
            if path not in self.scalars:
                raise CheckpointError(f"{self.path}: has no value at {path}, expected one like {node!r}")
            return self.scalars[path]
        found = self.tensors.get(path)
        if found is None:
            raise CheckpointError(f"{self.path}: has no tensor at {path}, expected one of shape {tuple(node.shape)}")
        if found.shape != node.shape or found.dtype != node.dtype:
            raise CheckpointError(
                f"{self.path}: the tensor at {path} is {found.dtype} of shape {tuple(found.shape)}, "
                f"expected {node.dtype} of shape {tuple(node.shape)}"
            )
        return found.to(node.device)


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the SHA-256 of names, dtypes, shapes, bytes and the text."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    total.update(text.encode())
    return total.hexdigest()


def save_checkpoint(path: Path, tree: object, config: Mapping[str, Json]) -> None:
    """Write a tree and its configuration to a file, whole or not at all.

    Args:
        path: The file, ``*.safetensors``.
        tree: Frozen dataclasses and tuples of tensors, numbers, texts and Nones, such as a ``TrainState``.
        config: What a reader needs to build such a tree, as JSON.

    Raises:
        TypeError: if the tree or the configuration holds anything else.
        OSError: if the file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> from n2nfun.layers import ConvParams
        >>> params = ConvParams(torch.ones(1, 1, 1, 1), None)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(Path(folder) / "a.safetensors", params, {"model": "mine"})
        ...     found = load_checkpoint(Path(folder) / "a.safetensors")
        >>> found.config, found.fill(ConvParams(torch.zeros(1, 1, 1, 1), None))
        ({'model': 'mine'}, ConvParams(weight=tensor([[[[1.]]]]), bias=None))
    """
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Scalar] = {}
    for name, value in walk(tree):
        if isinstance(value, Tensor):
            tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        elif value is None or isinstance(value, str | int | float):
            scalars[name] = value
        else:
            raise TypeError(
                f"tree holds a {type(value).__name__} at {name or 'the root'}, expected tensors and numbers"
            )
    text = json.dumps({"format": _FORMAT, "scalars": scalars, "config": dict(config)})
    # One entry that holds all: safetensors writes several in an order of chance, and the same state is to be the same file.
    header = json.dumps({"sha256": _digest(tensors, text), "content": text})
    write_atomically(Path(path), save(tensors, {"n2nfun": header}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, and check that it is whole.

    Raises:
        CheckpointError: if the file is missing, is no checkpoint of this library, or was damaged.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file, expected a checkpoint") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error}), expected a checkpoint") from None
    content = _content(path, header.get("n2nfun"), tensors)
    return Checkpoint(path, tensors, content["scalars"], content["config"])


def _content(path: Path, header: str | None, tensors: Mapping[str, Tensor]) -> Any:
    """Return what the header holds besides the digest, once the digest is right."""
    if header is None:
        raise CheckpointError(f"{path}: was not written by n2nfun, expected a checkpoint of format {_FORMAT!r}")
    try:
        parts = json.loads(header)
        intact = _digest(tensors, parts["content"]) == parts["sha256"]
        content = json.loads(parts["content"]) if intact else None
    except (ValueError, KeyError, TypeError, AttributeError):  # whatever another hand may have put there
        content = None
    if content is None:
        raise CheckpointError(f"{path}: its content does not match its digest: the file was damaged or changed")
    if content["format"] != _FORMAT:
        raise CheckpointError(f"{path}: its format is {content['format']!r}, expected {_FORMAT!r}")
    return content
