# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The Space of an `evaluate` module: JSON in, the module's result out. Beside the module lie its README and an example."""

import json
from pathlib import Path


def answer(module: Path, text: str) -> str:
    """The keywords of `compute` as JSON -> its result as JSON, or what is wrong with them. Needs no gradio."""
    import evaluate

    try:
        return json.dumps(evaluate.load(str(module)).compute(**json.loads(text)), indent=2)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


def launch(module: Path) -> None:
    import gradio

    gradio.Interface(
        lambda text: answer(module, text),
        gradio.Code(module.with_name("example.json").read_text(encoding="utf-8"), language="json", label="keywords of compute()"),
        gradio.Code(language="json", label="result"),
        title=module.stem,
        article=module.with_name("README.md").read_text(encoding="utf-8").split("---", 2)[2],
    ).launch()
