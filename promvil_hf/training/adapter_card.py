# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The model card of a trained adapter: where it comes from, how it was made, what it scores, what it may be used for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

import promvil_hf
from promvil_hf.environment import environment
from promvil_hf.shown_text import one_line


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the trainer cannot know by itself."""

    base_model: str
    title: str
    about: str
    data: str
    datasets: Sequence[str] = ()  # Hub ids
    licence: str = "mit"
    licence_note: str = ""
    settings: Mapping[str, object] = ()
    tags: Sequence[str] = ("promvil", "grounding", "referring-expressions")


def write_card(folder, facts: CardFacts, metrics: Mapping[str, float], trained: str) -> Path:
    """Write README.md. `trained` says what was adapted."""
    installed = environment(devices=False)["packages"]
    versions = {name: installed[name] for name in ("torch", "transformers", "peft", "accelerate", "datasets")}
    base = one_line(facts.base_model)
    data = ModelCardData(
        base_model=base,
        library_name="peft",
        pipeline_tag="image-text-to-text",
        license=facts.licence,
        datasets=list(facts.datasets) or None,
        tags=[*facts.tags, "lora", f"base_model:adapter:{base}"],
    )
    scores = "\n".join(f"| {name} | {value:.4g} |" for name, value in sorted(metrics.items()))
    settings = "\n".join(f"{name}: {one_line(value)}" for name, value in sorted(dict(facts.settings).items()))
    text = f"""---
{data.to_yaml()}
---

# {facts.title}

{facts.about}

## Use

```python
from promvil_hf import load

backend = load({json.dumps(facts.base_model)}, adapter="<this repository>")
```

It is a plain PEFT checkpoint: `PeftModel.from_pretrained(base, "<this repository>")` works too.

## Data

{facts.data}

## Training

This adapter {trained}.

```yaml
{settings}
```

## Metrics

Of the evaluation rows of this run, at its end; no published table is reproduced here.

| metric | value |
|---|---|
{scores or "| none was measured | |"}

## Licence

{facts.licence}. {facts.licence_note}

## Versions

promvil_hf {promvil_hf.__version__}, {", ".join(f"{name} {version}" for name, version in versions.items())}.
"""
    path = Path(folder) / "README.md"
    ModelCard(text).save(path)
    return path
