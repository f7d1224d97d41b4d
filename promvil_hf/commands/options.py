# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The options that several commands have, each defined once, and what commands make of them: a backend, a client.

An option has one name, type and help text everywhere; a command chooses its default, its choices and whether it is required.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from PIL.Image import Image

    from promvil_hf.backends.base import GroundingBackend
    from promvil_hf.endpoint import Endpoint
    from promvil_hf.grounding import ComposedGrounder


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of 1 or more")
    return number


def frame_name(text: str) -> str:
    """The name of a frame, with limits where it has some."""
    from promvil_hf.conventions import frame

    try:
        frame(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


_FLAG = {"action": "store_true"}
_FOLDER = {"type": Path, "metavar": "DIR"}
_FILE = {"type": Path, "metavar": "FILE"}
_COUNT = {"type": positive, "metavar": "N"}
_PRICE = {"type": float, "metavar": "PRICE", "default": 0.0}

OPTIONS: dict[str, dict[str, Any]] = {
    # a model that is loaded
    "--model": {
        "help": "checkpoint: a folder, a Hub id, toy:kosmos2, toy:llava, toy:llava_boxes, or real:smol after `promvil fetch real`"
    },
    "--adapter": {"help": "LoRA adapter: a folder or a Hub id"},
    "--revision": {"help": "revision of the checkpoint on the Hub"},
    "--dtype": {"choices": ("auto", "float32", "bfloat16", "float16"), "default": "auto",
                "help": "number format of the weights; auto keeps the one they were saved in"},
    "--quantize": {"choices": ("nf4", "int8"), "help": "load the weights in 4 or 8 bits (extra `quant`)"},
    "--device": {"help": "such as cuda:1 or cpu (default: the GPU of this process, else the CPU)"},
    # a model on a server
    "--base-url": {"metavar": "URL", "help": "an OpenAI-compatible server, such as http://localhost:8000/v1"},
    "--served-model": {"metavar": "NAME", "help": "name of the model on that server; the key is taken from PROMVIL_API_KEY"},
    "--cache": {**_FOLDER, "help": "folder for paid answers of the server; no answer is paid for twice (default: paid in "
                                   "--out, or .promvil-answers without --out)"},
    "--concurrency": {**_COUNT, "default": 8, "help": "how many requests wait for the server at a time"},
    "--requests-per-minute": {"type": float, "metavar": "N", "help": "rate limit of the server"},
    "--prompt-price": {**_PRICE, "help": "price of a million prompt tokens; used to print what was spent"},
    "--completion-price": {**_PRICE, "help": "price of a million answer tokens; used to print what was spent"},
    # how a model is asked
    "--prompt": {"help": "wording of a question that is answered in words; {text} stands for the question"},
    "--dialect": {"help": "how the model writes boxes (default: as its family does; qwen_json for a served model)"},
    "--frame": {"type": frame_name, "metavar": "FRAME", "help": "unit of the box numbers that a served model "
                "writes, or that a file holds: thousandths, resized (Qwen2.5-VL's own pixels; with other limits of its processor "
                "resized:MIN_PIXELS-MAX_PIXELS), pixels, pixels_xywh, fractions, padded_square or location_bins"},
    "--mode": {"help": "one_shot: each expression by itself; progressive and all: ground the phrases inside it first, and "
                       "give the model the boxes that were found one level below, or at all levels below"},
    "--tagger": {"choices": ("auto", "rules", "spacy", "nltk"), "default": "auto",
                 "help": "how nouns are found: spaCy (extra `nlp`), nltk (you download its data yourself), or rules; "
                         "auto takes the first of these that is installed"},
    "--blind": {**_FLAG, "help": "do not show the picture to the model"},
    "--max-new-tokens": {**_COUNT, "default": 64, "help": "longest answer, in tokens"},
    "--batch-size": {**_COUNT, "default": 8, "help": "inputs of a model at a time"},
    "--token-budget": {**_COUNT, "default": 16_384, "help": "tokens held in memory at a time while grounding level by level"},
    # data
    "--rows": {"metavar": "ROWS", "help": "folder that `promvil build` wrote, a data set on the Hub, or (FiVL) a file with "
                                          "one row a line"},
    "--config": {"metavar": "NAME", "help": "which part of the rows: instruct, vqav2, gqa or pope (default: the only one)"},
    "--benchmark": {"metavar": "NAME", "help": "name of the questions; docs/evaluation.md lists the files of each"},
    "--files": {"type": Path, "nargs": "+", "metavar": "FILE", "help": "files as their authors published them (VQAv2 has two: "
                                                                       "questions and annotations)"},
    "--images": {**_FOLDER, "help": "folder that the names of pictures are relative to"},
    "--split": {"help": "which split of the files or rows, or the name of the one that is written"},
    "--limit": {**_COUNT, "help": "only the first N rows; where rows are built from images, only the first N images"},
    "--ids": {**_FILE, "help": "only the rows that this file names, one {id} a line, such as needed_ids.jsonl"},
    "--predictions": {**_FILE, "help": "answers, as JSON Lines or a JSON array of {id, text} or {id, boxes}"},
    "--sample": {**_COUNT, "default": 100, "help": "how many to show or judge, drawn at random"},
    "--verdicts": {"type": Path, "nargs": "+", "metavar": "FILE", "help": "read the verdicts that a page of `promvil inspect` "
                                                                          "saved"},
    "--kinds": {"nargs": "+", "metavar": "KIND", "help": "which kinds of twins"},
    "--fill": {"default": "black", "help": "what a hidden region is filled with"},
    # detectors
    "--detector": {"help": "checkpoint of Grounding DINO, MM-Grounding DINO, OWLv2 or SAM 3; sam3; or onnx:FILE, with fixed "
                           "classes"},
    "--segmenter": {"help": "makes masks of boxes: a SAM or SAM 2 checkpoint (`build fivl --masks sam3`: a SAM 3)"},
    "--box-threshold": {"type": float, "metavar": "SCORE", "help": "least score of a detector's box (default: the detector's "
                                                                  "own; 0.2 for the masks of FiVL)"},
    # statistics
    "--seed": {"type": int, "default": 0, "help": "seed of everything that is drawn at random"},
    "--resamples": {**_COUNT, "default": 9_999, "help": "resamples of the bootstrap intervals"},
    "--strict": {**_FLAG, "help": "stop with an error at any fault of the answers"},
    "--compare": {"nargs": "+", "metavar": "REPORT", "help": "saved reports to compare, or folders of them, see above"},
    # output and jobs
    "--out": {**_FOLDER, "help": "folder to write to; given again, the command continues an interrupted job there"},
    "--html": {**_FILE, "help": "page to write"},
    "--json": {**_FLAG, "help": "print JSON instead of text"},
    "--restart": {**_FLAG, "help": "throw away what an earlier run left in --out"},
    "--quiet": {**_FLAG, "help": "show no progress"},
    "--list": {**_FLAG, "help": "list all of them, with what is known of each"},
    "--dry-run": {**_FLAG, "help": "only say what would be done"},
    "--workers": {**_COUNT, "default": 1, "help": "number of processes"},
    "--shard-size": {**_COUNT, "help": "rows between two saves; an interruption loses at most this many"},
    "--embed-images": {**_FLAG, "help": "put the pictures of --images into the rows"},
    "--push": {"metavar": "REPO", "help": "upload to the Hub, such as promvil/compovl"},
    "--private": {**_FLAG, "help": "push to a private repository"},
}  # fmt: skip

MODEL = ("--model", "--adapter", "--revision", "--dtype", "--quantize", "--device")
SERVER = (
    "--base-url", "--served-model", "--cache", "--concurrency", "--requests-per-minute", "--prompt-price",
    "--completion-price",
)  # fmt: skip


DETECTOR = ("--detector", "--segmenter", "--box-threshold")
DETECTOR_TERMS = ("detector", "segmenter", "box_threshold", "dtype")


def add(parser, *names: str, **changes) -> None:
    """Add shared options to a parser or group; `changes` may set their `default`, `choices` and `required`."""
    if not changes.keys() <= {"default", "choices", "required"}:
        raise TypeError(f"A command cannot change {', '.join(changes)} of {', '.join(names)}: edit OPTIONS.")
    for name in names:
        parser.add_argument(name, **{**OPTIONS[name], **changes})


def load_backend(args: argparse.Namespace, boxes: bool = False) -> "GroundingBackend":
    """The model that answers: the one of --served-model where there is a --base-url, else the checkpoint of --model.

    With `boxes` a served model is asked for boxes, whose frame a server does not report: it must be declared where the
    dialect leaves it open.
    """
    from promvil_hf.conventions import DEFAULT_DIALECT, dialect, needs_frame

    chosen, frame = getattr(args, "dialect", None), getattr(args, "frame", None)
    if getattr(args, "base_url", None):
        from promvil_hf.backends.endpoint import EndpointBackend

        endpoint, spoken = make_endpoint(args), dialect(chosen or DEFAULT_DIALECT, frame)
        if boxes and frame is None and needs_frame(spoken):
            raise ValueError(
                f"You asked a served model for boxes in {chosen or DEFAULT_DIALECT} without --frame, and models that write "
                "this do not agree on what the numbers count: in the wrong frame every box is wrong and none looks it. Pass "
                "--frame thousandths (Qwen3-VL, Qwen3.5), resized (Qwen2.5-VL), pixels (models that were asked for pixels) or "
                "fractions; or another --dialect."
            )
        return EndpointBackend(endpoint, spoken)
    from promvil_hf.backends.checkpoint_names import located

    located(args.model)  # a wrong name is said before torch is loaded
    from promvil_hf.backends.loading import load

    if frame is not None and chosen is None:
        raise ValueError(
            "You passed --frame with --model, whose family says what its numbers count. Leave it out, or name the --dialect "
            "as well."
        )
    load_options = {name: getattr(args, name) for name in ("dtype", "device", "quantize", "revision")}
    return load(args.model, args.adapter, dialect=chosen and dialect(chosen, frame), **load_options)


def load_composer(args: argparse.Namespace) -> "ComposedGrounder":
    """The grounder over --detector, with the masks of --segmenter. The mode "one_shot" asks the detector for whole
    expressions; "progressive" composes."""
    taken = [f"--{name.replace('_', '-')}" for name in _NOT_OF_DETECTORS if getattr(args, name, None)]
    if taken or args.mode == "all":
        raise ValueError(
            f"You passed --detector with {' and '.join(taken) or '--mode all'}, which a detector does not have. Leave it out; "
            "the modes of a detector are progressive and one_shot."
        )
    from promvil_hf.backends.detector_loading import load_detector
    from promvil_hf.grounding.composed_detector import composed

    where = {"device": args.device or "auto", "dtype": "float32" if args.dtype == "auto" else args.dtype}
    detector = load_detector(args.detector, args.box_threshold, **where)
    if args.segmenter:
        from promvil_hf.backends.segmenters import load_sam, masked

        detector = masked(detector, load_sam(args.segmenter, **where))
    return composed(detector, args.detector, "one_shot" if args.mode == "one_shot" else "composed")


_NOT_OF_DETECTORS = (
    "adapter", "revision", "quantize", "base_url", "served_model", "dialect", "frame", "answer", "reference", "constrained",
    "max_boxes", "blind", "prompt",
)  # fmt: skip


def describe_model(args: argparse.Namespace) -> dict[str, Any]:
    """Which model answers, for reports, and so that a job is not continued with another one."""
    if getattr(args, "detector", None) and hasattr(args, "box_threshold"):  # in `explain` it only makes masks
        return {name: getattr(args, name) for name in DETECTOR_TERMS}
    served = getattr(args, "base_url", None)
    names = ("served_model", "base_url") if served else ("model", "adapter", "revision", "dtype", "quantize")
    return {name: getattr(args, name) for name in names}


def make_endpoint(args: argparse.Namespace, **settings) -> "Endpoint":
    """The client of the server that the options name."""
    from promvil_hf.endpoint import Endpoint

    if not args.base_url or not args.served_model:
        raise ValueError(
            "You asked for a served model: pass both --base-url, its address, and --served-model, its name on the server."
        )
    cache = args.cache or (args.out / "paid" if getattr(args, "out", None) else Path(".promvil-answers"))
    names = ("concurrency", "requests_per_minute", "prompt_price", "completion_price")
    terms = {name: getattr(args, name) for name in names}
    return Endpoint(args.base_url, args.served_model, cache, **terms, **settings)


def read_picture(path: Path) -> "Image":
    from promvil_hf.images import UnreadableImage, read_image

    try:
        return read_image(path)
    except UnreadableImage as error:
        raise ValueError(f"Cannot read {path}: {error}.") from error


def check_one_answers(args: argparse.Namespace) -> None:
    """Refuse a call in which nothing answers, or more than one of a checkpoint, a server, a detector and a file."""
    names = ("model", "base_url", "detector", "predictions")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name, None) is not None]
    if len(given) != 1:
        raise ValueError(
            f"You passed {' and '.join(given) or 'nothing that answers'}: pass one of --model, --base-url (with "
            f"--served-model), {'--detector ' if hasattr(args, 'detector') else ''}and --predictions."
        )
