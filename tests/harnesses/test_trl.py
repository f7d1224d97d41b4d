# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The rewards inside TRL's GRPOTrainer, on the toy world with tiny models."""

import pytest

from promvil_hf.rewards import chain_reward, iou_reward, parse_reward
from tests.harnesses.toy_compovl import chains, world


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("family, dialect", [("tiny_llava", "llava_brackets"), ("tiny_qwen2_5_vl", "qwen_json")])
def test_grpo_trains_a_tiny_model_on_the_toy_world_with_all_rewards(family, dialect, tmp_path, monkeypatch):
    import datasets
    from trl import GRPOConfig, GRPOTrainer

    from promvil_hf.conventions import DIALECTS
    from promvil_hf.phrases import GroundedPhrase
    from promvil_hf.toy import models

    made = getattr(models, family)()
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Locate {chain.steps[-1].target.text}."}],
            "image": scene.image(),
            "boxes": [list(box.xyxy) for box in chain.steps[-1].target.boxes],
            "image_size": list(scene.size),
            "steps": [
                {"text": step.target.text, "level": level, "boxes": [list(box.xyxy) for box in step.target.boxes]}
                for step, level in zip(chain.steps, chain.levels, strict=True)
            ],
        }
        for scene, chain in chains(world(4), 2)
    ]
    gold = {row["prompt"][0]["content"]: row for row in rows}

    def half_right(reward):
        """A random model never writes a box, so every other answer is replaced by the right one before it is judged."""

        def judged(prompts, completions, **columns):
            replaced = []
            for place, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
                row = gold[_words(prompt)]
                right = DIALECTS[dialect].target(
                    GroundedPhrase(row["steps"][-1]["text"], _boxes(row["boxes"])), image_size=tuple(row["image_size"])
                )
                right = f"{row['steps'][-1]['text']} {right}" if dialect == "llava_brackets" else right
                replaced.append([{"role": "assistant", "content": right}] if place % 2 else completion)
            return reward(prompts=prompts, completions=replaced, **columns)

        judged.__name__ = reward.__name__
        return judged

    rewards = [half_right(make(dialect)) for make in (iou_reward, parse_reward, chain_reward)]
    trainer = GRPOTrainer(
        made.model,
        reward_funcs=rewards,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=made.processor,
        args=GRPOConfig(
            output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=4, num_generations=2, logging_steps=1,
            max_completion_length=8, use_cpu=True, bf16=False, report_to="none", save_strategy="no",
        ),
    )  # fmt: skip
    trainer.train()
    logged = trainer.state.log_history[0]
    assert logged["rewards/parse_reward/mean"] == 0.5 and logged["frac_reward_zero_std"] == 0.0
    assert logged["rewards/iou_reward/mean"] > 0.4 and 0 < logged["rewards/chain_reward/mean"] < 0.5
    assert logged["grad_norm"] > 0


def _words(prompt):
    content = prompt[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _boxes(corners):
    from promvil_hf.boxes import Box

    return [Box(*box) for box in corners]
