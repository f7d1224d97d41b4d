# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pictures as every backend takes them: upright and RGB.

Special: a camera may store a picture on its side and say so in its EXIF data. `datasets`, transformers' own
`load_image` and every viewer turn it upright, so boxes count from the corner of the upright picture, and so do
ours. Nothing happens to a picture without the mark, or one that was turned before. Pillow only.
"""

from PIL import ExifTags, Image, ImageOps

from promvil_hf.frames import ImageSize


_ON_ITS_SIDE = (5, 6, 7, 8)


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture upright, in RGB."""
    return ImageOps.exif_transpose(image).convert("RGB")


def upright_size(image: Image.Image) -> ImageSize:
    """(width, height) of `as_rgb(image)`, without decoding it: the size that boxes of this picture refer to."""
    width, height = image.size
    return (height, width) if image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE else (width, height)
