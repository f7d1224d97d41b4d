# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""`promvil explore` in a real browser: two checkpoints side by side, filters, the atlas; no model, nothing asked outside."""

import dataclasses
import time
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from promvil_hf.explain.explanations import ExplainedKey, Explanation, write_explanations
from promvil_hf.explain.explorer import Run, app, chosen
from promvil_hf.explain.head_atlas import HeadAtlas
from promvil_hf.explain.layer_names import Layer


HEAT = [[0.0, 0.1], [0.4, None]]
HIDDEN = {"original": "red", "key boxes": "blue", "random boxes": "red", "blind": "blue"}


def explanation(number: int, answer: str = "red", **changes) -> Explanation:
    one = Explanation(
        name=f"row-{number}", image="a.png", image_size=(20, 10), question=f"What color is thing {number}?",
        answer=answer, truth="red", model="m", heads=["1.2"], keys=[ExplainedKey(answer, HEAT, [[0, 0, 0.5, 0.5]])],
        said=[[7, 7], [8, 7]], words={7: " ring", 8: " dot"}, hidden={**HIDDEN, "original": answer}, region="given",
        hidden_boxes=[[0, 0, 0.5, 0.5]],
    )  # fmt: skip
    return dataclasses.replace(one, **changes)


def atlas() -> HeadAtlas:
    rng = np.random.default_rng(0)
    maps = rng.random((2, 4))
    return HeadAtlas(
        layers=(Layer("language", 0), Layer("language", 1)),
        rho=maps, auroc=maps, tokens=np.full((2, 4), 9), p_head=maps, p_family=maps, q_value=maps,
        null=rng.random((20, 2, 4)), ceiling=0.5, turns=3, skipped={}, settings={"null": "images"},
        by_turn=rng.random((3, 2, 4)), by_turn_tokens=np.ones((3, 2, 4), int), image_ids=("a", "b", "c"),
    )  # fmt: skip


def run(name: str, *explanations: Explanation) -> Run:
    return Run(name, {one.name: one for one in explanations}, atlas())


BEFORE = run("before", explanation(1), explanation(2, "green"), explanation(3, hidden={**HIDDEN, "key boxes": "red"}))
AFTER = run("after", explanation(1), explanation(2), explanation(3), explanation(4))


def test_filters_ask_the_first_run_and_show_what_both_have():
    both = [BEFORE, AFTER]
    assert chosen(both) == ["row-1", "row-2", "row-3"]
    assert chosen([AFTER, BEFORE]) == ["row-1", "row-2", "row-3"]
    assert chosen([AFTER]) == ["row-1", "row-2", "row-3", "row-4"]
    assert chosen(both, words="GREEN thing") == ["row-2"]
    assert chosen(both, changed="the same when hidden") == ["row-3"]
    assert chosen(both, changed="changed by random boxes too") == ["row-2"]
    assert chosen(both, right="wrong") == ["row-2"]
    assert chosen(both, agree="answers differ") == ["row-2"]
    assert chosen(both, agree="answers agree", right="right") == ["row-1", "row-3"]


def test_a_folder_without_explanations_and_a_missing_gradio_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="has no explanations.jsonl: name a folder that `promvil explain` wrote"):
        Run.read(tmp_path)
    write_explanations(tmp_path / "explanations.jsonl", [explanation(1)])
    assert Run.read(tmp_path).atlas is None
    monkeypatch.setattr("promvil_hf.explain.explorer.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs gradio, which is not installed: pip install 'promvil_hf\[app\]'"):
        app([BEFORE], tmp_path)


@pytest.fixture
def served(tmp_path):
    if find_spec("gradio") is None:
        pytest.skip("gradio is not installed")
    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.png")
    made = app([BEFORE, AFTER], tmp_path)
    _, url, _ = made.launch(prevent_thread_lock=True, quiet=True, share=False, server_name="127.0.0.1")
    yield url
    made.close()


@pytest.fixture
def page(tmp_path, served):
    """A browser of its own, which may reach this machine past the dead end."""
    from tests.browser.conftest import Browser, _chromium

    program = _chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    wrapper = tmp_path / "browser"
    wrapper.write_text(
        '#!/bin/bash\nwords=("$@")\n'
        f'exec {program} "${{words[@]/--proxy-bypass-list=<-loopback>/--proxy-bypass-list=127.0.0.1}}"\n'
    )
    wrapper.chmod(0o755)
    browser = Browser(str(wrapper), tmp_path)
    tab = browser.tab()
    tab.browser = browser
    tab.send("Page.navigate", url=served)
    yield tab
    browser.close()


def until(tab, script: str, seconds: float = 60):
    """Wait until an expression in the page holds."""
    deadline = time.monotonic() + seconds
    while not tab.run(script):
        if time.monotonic() > deadline:
            raise AssertionError(f"never true: {script}\n{tab.run('document.body.innerText')[:2000]}")
        time.sleep(0.2)


FRAME = "(document.querySelectorAll('iframe')[{}] || {{}}).srcdoc || ''"


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")
def test_two_checkpoints_stand_side_by_side_and_filters_choose(page, served, tmp_path):
    until(page, f"({FRAME.format(1)}).includes('What color is thing 1?')")
    assert page.run("document.querySelectorAll('iframe').length") >= 2
    text = page.run("document.body.innerText")
    assert "3 of 3 answers" in text and "before" in text and "after" in text
    page.run(
        "(() => { const box = document.querySelector('#words textarea, #words input');"
        "box.value = 'green'; box.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    until(page, "document.body.innerText.includes('1 of 3 answers')")
    until(page, f"({FRAME.format(0)}).includes('thing 2?')")
    assert page.run(f"({FRAME.format(0)}).includes('green')") and not page.run(
        f"({FRAME.format(1)}).includes('green')"
    )
    page.run("[...document.querySelectorAll('button[role=tab]')].filter(b => b.innerText.trim() == 'Head atlas').pop().click()")
    until(page, "[...document.querySelectorAll('iframe')].some(f => f.srcdoc.includes('Layer by head'))")
    outside = [url for url in page.requests if url.startswith("http") and not url.startswith(served.rstrip("/"))]
    assert outside == []
