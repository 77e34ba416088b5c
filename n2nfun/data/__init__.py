"""Photographs, noise models, pairs of noisy images, and the files they are read from."""

from n2nfun.data.archive import read_archive
from n2nfun.data.course import read_course_file
from n2nfun.data.folders import read_folder_pairs, read_photographs
from n2nfun.data.images import FORMATS, FileFormat, ImageError, Picture, format_of, list_images, read_image, write_image
from n2nfun.data.noise import (
    NOISE_FORMS,
    Gaussian,
    Impulse,
    NoiseError,
    NoiseModel,
    NoisyPair,
    Poisson,
    Statistic,
    Subsample,
    Text,
    explain,
    parse_noise,
)
from n2nfun.data.pairs import Pairs, PairsError, make_pairs
from n2nfun.data.photographs import (
    HELD_OUT,
    PHOTOGRAPHS,
    TRAINING,
    Photograph,
    held_out_photographs,
    load_photograph,
    training_photographs,
)
from n2nfun.data.reading import read_pairs

__all__ = [
    "FORMATS",
    "HELD_OUT",
    "NOISE_FORMS",
    "PHOTOGRAPHS",
    "TRAINING",
    "FileFormat",
    "Gaussian",
    "ImageError",
    "Impulse",
    "NoiseError",
    "NoiseModel",
    "NoisyPair",
    "Pairs",
    "PairsError",
    "Photograph",
    "Picture",
    "Poisson",
    "Statistic",
    "Subsample",
    "Text",
    "explain",
    "format_of",
    "held_out_photographs",
    "list_images",
    "load_photograph",
    "make_pairs",
    "parse_noise",
    "read_archive",
    "read_course_file",
    "read_folder_pairs",
    "read_image",
    "read_pairs",
    "read_photographs",
    "training_photographs",
    "write_image",
]
