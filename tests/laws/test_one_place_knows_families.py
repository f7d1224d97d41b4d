# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Only `promvil_hf/backends/families/` knows a family: elsewhere no model type is read, compared or collected."""

import ast
from pathlib import Path
from pkgutil import resolve_name

import pytest

from promvil_hf.backends.families import FAMILIES, PATCH_FAMILIES, PROJECTORS, Family, family_of
from promvil_hf.toy import models


TOP = Path(__file__).resolve().parents[2]
FOLDERS = ("promvil_hf", "recipes", "studies", "benchmarks", "evaluate_metrics")
MAY = ("promvil_hf/backends/families/", "promvil_hf/toy/models/")  # the second builds configurations of these types
ALSO_OTHER_THINGS = {"llava"}  # a data set and a toy base: counts only beside another model type


def faults(source: str) -> list[str]:
    """What a file says of model types beyond naming one in a message, with the line."""
    if not any(word in source for word in ("model_type", *FAMILIES)):
        return []  # most files; parsing them would take most of the time
    tree = ast.parse(source)
    in_messages = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="model_type") if id(node) not in in_messages:
                found.append((node.lineno, "reads .model_type"))
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value="model_type"), *_]):
                found.append((node.lineno, "reads model_type"))
            case ast.Compare(left=left, comparators=others):
                if any(isinstance(side, ast.Name) and side.id == "model_type" for side in (left, *others)):
                    found.append((node.lineno, "compares model_type"))
                if known(left, *others) - ALSO_OTHER_THINGS:
                    found.append((node.lineno, "compares with a model type"))
            case ast.Match(subject=ast.Name(id="model_type")):
                found.append((node.lineno, "compares model_type"))
            case ast.Set(elts=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(keys=parts):
                types = known(*parts)
                if types - ALSO_OTHER_THINGS:
                    found.append((node.lineno, f"collects {', '.join(sorted(types))}"))
    return [f"line {line} {what}" for line, what in sorted(set(found))]


def known(*nodes: ast.AST | None) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and node.value in FAMILIES}


def test_no_other_place_knows_a_family():
    found = {}
    for path in (path for folder in FOLDERS for path in sorted((TOP / folder).rglob("*.py"))):
        name = path.relative_to(TOP).as_posix()
        if not name.startswith(MAY) and (wrong := faults(path.read_text())):
            found[name] = wrong
    assert found == {}


@pytest.mark.parametrize(
    "source, says",
    [
        ("if backend.model.config.model_type == other: pass", "reads .model_type"),
        ("kind = AutoConfig.from_pretrained(name).model_type.startswith('sam2')", "reads .model_type"),
        ("kind = getattr(config, 'model_type', None)", "reads model_type"),
        ("def f(model_type):\n    return model_type in KNOWN", "compares model_type"),
        ("def f(model_type):\n    match model_type:\n        case 'bert': pass", "compares model_type"),
        ("if kind == 'kosmos-2': pass", "compares with a model type"),
        ("CAUSAL = frozenset({'qwen3_vl', 'llava'})", "collects llava, qwen3_vl"),
        ("load = {'paligemma': 1}", "collects paligemma"),
    ],
)
def test_the_check_bites(source, says):
    assert any(fault.endswith(says) for fault in faults(source))


@pytest.mark.parametrize(
    "source",
    [
        'raise ValueError(f"You passed a model of type {config.model_type!r}.")',
        "BASES = ('kosmos2', 'llava')",
        "config = LlavaConfig(vision_config={'model_type': 'clip_vision_model'})",
    ],
)
def test_messages_and_other_vocabularies_are_left_alone(source):
    assert faults(source) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_whole(name):
    """Its classes are there, and it has boxes of its tokens or a reason why not."""
    family = FAMILIES[name]
    assert callable(resolve_name(family.backend))
    assert hasattr(resolve_name(family.processor), "from_pretrained")
    assert (family.token_boxes is None) == bool(family.why_no_places)
    assert (name in PATCH_FAMILIES) == (family.token_boxes is not None)


def test_a_model_is_of_its_family_and_its_projector_is_there():
    tiny = models.tiny_llava()
    assert family_of(tiny.model) is family_of(tiny.model.config) is FAMILIES["llava"]
    assert FAMILIES["llava"].projector in PROJECTORS
    assert any(FAMILIES["llava"].projector in module for module, _ in tiny.model.named_modules())
    assert family_of(models.tiny_sam().model) is None
    assert Family(dialect=lambda _: None).causal is False  # a family nobody described keeps nothing
