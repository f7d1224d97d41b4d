# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`python -m promvil_hf.commands.models_page > docs/models.md` writes the page of all families and what each can do."""

from collections.abc import Iterator

from promvil_hf.backends.capabilities import CAPABILITIES
from promvil_hf.backends.families import FAMILIES, Family


START = """# Models

<!-- `python -m promvil_hf.commands.models_page > docs/models.md` writes this page from the table of families. Do not edit it. -->

Every model of one of these types loads with `promvil_hf.load` and as `--model`. [Extending](extending.md) shows how to add
another. Each cell is tried on a tiny model of the family, with random weights:
`python -m pytest tests/unit/backends/test_capabilities.py`.
"""
GEOMETRY = """## How places are proven

A ramp carries its own coordinates: red says how far right a pixel was, green how far down. It is pushed through the family's
image processor, and what each image token sees of it must be the middle and the extent of its box, within half a pixel of
the processor's grid, for several shapes of picture (`tests/unit/backends/test_token_boxes.py`). Where a token sees more than
its box, the middle alone is compared: Florence-2's convolutions overlap (`tests/unit/backends/test_florence2.py`), and
LLaVA-OneVision mixes the patches of many tiles."""
# What a dialect may ask of an image processor, for a page that needs no checkpoint.
_SETTINGS = {"size": {"shortest_edge": 1, "longest_edge": 1}, "patch_size": 1, "merge_size": 1}


def page() -> str:
    """The page, the same on every machine."""
    return "\n".join([START, *_columns(), *_table(), *_reasons(), *_geometry()]) + "\n"


def _columns() -> Iterator[str]:
    yield "| column | |\n| --- | --- |"
    yield from (f"| {name} | {capability.about} |" for name, capability in CAPABILITIES.items())
    yield ""


def _table() -> Iterator[str]:
    yield f"| model | `model_type` | boxes as | {' | '.join(CAPABILITIES)} |"
    yield "| --- " * (3 + len(CAPABILITIES)) + "|"
    for name, family in _sorted():
        dialect = family.dialect(_SETTINGS)
        cells = (capability.of(family).said for capability in CAPABILITIES.values())
        frame = f", {type(dialect.frame).__name__}" if hasattr(dialect, "frame") else ""
        yield f"| {family.known_as} | `{name}` | {type(dialect).__name__}{frame} | {' | '.join(cells)} |"
    yield ""


def _reasons() -> Iterator[str]:
    yield "## Why not\n"
    for _, family in _sorted():
        for why, names in _whys(family).items():
            yield f"- {family.known_as}, {', '.join(names)}: {why}"
    yield ""


def _whys(family: Family) -> dict[str, list[str]]:
    """The columns that have each reason."""
    found: dict[str, list[str]] = {}
    for name, capability in CAPABILITIES.items():
        if why := capability.of(family).why:
            found.setdefault(why, []).append(name)
    return found


def _geometry() -> Iterator[str]:
    yield GEOMETRY
    without = [family.known_as for _, family in _sorted() if family.needs_torchvision]
    if without:
        yield (
            f"\ntransformers has the image processors of {' and '.join(without)} for torchvision only, which the tests do not "
            "install. There the tensors of pixels are made by upstream's own code with torch's resize in place of torchvision's "
            "(`promvil_hf.toy.models.without_torchvision`), and the ramp is pushed through those. Loading such a checkpoint "
            "asks for torchvision."
        )


def _sorted() -> list[tuple[str, Family]]:
    return sorted(FAMILIES.items(), key=lambda item: item[1].known_as.lower())


if __name__ == "__main__":
    print(page(), end="")
