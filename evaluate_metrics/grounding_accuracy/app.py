# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The Space of this module: JSON in, the module's result out. `answer` needs no gradio and is what the tests call."""

import json
from pathlib import Path

import evaluate


HERE = Path(__file__).resolve().parent
EXAMPLE = (HERE / "example.json").read_text(encoding="utf-8")


def answer(text: str) -> str:
    """The keywords of `compute` as JSON -> its result as JSON, or what is wrong with them."""
    try:
        return json.dumps(evaluate.load(str(HERE / "grounding_accuracy.py")).compute(**json.loads(text)), indent=2)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    import gradio

    gradio.Interface(
        answer,
        gradio.Code(EXAMPLE, language="json", label="keywords of compute()"),
        gradio.Code(language="json", label="result"),
        title="grounding_accuracy",
        article=(HERE / "README.md").read_text(encoding="utf-8").split("---", 2)[2],
    ).launch()
