# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The card of a published atlas of heads."""

import os

from promvil_hf.explain.head_atlas import read_atlas
from promvil_hf.hub_names import public_name
from promvil_hf.publishing import plain_card
from promvil_hf.shown_text import in_markdown


def atlas_card(path: str | os.PathLike) -> str:
    """README.md for the atlas in a file: of which model, how it was measured, its best heads."""
    atlas = read_atlas(path)
    model = in_markdown(public_name(atlas.settings.get("model") or atlas.settings.get("served_model") or "not named"))
    heads = "\n".join(
        f"| {head} | {atlas.rho[atlas.place(head)]:.3f} | {atlas.auroc[atlas.place(head)]:.3f} | "
        f"{atlas.p_family[atlas.place(head)]:.4f} |"
        for head in atlas.best(5)
    )
    body = f"""# Attention heads of {model} against masks

For each head of the model, the mean rank correlation of its attention to the picture's tokens with the mask of what is named,
at the token that names it (FiVL, arXiv 2412.14672), over {atlas.turns:,} turns. `p_family` counts shuffles in which any head does
as well. These are measurements of this run; no published table is reproduced.

| head | rho | AUROC | p over all heads |
|---|---|---|---|
{heads}

{int(atlas.passing().sum()):,} of {atlas.rho.size:,} heads pass at 0.05.

```python
from huggingface_hub import hf_hub_download
from promvil_hf.explain.head_atlas import read_atlas

atlas = read_atlas(hf_hub_download("<this repository>", "atlas.json", repo_type="dataset"))
```

`explanations.jsonl` holds the answers with their heat, as far as it is here; `promvil explore` shows it. Questions, answers and
pictures of the rows belong to the data set they come from.
"""
    return plain_card(body, ("promvil", "fivl", "explainability", "attention"), atlas.settings)
