"""Image files to tensors and back: 8 and 16 bits, grey and colour, hostile files refused."""

from n2nfun.data.images.folder import list_images
from n2nfun.data.images.picture import FORMATS, FileFormat, ImageError, Picture, format_of
from n2nfun.data.images.reading import read_image
from n2nfun.data.images.writing import write_image

__all__ = ["FORMATS", "FileFormat", "ImageError", "Picture", "format_of", "list_images", "read_image", "write_image"]
