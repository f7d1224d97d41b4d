# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""lighteval itself runs our custom task with a tiny LLaVA, on a CompoVL of the toy world served by the loopback Hub.

lighteval 0.13 does not run beside huggingface_hub 2 and xxhash 4 (it calls `list_models(model_name=…)` and hashes text):
install it elsewhere with `huggingface_hub<2` and `xxhash<4`, and name its Python in PROMVIL_LIGHTEVAL_PYTHON. Without, this
is skipped.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from promvil_hf.toy.models import tiny_llava
from tests.harnesses.toy_compovl import as_dataset, default_view, save_model, world
from tests.hub.conftest import pointed_at
from tests.hub.server import LoopbackHub


ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("PROMVIL_LIGHTEVAL_PYTHON")


@pytest.mark.slow
@pytest.mark.skipif(PYTHON is None, reason="lighteval is not installed (PROMVIL_LIGHTEVAL_PYTHON names its Python)")
def test_lighteval_runs_the_custom_task_on_a_tiny_model(tmp_path):
    model = save_model(tiny_llava(), tmp_path / "llava")
    site = tmp_path / "site"
    site.mkdir()
    # On start lighteval fetches a file of one of its own tasks from GitHub; here nobody answers.
    (site / "sitecustomize.py").write_text(
        "import requests\n\nclass Nothing:\n    status_code, content = 404, b''\n\n"
        "requests.get = lambda *args, **options: Nothing()\n"
    )
    with LoopbackHub() as hub:
        with pointed_at(hub, tmp_path / "here"):
            as_dataset(default_view(world(2))).push_to_hub("promvil/compovl", config_name="default", split="test")
        environment = os.environ | hub.environment(tmp_path / "there") | {
            "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PROMVIL_DIALECT": "llava_brackets", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        done = subprocess.run(
            [PYTHON, "-m", "lighteval", "accelerate", f"model_name={model},dtype=float32,device=cpu,generation_size=8",
             "promvil_compovl", "--vision-model", "--custom-tasks", str(ROOT / "recipes/lighteval/grounding.py"),
             "--output-dir", str(tmp_path / "out")],
            capture_output=True, text=True, cwd=tmp_path, env=environment,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (results,) = (tmp_path / "out").rglob("results_*.json")
    found = json.loads(results.read_text())["results"]["promvil_compovl|0"]
    assert {"promvil_accuracy", "promvil_mean_iou", "promvil_parse_rate"} <= set(found)
    assert all(0.0 <= found[name] <= 1.0 for name in ("promvil_accuracy", "promvil_mean_iou", "promvil_parse_rate"))
