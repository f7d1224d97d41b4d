# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which checkpoints are whole, and whether the tensors in them are those of the model.

A checkpoint counts once a small file beside its parts, written last and in one move, lists them with their
sizes. A run that is killed while it saves leaves a folder that looks like a checkpoint; nothing here ever takes it for
one. Imports neither torch nor transformers by itself.
"""

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from promvil_hf.files import remove_folder, write_json
from promvil_hf.json_documents import json_document


MARK = "whole.json"
_NAME = re.compile(r"checkpoint-(\d+)\Z")


def mark_whole(folder: str | os.PathLike) -> None:
    """Say that everything in this folder is written."""
    write_json(Path(folder, MARK), _sizes(Path(folder)))


def what_is_missing(folder: str | os.PathLike) -> str | None:
    """None for a whole checkpoint, else what is wrong with it, in words."""
    folder = Path(folder)
    if not folder.is_dir():
        return "there is no such folder"
    try:
        mark = json_document(folder / MARK)
        listed = {name: mark.whole(name) for name in mark.fields}
    except (FileNotFoundError, ValueError):
        return f"it has no {MARK}, which is written last: saving it was cut short"
    found = _sizes(folder)
    for name, size in listed.items():
        if found.get(name) != size:
            return f"{name} should have {size:,} bytes and has {found.get(name, 0):,}"
    return None


def check_whole(folder: str | os.PathLike) -> None:
    if (wrong := what_is_missing(folder)) is not None:
        raise ValueError(
            f"You asked to go on from {folder}, but {wrong}. Name a whole checkpoint, or pass "
            "`--resume_from_checkpoint true` to take the last whole one of the output folder."
        )


def last_whole(output_dir: str | os.PathLike) -> tuple[str | None, dict[str, str]]:
    """The whole checkpoint with the most steps, and those after it that are not whole, each with the reason."""
    cut_short: dict[str, str] = {}
    for path in reversed(_by_steps(output_dir)):
        wrong = what_is_missing(path)
        if wrong is None:
            return str(path), cut_short
        cut_short[str(path)] = wrong
    return None, cut_short


def rotate(output_dir: str | os.PathLike, keep: int | None, needed: Collection[str | None]) -> None:
    """Delete the checkpoints of the fewest steps until `keep` are left, but none that is needed. Clocks do not count."""
    found = _by_steps(output_dir)
    others = [path for path in found if path not in {Path(name) for name in needed if name}]
    for path in others[: max(0, len(found) - keep)] if keep else ():
        remove_folder(path)


def _by_steps(output_dir: str | os.PathLike) -> list[Path]:
    found = [path for path in Path(output_dir).glob("checkpoint-*") if _NAME.match(path.name)]
    return sorted(found, key=lambda path: int(_NAME.match(path.name)[1]))


def check_adapter(model, folder: str | os.PathLike, same_values: bool = False) -> int:
    """Raise unless the adapter in this folder has exactly the tensors that the PEFT model would save; their number."""
    from peft import get_peft_model_state_dict
    from peft.utils import load_peft_weights

    try:
        found = load_peft_weights(str(folder), device="cpu")
    except Exception as error:  # safetensors has its own error type, and torch.load several
        raise ValueError(f"The adapter in {folder} cannot be read: {error}. It may have been cut short.") from error
    expected = get_peft_model_state_dict(model)
    differing = _faults(
        {
            "missing": expected.keys() - found.keys(),
            "unexpected": found.keys() - expected.keys(),
            "of another shape": {n for n in expected.keys() & found.keys() if expected[n].shape != found[n].shape},
            "of other values": {n for n in found if same_values and not _equal(expected.get(n), found[n])},
        }
    )
    if differing:
        raise ValueError(
            f"The adapter in {folder} does not fit this model: its tensors are {differing}. Use the LoRA scope and rank it "
            "was trained with, on the same base."
        )
    return len(expected)


def load_weights(model, folder: str | os.PathLike) -> int:
    """Put the weights of a whole model in this folder into `model`, unless any is missing or left over; their number.

    transformers saves several families under older names than their modules have, LLaVA among them, and its trainer would
    pass over every one of them with a warning. So the folder is read by the class itself, which knows the names.
    """
    if (Path(folder) / "adapter_config.json").is_file():
        raise ValueError(
            f"You asked to train all weights on from {folder}, which holds an adapter alone. Go on with the adapter, as that "
            "run did, or start anew."
        )
    saved, info = type(model).from_pretrained(
        str(folder), dtype=model.dtype, output_loading_info=True, ignore_mismatched_sizes=True, local_files_only=True
    )
    shapes = [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]
    differing = _faults(
        {"missing": info["missing_keys"], "unexpected": info["unexpected_keys"], "of another shape": shapes}
    )
    if differing:
        raise ValueError(
            f"The weights in {folder} do not fit this model: {differing}. Go on with the model that was trained, or start anew."
        )
    weights = saved.state_dict()
    model.load_state_dict(weights)
    return len(weights)


def weights_read(trainer, folder: str | os.PathLike) -> bool:
    """Whether the model of this trainer has its weights from a checkpoint now; False where transformers' way to read it is right,
    as for an adapter, which is checked, and for FSDP and DeepSpeed, which have forms of their own."""
    if hasattr(trainer.model, "peft_config"):
        check_adapter(trainer.model, folder)
        return False
    if not hasattr(trainer.model, "save_pretrained") or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return False
    load_weights(trainer.model, folder)
    return True


def _faults(names_by_fault: Mapping[str, Collection[str]]) -> str:
    """How many names have each fault, and the first of them; nothing if there are none."""
    return "; ".join(
        f"{len(names)} {fault} ({', '.join(sorted(names)[:3])})" for fault, names in names_by_fault.items() if names
    )


def _equal(some, other) -> bool:
    return some is None or some.shape != other.shape or bool((some.detach().cpu().to(other.dtype) == other).all())


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.lstrip(".").startswith(MARK)
    }
