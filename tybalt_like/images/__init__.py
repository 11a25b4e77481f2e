"""Everything that only images need: what models of them have learned, make, and find strange."""

from tybalt_like.images.figure_data import FigureData
from tybalt_like.images.figures import figures_of
from tybalt_like.images.generated import generated_images, generator_of
from tybalt_like.images.learned import encodes_images, learned_images, train_also
from tybalt_like.images.settings import Images
from tybalt_like.images.strange import strange_images

__all__ = [
    "FigureData",
    "Images",
    "encodes_images",
    "figures_of",
    "generated_images",
    "generator_of",
    "learned_images",
    "strange_images",
    "train_also",
]
