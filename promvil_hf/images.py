# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Opens pictures: the one module that does. They come out upright (EXIF), in 8-bit RGB and bounded, or with the reason why not.

16 bits are scaled, not cut off; an animation gives its first frame; what is transparent lies on white, as a viewer shows
it. Sizes, boxes and masks of the whole package count in the upright picture. A picture that cannot be read raises
`UnreadableImage`, whose message is a short reason to count by. Needs Pillow and numpy.
"""

import io
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from promvil_hf.frames import ImageSize


Source = Image.Image | str | os.PathLike | bytes | Mapping
_ON_ITS_SIDE = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_SHOWN_ALIKE = ("1", "L", "P", "RGB")  # modes that every program shows as `as_rgb` does


class UnreadableImage(ValueError):
    """A picture that cannot be shown to a model; the message is the reason."""

    @property
    def missing(self) -> bool:
        """There is no such file."""
        return isinstance(self.__cause__, FileNotFoundError)


def read_image(source: Source, max_side: int | None = None) -> Image.Image:
    """The picture upright and in RGB. A mapping is what `datasets` gives undecoded: `bytes` or a `path`.

    `max_side` lets a large JPEG file be decoded at a smaller size, whose longer side is not below it.
    """
    with _opened(source) as image:
        if max_side is not None and image is not source:
            image.draft("RGB", (max_side, max_side))
        return as_rgb(image)


def image_size(source: Source) -> ImageSize:
    """(width, height) of `read_image(source)`, from the header. Only a PNG without EXIF there is read to its end."""
    with _opened(source) as image:
        return upright_size(image)


def image_bytes(source: Source) -> tuple[bytes, str]:
    """A file that any program shows as `read_image(source)`, and its media type.

    The source's own bytes where that is so already, otherwise a PNG.
    """
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path")
    with _opened(source) as image:
        if image.mode in _SHOWN_ALIKE and "transparency" not in image.info and not _turned(image):
            if image is source:
                return _png(image)
            mime = Image.MIME[image.format]
            image.draft("RGB", (1, 1))  # a JPEG is checked at its smallest scale
            image.load()
            if isinstance(source, bytes):
                return source, mime
            with open(source, "rb") as file:
                return file.read(), mime
        return _png(as_rgb(image))


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture upright, in 8-bit RGB, on white where it is transparent."""
    if _turned(image):
        image = ImageOps.exif_transpose(image)  # before anything that drops its EXIF; it copies an upright picture too
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow's own conversion cuts off at 255, which turns a 16-bit picture white.
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    elif "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def upright_size(image: Image.Image) -> ImageSize:
    """(width, height) of `as_rgb(image)`: the size that boxes of this picture refer to."""
    width, height = image.size
    return (height, width) if _turned(image) in _ON_ITS_SIDE else (width, height)


def _turned(image: Image.Image) -> int | None:
    """The EXIF orientation, None for an upright picture."""
    found = image.getexif().get(ExifTags.Base.Orientation)
    return found if found in range(2, 9) else None


def _png(image: Image.Image) -> tuple[bytes, str]:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), "image/png"


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """The picture as it is stored. What goes wrong while it is open is the picture's fault."""
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path")
    if not isinstance(source, Image.Image | str | os.PathLike | bytes):
        raise UnreadableImage(f"no picture: {type(source).__name__}")
    try:
        if isinstance(source, Image.Image):
            _check_size(source)
            yield source
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is looked at below
            file = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        with file:
            _check_size(file)
            yield file
    except UnreadableImage:
        raise
    except FileNotFoundError as error:
        raise UnreadableImage("no such file") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage("too many pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage("not a picture") from error
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:  # what Pillow raises on damaged files
        raise UnreadableImage(f"damaged picture: {str(error)[:120]}") from error


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise UnreadableImage("empty picture")
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImage("too many pixels")
