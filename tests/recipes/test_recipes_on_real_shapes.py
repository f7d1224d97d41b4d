# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Every recipe starts and trains on a model of the shape that it names. `pytest -m slow tests/recipes`.

The recipes of `recipes/toy` train a model that comes with the package: `test_reward_recipes` runs them as they are.
"""

import gc
import math
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from promvil_hf.commands import recipe
from tests.recipes.real_shapes import checkpoint


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # seconds of the clock: LLaVA's shapes take minutes of CPU, and the machine may be shared
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning"),  # peft 0.21 and trl 1.16 use the old names
]
ROOT = Path(__file__).resolve().parents[2]
NAMED = [
    path
    for path in sorted((ROOT / "recipes").rglob("*.yaml"))
    if path.parent.name not in ("accelerate", "toy") and path.stem != "smoke"
]
# What a machine without a GPU has to change, and what two steps have no use for.
CHANGED = (
    "--use_cpu true --bf16 false --dtype float32 --max_steps 2 --gradient_accumulation_steps 1 --per_device_train_batch_size 1 "
    "--rows toy:1 --eval_rows toy:1:1000 --max_eval_samples 1 --eval_strategy steps --eval_steps 2 --save_strategy no "
    "--load_best_model_at_end false --dataloader_num_workers 0 --logging_steps 1"
).split()
BY_REWARD = (  # two short answers to one prompt; what is held out is measured before and after, and not between
    "--per_device_train_batch_size 2 --num_generations 2 --max_completion_length 8 --eval_strategy no"
).split()


@pytest.mark.parametrize("path", NAMED, ids=[f"{path.parent.name}/{path.stem}" for path in NAMED])
def test_a_recipe_trains_two_steps_on_a_model_of_its_own_shape(path, tmp_path, capsys):
    """Random weights, the published widths, layers and vocabulary cut; the real processor of Kosmos-2 where it is at hand."""
    real = ROOT.parent / "shared" / "data" / "kosmos2" / "processor_hf_derived"
    base = checkpoint(yaml.safe_load(path.read_text())["model"], tmp_path / "base", real if real.is_dir() else None)
    script = recipe.script_of(path)
    changed = [*CHANGED, *(BY_REWARD if script == "train_grpo" else [])]
    command = import_module(f"promvil_hf.commands.{script}")
    trainer = command.train(["--config", str(path), "--model", str(base), *changed, "--output_dir", str(tmp_path / "out")])
    output = capsys.readouterr().out
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert trainer.state.global_step == 2 and len(losses) == 2 and all(map(math.isfinite, losses))
    assert "read back equal" in output or trainer.args.optim and "full trains" in output
    if "kosmos-2" in yaml.safe_load(path.read_text())["model"] and real.is_dir():
        assert len(trainer.processing_class.tokenizer) == 65_037 and trainer.backend.image_tokens == 64
    del trainer
    gc.collect()
