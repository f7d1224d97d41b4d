# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Detectors with fixed classes in a file of ONNX: `load_onnx_detector("FastestDet.onnx")`. Nouns become classes by
`promvil_hf.backends.class_names`; a noun that fits no class is said to be unknown.

A file says neither how its numbers are to be read nor what a picture must look like: an `OnnxLayout` does. Four are known;
the shape of the output decides between them. The names of the classes are those in the file's own metadata, those in a file
of the same name that ends in ".names", one a line, or COCO's where there are 80. onnxruntime (extra `onnx`) is imported when
it is used.
"""

import ast
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from promvil_hf.backends.class_names import COCO, classes_of
from promvil_hf.backends.detectors import Detection, Detector, Found, by_content, suppressed
from promvil_hf.boxes import Box


ONNX_THRESHOLD = 0.3


@dataclass(frozen=True, slots=True)
class OnnxLayout:
    """How the pictures of a file must look, and what its output means.

    Args:
        boxes: "cells" is a grid of FastestDet, (1, 5 + classes, rows, columns); "centres" rows of centre, size and scores of
            the classes in pixels of the input; "corners" finished rows (x0, y0, x1, y1, score, class).
        objectness: A score for any thing stands before those of the classes, and multiplies them.
        turned: The rows of "centres" lie along the last axis.
        colours: Order of the channels, "rgb" or "bgr"; values are divided by 255.
        letterbox: The picture keeps its aspect, in the middle of grey; else it is stretched.
        overlap: Of two boxes of a class that overlap by more, the better one stays; None: the file has done it.
    """

    boxes: str
    objectness: bool = False
    turned: bool = False
    colours: str = "rgb"
    letterbox: bool = True
    overlap: float | None = 0.45


LAYOUTS = {
    "fastestdet": OnnxLayout("cells", objectness=True, colours="bgr", letterbox=False),
    "yolov5": OnnxLayout("centres", objectness=True),
    "yolov8": OnnxLayout("centres", turned=True),
    "yolov10": OnnxLayout("corners", overlap=None),
}
_GREY = (114, 114, 114)  # beside a picture, as YOLO's training has it


def load_onnx_detector(
    path: str | os.PathLike,
    names: Sequence[str] | None = None,
    layout: OnnxLayout | str | None = None,
    threshold: float = ONNX_THRESHOLD,
) -> Detector:
    """`onnx_detector` of a file; `names` and `layout` are found as the module says unless they are given."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path}: pass a detector in ONNX, as onnx:FILE.")
    if find_spec("onnxruntime") is None:
        raise ImportError(
            f"The detector {path} needs onnxruntime, which is not installed: pip install 'promvil_hf[onnx]'."
        )
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(os.fspath(path), providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime raises its own types, none a ValueError
        first_line = str(error).strip().partition("\n")[0][:200]
        raise ValueError(
            f"The file {path} cannot be read as ONNX ({first_line}): it is damaged, or something else."
        ) from error
    shown, answered = session.get_inputs()[0], session.get_outputs()[0]
    side = [size if isinstance(size, int) else 640 for size in shown.shape[2:]]  # YOLO's 640 where the file fixes no size
    if len(session.get_inputs()) != 1 or len(shown.shape) != 4 or shown.type != "tensor(float)":
        inputs = ", ".join(f"{tensor.name} {tensor.shape} {tensor.type}" for tensor in session.get_inputs())
        raise ValueError(
            f"The file {path} takes {inputs}: a detector here takes one picture as floating point numbers, (1, 3, height, width)."
        )

    def run(pixels: np.ndarray) -> np.ndarray:
        return session.run([answered.name], {shown.name: pixels})[0]

    try:
        names = names or _class_names(path, session.get_modelmeta().custom_metadata_map)
        return onnx_detector(run, (side[1], side[0]), names, layout, threshold)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def onnx_detector(
    run: Callable[[np.ndarray], np.ndarray],
    size: tuple[int, int],
    names: Sequence[str] = COCO,
    layout: OnnxLayout | str | None = None,
    threshold: float = ONNX_THRESHOLD,
) -> Detector:
    """A detector over `run`, which takes (1, 3, height, width) and gives the file's first output; `size` is (width, height).

    A picture is run once for all nouns, and what it gave is kept for the pictures asked about last.
    """
    names = tuple(names)
    if layout is None:
        layout = layout_of(run(np.zeros((1, 3, size[1], size[0]), np.float32)).shape, len(names))
    elif isinstance(layout, str):
        if layout not in LAYOUTS:
            raise ValueError(f"You passed layout={layout!r}: it is one of {', '.join(LAYOUTS)}, or an `OnnxLayout`.")
        layout = LAYOUTS[layout]

    @by_content
    def everything(picture: Image.Image) -> dict[str, list[Detection]]:
        pixels, frame = _shown(picture, size, layout)
        found: dict[str, list[Detection]] = {}
        for corners, score, label in zip(*_read(run(pixels), layout, size, threshold), strict=True):
            box = Box.clipped(*(round(float(corner), 6) for corner in frame(corners)))
            if box is not None and label < len(names):
                found.setdefault(names[label], []).append(Detection(box, round(float(score), 4)))
        if layout.overlap is None:
            return found
        return {name: suppressed(detections, layout.overlap) for name, detections in found.items()}

    def detect(pairs: Sequence[tuple[Image.Image, str]]) -> list[Found]:
        pictures = {id(picture): picture for picture, _ in pairs}
        found = {picture_id: everything(picture) for picture_id, picture in pictures.items()}
        return [_of_noun(noun, found[id(picture)]) for picture, noun in pairs]

    def _of_noun(noun: str, found: dict[str, list[Detection]]) -> Found:
        classes = classes_of(noun, names)
        if not classes:
            return Found(known=False)
        detections = [detection for name in classes for detection in found.get(name, ())]
        return Found(sorted(detections, key=lambda each: -each.score), asked="" if classes == (noun,) else ", ".join(classes))

    return detect


def layout_of(shape: Sequence[int], classes: int) -> OnnxLayout:
    """The layout that an output of this shape has for so many classes."""
    fits = {
        "fastestdet": len(shape) == 4 and shape[1] == 5 + classes,
        "yolov5": len(shape) == 3 and shape[2] == 5 + classes,
        "yolov8": len(shape) == 3 and shape[1] == 4 + classes,
        "yolov10": len(shape) == 3 and shape[2] == 6,
    }
    fitting = [name for name, fit in fits.items() if fit]
    if len(fitting) != 1:
        which_have = f"several layouts have ({', '.join(fitting)})" if fitting else "no known layout has"
        raise ValueError(
            f"its output of the shape {tuple(shape)} is one that {which_have} for {classes} classes. Load it in code: "
            f"`load_onnx_detector(file, names, layout)`, with the names of its classes and one of {', '.join(LAYOUTS)}, or an "
            "`OnnxLayout`."
        )
    return LAYOUTS[fitting[0]]


def _shown(picture: Image.Image, size: tuple[int, int], layout: OnnxLayout):
    """The picture as the file wants it, and the way from fractions of it back to fractions of the original."""
    if layout.letterbox:
        scale = min(size[0] / picture.width, size[1] / picture.height)
        inner = [max(1, round(side * scale)) for side in picture.size]
        left, top = ((whole - inner_side) // 2 for whole, inner_side in zip(size, inner, strict=True))
        canvas = Image.new("RGB", size, _GREY)
        canvas.paste(picture.resize(inner, Image.Resampling.BILINEAR), (left, top))
        offset = np.array([left / size[0], top / size[1]] * 2)
        stretch = np.array([size[0] / inner[0], size[1] / inner[1]] * 2)
    else:
        canvas = picture.resize(size, Image.Resampling.BOX)  # averages the pixels it covers
        offset, stretch = np.zeros(4), np.ones(4)
    pixels = np.asarray(canvas, np.float32).transpose(2, 0, 1)[None] / 255
    if layout.colours == "bgr":
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels), lambda corners: (corners - offset) * stretch


def _read(output: np.ndarray, layout: OnnxLayout, size: tuple[int, int], threshold: float):
    """Corners in fractions of the input (n, 4), scores (n,) and classes (n,) of what scores above the threshold."""
    if layout.boxes == "corners":
        rows = output[0]
        corners, scores, labels = rows[:, :4] / (size * 2), rows[:, 4], rows[:, 5].astype(int)
    else:
        centres, scores, labels = (_cells if layout.boxes == "cells" else _centres)(output, layout, size)
        corners = np.concatenate([centres[:, :2] - centres[:, 2:] / 2, centres[:, :2] + centres[:, 2:] / 2], 1)
    kept = scores > threshold
    return corners[kept].astype(float), scores[kept], labels[kept]


def _cells(output: np.ndarray, layout: OnnxLayout, size: tuple[int, int]):
    """FastestDet: offsets from the cell by tanh, sizes by sigmoid; the score weighs objectness and class by 0.6 and 0.4."""
    objectness, offsets, sizes, classes = np.split(output[0].astype(np.float64), [1, 3, 5])
    rows, columns = output.shape[2:]
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)))  # (2, rows, columns): x, y
    centres = (cells + np.tanh(offsets)) / np.array([columns, rows]).reshape(2, 1, 1)
    boxes = np.concatenate([centres, 1 / (1 + np.exp(-sizes))])
    scores = objectness[0] ** 0.6 * classes.max(0) ** 0.4
    return boxes.reshape(4, -1).T, scores.ravel(), classes.argmax(0).ravel()


def _centres(output: np.ndarray, layout: OnnxLayout, size: tuple[int, int]):
    rows = output[0].T if layout.turned else output[0]
    classes = rows[:, 5:] * rows[:, 4:5] if layout.objectness else rows[:, 4:]
    return rows[:, :4] / (size * 2), classes.max(1), classes.argmax(1)


def _class_names(path: Path, metadata: dict[str, str]) -> Sequence[str]:
    """The names of the classes from a file beside it, from its metadata, or COCO's."""
    beside = path.with_suffix(".names")
    if beside.is_file():
        return [line.strip() for line in beside.read_text(encoding="utf-8").split("\n") if line.strip()]
    try:
        class_names = ast.literal_eval(metadata["names"])  # as Ultralytics writes it: {0: 'person', ...}
        return [str(class_names[number]) for number in range(len(class_names))]
    except (KeyError, ValueError, SyntaxError, TypeError):
        return COCO
