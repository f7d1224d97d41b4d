# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Where each image token of a family looks, as a `Box` in the original image.

Every family is a list of windows. A window is the rectangle of the original image that one pixel array
shows, in fractions of that image; it reaches beyond 0 .. 1 where a processor padded. Tokens divide a window in raster
order. Functions here take numbers and give boxes; `promvil_hf.backends.families` says which family uses which.
Upstream code is asked only for choices it makes by search (the grid of tiles), never for positions.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from promvil_hf.boxes import Box
from promvil_hf.frames import FLOAT_DUST, Corners, ImageSize


WHOLE: Corners = (0.0, 0.0, 1.0, 1.0)
TokenBoxes = list[Box | None]

_TILE = re.compile(r"row_(\d+)_col_(\d+)")


def raster(window: Corners, rows: int, columns: int) -> TokenBoxes:
    """The cells of a window, row by row: each clipped to the image, None where it lies in the padding."""
    return list(_raster(tuple(window), rows, columns))


@lru_cache(maxsize=64)  # pictures of one size have the same windows, and most data sets have few sizes
def _raster(window: Corners, rows: int, columns: int) -> tuple[Box | None, ...]:
    xs, ys = _edges(window[0], window[2], columns), _edges(window[1], window[3], rows)
    return tuple(_cells(list(pairwise(xs)), list(pairwise(ys))))


def square(window: Corners, tokens: int) -> TokenBoxes:
    """`raster` for as many tokens in a row as in a column."""
    side = math.isqrt(tokens)
    return raster(window, side, side)


def single_view(settings: Mapping[str, Any], image_size: ImageSize, patch: int) -> TokenBoxes:
    """One pixel array, stretched, cropped around its centre or padded to a square first, cut into patches.

    Pixels that fill no whole patch on the right and at the bottom are seen by no token.
    """
    (width, x), (height, y) = _axes(settings, image_size)
    columns, rows = width // patch, height // patch
    return raster((x(0), y(0), x(columns * patch), y(rows * patch)), rows, columns)


def convolved(settings: Mapping[str, Any], image_size: ImageSize, layers: Sequence[tuple[int, int, int]]) -> TokenBoxes:
    """Florence-2: one pixel array that convolutions make small, by their (kernel, stride, padding).

    What tokens see overlaps, and the first one looks at the corner, not at the middle of the first cell of a grid. A
    token's cell holds the pixels that are nearest to the middle of what it sees.
    """
    axes = _axes(settings, image_size)
    return _cells(*(list(pairwise(map(place, _halfway(side, layers)))) for side, place in axes))


