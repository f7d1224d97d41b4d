# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Run by `test_two_ranks` on each rank; returns what it saw, and leaves the judging to the test."""

from pathlib import Path

import torch

from tests.laws.promvil_rows import rows, trainer, weights


def main(folder: Path, which: str) -> dict:
    # Short rows, so that pictures have several; and an evaluation in between.
    run = trainer(
        folder / "window", rows(8, 2), evaluated=rows(8, 2), per_device_train_batch_size=2, gradient_accumulation_steps=2,
        curriculum="levels", level_weights=[1.0, 0.5, 2.0], optim="sgd", max_steps=4, max_length=130,
        eval_strategy="steps", eval_steps=2,
    )  # fmt: skip
    run.train()
    logs = run.state.log_history
    found = {"world": run.args.world_size}
    for name in ("loss", "loss_level_1", "loss_level_2"):
        found[name if name != "loss" else "losses"] = [entry[name] for entry in logs if name in entry]
    if run.args.process_index == 0:
        torch.save(weights(run), folder / "weights.pt")
    fresh = trainer(folder / "evaluation", eval_generate=2)
    scores = fresh.evaluate(fresh.train_dataset)
    found["evaluation"] = {name: value for name, value in scores.items() if "loss" in name or "accuracy" in name}
    kinds = ("none", "levels", "cumulative", "competence") if which == "every" else ("competence",)
    found["resumed"] = {kind: resumed(folder, kind, which) for kind in kinds}
    return found


def resumed(folder: Path, curriculum: str, which: str) -> dict:
    """Two epochs, then from one checkpoint on again, or from each."""
    options = {
        "curriculum": curriculum, "num_train_epochs": 2, "gradient_accumulation_steps": 1, "save_strategy": "steps",
        "save_steps": 1 if which == "every" else 0.55, "dropout": 0.2,
    }  # fmt: skip
    few = rows(4, 1)
    whole = trainer(folder / curriculum, few, **options)
    order = consumed(whole)
    whole.train()
    expected = weights(whole)
    orders, apart = [], []
    saved = sorted(int(path.name.rpartition("-")[2]) for path in (folder / curriculum).glob("checkpoint-*"))
    for step in saved[:-1]:
        again = trainer(folder / "again", few, **{**options, "save_strategy": "no"})
        seen = consumed(again)
        again.train(resume_from_checkpoint=str(folder / curriculum / f"checkpoint-{step}"))
        orders.append(list(seen))
        difference = [float((tensor - expected[name]).norm() / expected[name].norm()) for name, tensor in weights(again).items()]
        apart.append(max(difference))
    return {"order": order, "orders": orders, "apart": apart}


def consumed(trainer) -> list:
    seen: list = []
    collate = trainer.data_collator
    trainer.data_collator = lambda some: (seen.extend(list(row["cut"]) for row in some), collate(some))[1]
    return seen
