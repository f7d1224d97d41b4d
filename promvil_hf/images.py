# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Pictures from anywhere, upright and 8-bit RGB, or the reason why there is none.

Special: whatever a folder of pictures holds comes out as a value: a truncated or oversized file is an
`UnreadableImage` with a reason to count by. 16 bits are scaled, not cut off, an animation gives its first frame, and
what is transparent lies on white, as a viewer shows it. Floor 4: Pillow and numpy.
"""

import io
import os
import warnings
from collections.abc import Mapping

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from promvil_hf.frames import ImageSize


_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that exchange width and height


class UnreadableImage(ValueError):
    """A picture that cannot be shown to a model; the message is the reason."""


def read_image(source: Image.Image | str | os.PathLike | bytes | Mapping) -> Image.Image:
    """The picture upright and in RGB. A mapping is what `datasets` gives undecoded: `bytes` or a `path`."""
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path")
    if not isinstance(source, Image.Image | str | os.PathLike | bytes):
        raise UnreadableImage(f"no picture: {type(source).__name__}")
    try:
        if isinstance(source, Image.Image):
            return _shown(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is looked at below
            file = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        with file:
            return _shown(file)
    except FileNotFoundError:
        raise UnreadableImage("no such file") from None
    except Image.DecompressionBombError:
        raise UnreadableImage("too many pixels") from None
    except UnidentifiedImageError:
        raise UnreadableImage("not a picture") from None
    except UnreadableImage:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:  # what Pillow raises on damaged files
        raise UnreadableImage(f"damaged picture: {str(error)[:120]}") from error


def _shown(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width < 1 or height < 1:
        raise UnreadableImage("empty picture")
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImage("too many pixels")
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion cuts off at 255, which turns a 16-bit picture white.
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return as_rgb(image)


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture upright, in RGB."""
    return ImageOps.exif_transpose(image).convert("RGB")


def upright_size(image: Image.Image) -> ImageSize:
    """(width, height) of `as_rgb(image)`, without decoding it: the size that boxes of this picture refer to."""
    width, height = image.size
    return (height, width) if image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE else (width, height)
