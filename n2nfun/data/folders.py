"""Photographs and pairs from folders of image files."""

from itertools import product
from pathlib import Path

import torch

from n2nfun.data.images import ImageError, Picture, list_images, read_image
from n2nfun.data.noise.crop import as_size, as_values
from n2nfun.data.noise.protocol import Photo
from n2nfun.data.pairs import Pairs, PairsError


def read_photographs(folder: str | Path) -> tuple[Photo, ...]:
    """Read all the images of a folder: 8-bit files as bytes, 16-bit ones as float32 values in [0, 1].

    Alpha is left out.

    Args:
        folder: The folder: see `list_images` for what counts as an image in it.

    Raises:
        ImageError: If the folder has no images, one cannot be read, or grey and colour are mixed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from n2nfun.data import write_image
        >>> with TemporaryDirectory() as folder:
        ...     write_image(Path(folder, "white.png"), Picture(torch.ones(3, 4, 6)))
        ...     [photograph] = read_photographs(folder)
        >>> photograph.dtype, photograph.shape
        (torch.uint8, torch.Size([3, 4, 6]))
    """
    photographs: list[Photo] = []
    for path in list_images(folder):
        photograph = _compact(read_image(path))
        if photographs and photograph.shape[0] != photographs[0].shape[0]:
            raise ImageError(
                f"{path}: has {_kind(photograph)}, the images before it have {_kind(photographs[0])}; expected one kind"
            )
        photographs.append(photograph)
    return tuple(photographs)


def read_folder_pairs(first: str | Path, second: str | Path, *, size: int | tuple[int, int] | None = None) -> Pairs:
    """Read pairs from two folders of images, of the same scenes under the same file names.

    Args:
        first: One folder.
        second: The other.
        size: Height and width of the tiles that the images are cut into, or one number for both; what is left over at
            the right and at the bottom is not used. None for whole images, which must then all have one size.

    Raises:
        ImageError: If a folder has no images, or one cannot be read.
        PairsError: If a name is in one folder only, the two images of a name differ in size, an image is smaller than
            a tile, sizes differ and no tile size is given, or grey and colour are mixed.
    """
    return read_tiles(first, second, size=size)[0]


def read_tiles(
    first: str | Path, second: str | Path, *, size: int | tuple[int, int] | None = None
) -> tuple[Pairs, tuple[int, ...]]:
    """Read pairs as `read_folder_pairs` does, and say how many of them each image gave, in their order.

    With that the tiles of an image can be kept together: those of one scene are too alike to learn from some and to be
    judged by the others.

    Args:
        first: One folder.
        second: The other.
        size: Height and width of the tiles: see `read_folder_pairs`.

    Raises:
        ImageError: See `read_folder_pairs`.
        PairsError: Likewise.
    """
    paths = {path.name: path for path in list_images(first)}
    partners = {path.name: path for path in list_images(second)}
    for folder, missing in ((second, paths.keys() - partners.keys()), (first, partners.keys() - paths.keys())):
        if missing:
            raise PairsError(f"{folder}: has no {_some(sorted(missing))}; expected the same names in both folders")
    tiles: list[tuple[Photo, Photo]] = []
    counts: list[int] = []
    for name, path in paths.items():
        one, other = _compact(read_image(path)), _compact(read_image(partners[name]))
        if one.shape != other.shape:
            raise PairsError(f"{path} is {_text(one)}, {partners[name]} is {_text(other)}; expected the same")
        if tiles and one.shape[0] != tiles[0][0].shape[0]:
            raise PairsError(f"{path}: has {_kind(one)}, the images before it {_kind(tiles[0][0])}; expected one kind")
        if size is None and tiles and one.shape != tiles[0][0].shape:
            raise PairsError(
                f"{path} is {_text(one)}, the images before it are {_text(tiles[0][0])}; expected one size: "
                "give a size to cut them into tiles"
            )
        pairs = [*zip(_tiles(path, one, size), _tiles(path, other, size), strict=True)]
        tiles.extend(pairs)
        counts.append(len(pairs))
    in_bytes = all(tile.dtype == torch.uint8 for pair in tiles for tile in pair)
    sides = (torch.stack([tile if in_bytes else as_values(tile) for tile in side]) for side in zip(*tiles, strict=True))
    return Pairs(*sides), tuple(counts)


def _tiles(path: Path, image: Photo, size: int | tuple[int, int] | None) -> list[Photo]:
    """The tiles of an image, row by row, that do not overlap."""
    if size is None:
        return [image]
    rows, columns = as_size(size)
    height, width = image.shape[1:]
    if height < rows or width < columns:
        raise PairsError(f"{path} is {_text(image)}, smaller than a tile of {rows}x{columns} (height x width)")
    corners = product(range(0, height - rows + 1, rows), range(0, width - columns + 1, columns))
    return [image[:, top : top + rows, left : left + columns] for top, left in corners]


def _compact(picture: Picture) -> Photo:
    """The pixels, as bytes where the file has bytes."""
    if picture.bits == 8:
        return (picture.pixels * 255).round().to(torch.uint8)
    return picture.pixels


def _kind(image: Photo) -> str:
    """Grey or colour, in words."""
    return "grey pixels" if image.shape[0] == 1 else "colour pixels"


def _text(image: Photo) -> str:
    """The size and kind of an image, in words."""
    return f"{image.shape[1]}x{image.shape[2]} of {_kind(image)}"


def _some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
