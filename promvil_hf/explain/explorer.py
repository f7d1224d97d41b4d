# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Saved explanations of one or two checkpoints, filtered and side by side, in a browser. No model and no torch.

Each page of `promvil_hf.explain.explanation_pages` is shown in a frame of its own. gradio (extra `app`) is imported when
the app is made.
"""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from promvil_hf.explain.explanation_pages import atlas_page, explanation_page
from promvil_hf.explain.explanations import Explanation, read_explanations
from promvil_hf.explain.head_atlas import HeadAtlas, read_atlas
from promvil_hf.fivl.fivl_rows import image_file
from promvil_hf.pages.elements import escape


CHANGED = ("all", "changed when hidden", "the same when hidden", "changed by random boxes too")
RIGHT = ("all", "right", "wrong")
AGREE = ("all", "answers differ", "answers agree")


@dataclass(frozen=True, slots=True)
class Run:
    """What `promvil explain` left in a folder: explanations by name, and the atlas where there is one."""

    name: str
    explanations: dict[str, Explanation]
    atlas: HeadAtlas | None

    @classmethod
    def read(cls, folder: str | os.PathLike, name: str = "") -> "Run":
        folder = Path(folder)
        path = folder / "explanations.jsonl"
        if not path.is_file():
            raise ValueError(f"{folder} has no explanations.jsonl: name a folder that `promvil explain` wrote.")
        atlas = folder / "atlas.json"
        return cls(
            name or folder.name,
            {one.name: one for one in read_explanations(path)},
            read_atlas(atlas) if atlas.is_file() else None,
        )


def chosen(
    runs: Sequence[Run], words: str = "", changed: str = "all", right: str = "all", agree: str = "all"
) -> list[str]:
    """Names of the explanations that every run has and that pass the filters; `changed` and `right` ask the first."""
    first = runs[0]
    wanted = words.lower().split()
    found = []
    for name, one in first.explanations.items():
        others = [run.explanations[name] for run in runs[1:] if name in run.explanations]
        if len(others) < len(runs) - 1:
            continue
        text = " ".join([name, one.question, one.answer, one.truth, *(key.text for key in one.keys)]).lower()
        tests = (
            all(word in text for word in wanted),
            changed == "all" or _changed(one, changed),
            right == "all" or (_plain(one.answer) == _plain(one.truth)) == (right == "right"),
            agree == "all"
            or not others
            or all(_plain(one.answer) == _plain(other.answer) for other in others) == (agree == "answers agree"),
        )
        if all(tests):
            found.append(name)
    return found


def frame(page, height: int = 900) -> str:
    """A whole page inside another one, where neither's style nor script reaches the other."""
    content = html.escape("".join(page.chunks()), quote=True)
    return (
        f'<iframe srcdoc="{content}" sandbox="" title="explanation" '
        f'style="width:100%;height:{height}px;border:1px solid #8884;border-radius:8px"></iframe>'
    )


def app(runs: Sequence[Run], images: str | os.PathLike):
    """The gradio app; `launch()` serves it."""
    if find_spec("gradio") is None:
        raise ImportError("`promvil explore` needs gradio, which is not installed: pip install 'promvil_hf[app]'.")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    def picture(name: str) -> Path | None:
        path = image_file(images, name)
        return path if path.is_file() else None

    def shown(name: str | None) -> list[str]:
        pages = []
        for run in runs:
            one = run.explanations.get(name or "")
            path = picture(one.image) if one else None
            if one is None:
                pages.append("<p>Nothing passes the filters.</p>")
            elif path is None:
                pages.append(f"<p>{escape(one.image)} is not in the folder of images.</p>")
            else:
                pages.append(frame(explanation_page(one, path, run.atlas)))
        return pages

    def filtered(*filters: str):
        names = chosen(runs, *filters)
        first = names[0] if names else None
        return [
            gr.update(choices=[(_title(runs[0].explanations[name]), name) for name in names], value=first),
            f"{len(names):,} of {len(runs[0].explanations):,} answers",
            *shown(first),
        ]

    start = chosen(runs)
    with gr.Blocks(title="promvil explore", analytics_enabled=False) as made:
        gr.Markdown("# " + " and ".join(run.name for run in runs))
        with gr.Tab("Answers"):
            with gr.Row():
                words = gr.Textbox(label="Words", placeholder="of question, answer or phrase", elem_id="words")
                changed = gr.Dropdown(list(CHANGED), value="all", label="Hiding", elem_id="changed")
                right = gr.Dropdown(list(RIGHT), value="all", label="Answer", elem_id="right")
                agree = gr.Dropdown(
                    list(AGREE), value="all", label="Checkpoints", visible=len(runs) > 1, elem_id="agree"
                )
            count = gr.Markdown(f"{len(start):,} of {len(runs[0].explanations):,} answers", elem_id="count")
            name = gr.Dropdown(
                [(_title(runs[0].explanations[each]), each) for each in start],
                value=start[0] if start else None,
                label="Answer shown",
                elem_id="shown",
            )
            pages = []
            with gr.Row():
                for place, (run, page) in enumerate(zip(runs, shown(start[0] if start else None), strict=True)):
                    with gr.Column():
                        gr.Markdown(f"### {run.name}")
                        pages.append(gr.HTML(page, elem_id=f"page-{place}"))
            filters = [words, changed, right, agree]
            for one in filters:
                one.change(filtered, filters, [name, count, *pages])
            name.input(shown, name, pages)
        if any(run.atlas for run in runs):
            with gr.Tab("Head atlas"), gr.Row():
                for run in runs:
                    if run.atlas is not None:
                        with gr.Column():
                            gr.HTML(frame(atlas_page(run.atlas, (), lambda _: None, model=run.name), 1400))
    return made


def _changed(one: Explanation, how: str) -> bool:
    before = _plain(one.hidden.get("original", one.answer))
    moved = {kind for kind, said in one.hidden.items() if _plain(said) != before}
    if how == "changed by random boxes too":
        return "random boxes" in moved
    return ("key boxes" in moved) == (how == "changed when hidden")


def _title(one: Explanation) -> str:
    return f"{one.question[:70]} – {one.answer[:40] or '(nothing)'}"


def _plain(text: str) -> str:
    return text.strip().rstrip(".").lower()
