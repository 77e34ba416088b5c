"""Image files to pictures: Pillow judges and decodes every file, but for the colours of 16-bit ones."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from n2nfun.data.images.opencv import decode_sixteen_bits
from n2nfun.data.images.picture import FORMATS, ImageError, Picture

if TYPE_CHECKING:
    from PIL.Image import Image

_Samples: TypeAlias = (
    NDArray[np.uint8] | NDArray[np.uint16]
)  # (height, width, channels): 1 to 4 channels, alpha the last

_FORMAT_NAMES = tuple(dict.fromkeys(form.name for form in FORMATS.values()))
_BITS_PER_SAMPLE = 258  # TIFF tags
_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0
_ORIENTATION = 274  # Exif tag


def read_image(path: str | Path) -> Picture:
    """Read one image file.

    The file's content decides its format, not its name: PNG, TIFF, JPEG, WebP or BMP. Turned upright by its Exif
    orientation. 1-bit files become 8-bit grey, palettes become RGB, CMYK becomes RGB (its profile is dropped);
    transparency of any kind is kept as ``alpha``. Of a JPEG with several pictures (MPO) the first is the photograph.

    Refused: more pixels than Pillow's limit against decompression bombs (``PIL.Image.MAX_IMAGE_PIXELS``, 89,478,485
    unless you raise it), animations and files of several pages, samples of other than 1, 2, 4, 8 or 16 bits, and
    floating point. (Of a damaged TIFF file, Pillow's libtiff may print a line to the standard error besides.)

    Args:
        path: The file. Names are not restricted to ASCII.

    Raises:
        ImageError: If there is no such file, or it is not such an image, or is damaged.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from n2nfun.data import write_image
        >>> with TemporaryDirectory() as folder:
        ...     write_image(Path(folder, "grey.png"), Picture(torch.full((1, 2, 2), 0.2), bits=16))
        ...     read_image(Path(folder, "grey.png"))
        Picture(pixels=tensor([[[0.2000, 0.2000],
                 [0.2000, 0.2000]]]), bits=16, alpha=None, profile=None)
    """
    path = Path(path)
    data = _contents(path)
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - `import n2nfun.data` does not pay for Pillow

    with warnings.catch_warnings():  # a remark about odd metadata is not the reader's to print
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _decoded(path, data)
        except ImageError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ImageError(
                f"{path}: claims more than the limit of {Image.MAX_IMAGE_PIXELS} pixels; "
                "raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file"
            ) from error
        except UnidentifiedImageError as error:
            raise ImageError(f"{path}: not an image, or damaged; expected {', '.join(_FORMAT_NAMES)}") from error
        except Exception as error:
            # A hostile file can make a decoder raise anything: to the caller it is one kind of failure.
            raise ImageError(f"{path}: truncated or damaged, its pixels cannot be decoded") from error


def _contents(path: Path) -> bytes:
    """The file's bytes; opens nothing but a regular file, since reading a pipe could wait for ever."""
    if path.is_dir():
        raise ImageError(f"{path}: is a folder; expected an image file")
    if not path.exists():
        raise ImageError(f"{path}: no such file")
    if not path.is_file():
        raise ImageError(f"{path}: not a regular file; expected an image file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    if not data:
        raise ImageError(f"{path}: empty file; expected an image")
    return data


def _decoded(path: Path, data: bytes) -> Picture:
    """The picture in a file's bytes."""
    from PIL import Image  # noqa: PLC0415 - `import n2nfun.data` does not pay for Pillow

    with Image.open(BytesIO(data), formats=_FORMAT_NAMES) as image:
        frames = getattr(image, "n_frames", 1)
        if image.format != "MPO" and frames != 1:
            raise ImageError(f"{path}: holds {frames} images; expected one: extract the one you mean")
        depth = _bits_per_sample(image, data)
        image.load()
        samples: _Samples
        if depth in {1, 2, 4, 8}:
            samples = _eight_bits(path, image)
        elif depth == 16:
            samples = _sixteen_bits(path, image, data)
        else:
            raise ImageError(f"{path}: {depth}-bit samples; expected 1, 2, 4, 8 or 16 bits")
        profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
        samples = _upright(samples, image.getexif().get(_ORIENTATION, 1))  # Pillow has turned TIFF files itself
    return _picture(samples, profile)


def _bits_per_sample(image: "Image", data: bytes) -> int:
    """The depth in the file, which the mode of Pillow's image does not tell."""
    from PIL.TiffImagePlugin import TiffImageFile  # noqa: PLC0415 - `import n2nfun.data` does not pay for Pillow

    if image.format == "PNG":
        return data[24]  # the 8 bytes of signature, then IHDR: length, name, width, height, bit depth
    if isinstance(image, TiffImageFile):
        depths: tuple[int, ...] = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))
        return max(depths)
    return 8


def _eight_bits(path: Path, image: "Image") -> NDArray[np.uint8]:
    """The samples of an image that Pillow decodes without loss."""
    if image.mode in {"F", "I", "LAB", "HSV"}:
        raise ImageError(f"{path}: pixels of mode {image.mode}; expected grey, RGB, CMYK or a palette")
    grey = image.mode in {"1", "L", "LA", "La"}
    mode = {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}
    array = np.asarray(image.convert(mode[grey, image.has_transparency_data]))
    return array.reshape(*array.shape[:2], -1)


def _sixteen_bits(path: Path, image: "Image", data: bytes) -> NDArray[np.uint16]:
    """The samples of an image with 16 bits per value."""
    if "transparency" in image.info:
        raise ImageError(f"{path}: 16 bits with one colour made transparent; expected a full alpha channel, or none")
    if image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint16)[:, :, None]
        tags: dict[int, object] = getattr(image, "tag_v2", {})
        return np.uint16(65535) - grey if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else grey
    if image.mode not in {"RGB", "RGBA"}:
        raise ImageError(f"{path}: 16-bit pixels of mode {image.mode}; expected unsigned grey or RGB")
    samples = decode_sixteen_bits(data)
    # Pillow kept the high byte of each value. Where the two decoders differ (orientation, planes, premultiplied
    # alpha), nobody knows which is right.
    if samples is None or not np.array_equal(samples >> 8, np.asarray(image)):
        raise ImageError(f"{path}: this kind of 16-bit file is not supported; expected plain 16-bit grey or RGB(A)")
    if image.format == "PNG" and data[25] == 4:  # colour type 4 is grey with alpha; both decoders make RGBA of it
        return samples[:, :, [0, 3]]
    return samples


def _upright(samples: _Samples, orientation: int) -> _Samples:
    """Turn the image as its Exif orientation says (1 to 8; anything else is ignored)."""
    if orientation in {5, 6, 7, 8}:
        samples = samples.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        samples = samples[::-1]
    if orientation in {2, 3, 6, 7}:
        samples = samples[:, ::-1]
    return samples


def _picture(samples: _Samples, profile: bytes | None) -> Picture:
    """Integers (height, width, channels) to a picture in [0, 1]."""
    bits: Literal[8, 16] = 8 if samples.dtype == np.uint8 else 16
    array = np.ascontiguousarray(samples.transpose(2, 0, 1), dtype=np.float32)
    values = torch.as_tensor(array / np.float32(2**bits - 1))
    if samples.shape[2] in {2, 4}:
        return Picture(values[:-1], bits=bits, alpha=values[-1], profile=profile)
    return Picture(values, bits=bits, profile=profile)