def best_grid_with_newlines(
    settings: Mapping[str, Any], image_size: ImageSize, patch: int, most_tiles: int | None = None
) -> TokenBoxes:
    """LLaVA-NeXT and OneVision: the stretched image, then the mosaic of tiles, a newline token behind every row of patches.

    The image keeps its shape on the mosaic, centred; whole rows or columns of patches that lie in the padding on both
    sides are left out, as many on either side. Patches of clearly more than `most_tiles` tiles are made fewer, each a
    mixture of its neighbours around the middle of its box. Pixels that fill no whole patch of a tile are seen by none.
    """
    from transformers.image_processing_utils import select_best_resolution

    tile = (settings.get("crop_size") or settings["size"])["height"]
    if _resized(settings, (tile, tile)) != (tile, tile):
        raise ValueError(
            f"The image processor cuts tiles of {tile} pixels and then resizes them by size={settings['size']}: no "
            "geometry is known for that. Give it a size equal to its crop_size, as the published checkpoints have."
        )
    width, height = image_size
    mosaic_height, mosaic_width = select_best_resolution((height, width), settings["image_grid_pinpoints"])
    scale_x, scale_y = mosaic_width / width, mosaic_height / height
    if scale_x < scale_y:
        shown_width, shown_height = mosaic_width, min(math.ceil(height * scale_x), mosaic_height)
    else:
        shown_width, shown_height = min(math.ceil(width * scale_y), mosaic_width), mosaic_height
    side = tile // patch
    columns, rows = mosaic_width // tile * side, mosaic_height // tile * side
    if width / height > columns / rows:
        cut_rows, cut_columns = (rows - int(round(height * (columns / width), 7))) // 2, 0
    else:
        cut_rows, cut_columns = 0, (columns - int(round(width * (rows / height), 7))) // 2
    kept_rows, kept_columns = rows - 2 * cut_rows, columns - 2 * cut_columns
    fewer = 1.0 if most_tiles is None else math.sqrt(kept_rows * kept_columns / (most_tiles * side**2))
    fewer = fewer if fewer > 1.1 else 1.0

    def spans(mosaic: int, shown: int, cut: int, kept: int) -> list[tuple[float, float]]:
        """Of the patches along one side, made fewer, in fractions of the image."""
        cells = int(kept // fewer)
        places = [round(cut + kept / max(cells, 1) * place, 7) for place in range(cells + 1)]

        def fraction(place: float, whole: int) -> float:
            """Where a patch begins or ends, counted from a tile on."""
            return _snapped((whole * tile + (place - whole * side) * patch - (mosaic - shown) // 2) / shown)

        return [
            (fraction(low, int(low // side)), fraction(high, math.ceil(high / side) - 1)) for low, high in pairwise(places)
        ]

    xs, ys = spans(mosaic_width, shown_width, cut_columns, kept_columns), spans(mosaic_height, shown_height, cut_rows, kept_rows)
    boxes = square((0.0, 0.0, side * patch / tile, side * patch / tile), side**2)
    for y in ys:
        boxes += [*_cells(xs, [y]), None]
    return boxes


def named_tiles(tokens: Sequence[str], tokens_per_tile: int) -> TokenBoxes:
    """Idefics3, SmolVLM, LFM2-VL: tiles row by row, as the text of the row names them; none of an uncut image."""
    places = [(int(row), int(column)) for row, column in _TILE.findall("".join(t for t in tokens if "_col_" in t))]
    return tiles(*max(places, default=(0, 0)), tokens_per_tile)


def grid_and_thumbnail(
    settings: Mapping[str, Any], image_size: ImageSize, tiles_shown: int, tokens_per_tile: int
) -> TokenBoxes:
    """InternVL: tiles of the stretched image row by row, then the whole image; an uncut image is one tile."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

    rows = columns = 0
    if tiles_shown > 1:
        tile = settings["size"]["height"], settings["size"]["width"]
        limits = settings["min_patches"], settings["max_patches"]
        columns, rows = get_optimal_tiled_canvas(tuple(image_size[::-1]), tile, *limits)
    return tiles(rows, columns, tokens_per_tile) + square(WHOLE, tokens_per_tile)


def tiles(rows: int, columns: int, tokens_per_tile: int) -> TokenBoxes:
    """An image cut into equal tiles (0 x 0 where it was not): the tiles row by row, each a square of tokens."""
    cut = raster(WHOLE, rows, columns) if rows else []
    return [box for tile in cut for box in square(tile.xyxy, tokens_per_tile)]


def pooled(patches: tuple[int, int], block: Sequence[int]) -> TokenBoxes:
    """Molmo 2: the image cut into rows and columns of patches; blocks of so many rows and columns are one token each.

    What the last blocks lack is shared between both ends, the odd patch at the end.
    """
    spans = []
    for count, size in zip(patches, block, strict=True):
        cells = -(-count // size)
        before = (cells * size - count) // 2
        spans.append((cells, -before / count, (cells * size - before) / count))
    (rows, top, bottom), (columns, left, right) = spans
    return raster((left, top, right, bottom), rows, columns)


def whole_and_crops(image_size: ImageSize, crops: int, tokens_per_crop: int) -> TokenBoxes:
    """Gemma 3 with pan and scan: the whole image, then crops along its longer side, the last one perhaps shorter."""
    width, height = image_size
    long = max(width, height)
    boxes = square(WHOLE, tokens_per_crop)
    step = math.ceil(long / crops) if crops else 0
    for start in range(0, crops * step, step or 1):
        low, high = start / long, min(start + step, long) / long
        window = (low, 0.0, high, 1.0) if width >= height else (0.0, low, 1.0, high)
        boxes += square(window, tokens_per_crop)
    return boxes


def _cells(xs: Sequence[tuple[float, float]], ys: Sequence[tuple[float, float]]) -> TokenBoxes:
    """The cells of these columns and rows, row by row."""
    return [Box.clipped(x0, y0, x1, y1) for y0, y1 in ys for x0, x1 in xs]


def _halfway(side: int, layers: Sequence[tuple[int, int, int]]) -> list[float]:
    """The edges, in pixels, halfway between the middles of what neighbouring outputs see."""
    count, step, middle = side, 1, 0.5
    for kernel, stride, padding in layers:
        middle += step * ((kernel - 1) / 2 - padding)
        count = (count + 2 * padding - kernel) // stride + 1
        step *= stride
    return [0.0, *(middle + step * (place - 0.5) for place in range(1, count)), float(side)]


def _axes(settings: Mapping[str, Any], image_size: ImageSize):
    """Of the pixel array, once for x and once for y: its side, and where one of its pixels lies on the image's side."""
    canvas = (max(image_size),) * 2 if settings.get("do_pad") else image_size
    resized = _resized(settings, canvas)
    *crop, left, top = _centre_crop(settings, resized)

    def axis(original: int, whole: int, shown: int, kept: int, first: int):
        # A pixel of the cropped array -> of the canvas -> a fraction of the image on it.
        return kept, lambda pixel: ((first + pixel) / (shown / whole) - (whole - original) // 2) / original

    return [axis(*sides) for sides in zip(image_size, canvas, resized, crop, (left, top), strict=True)]


def _edges(low: float, high: float, cells: int) -> list[float]:
    return [_snapped(low + (high - low) * i / cells) for i in range(cells + 1)]


def _snapped(edge: float) -> float:
    """A cell that only touches the image must not become a sliver by rounding."""
    return next((border for border in (0.0, 1.0) if abs(edge - border) < FLOAT_DUST), edge)


def _resized(settings: Mapping[str, Any], image_size: ImageSize) -> ImageSize:
    if not settings.get("do_resize", True):
        return image_size
    size = settings["size"]
    if size.get("height") and size.get("width"):
        return size["width"], size["height"]
    if size.get("shortest_edge") and not size.get("longest_edge"):
        width, height = image_size
        short = size["shortest_edge"]
        long = int(short * max(width, height) / min(width, height))
        return (long, short) if width >= height else (short, long)
    raise ValueError(
        f"The image processor has size={size}: token boxes are known for a height and width, or a shortest_edge alone."
    )


def _centre_crop(settings: Mapping[str, Any], shown: ImageSize) -> tuple[int, int, int, int]:
    """Width and height of the crop, then its left and top edge, which are negative where the crop was padded."""
    if not settings.get("do_center_crop"):
        return *shown, 0, 0
    crop = settings["crop_size"]["width"], settings["crop_size"]["height"]
    left, top = (
        (side - kept) // 2 if side >= kept else -math.ceil((kept - side) / 2)
        for side, kept in zip(shown, crop, strict=True)
    )
    return *crop, left, top
