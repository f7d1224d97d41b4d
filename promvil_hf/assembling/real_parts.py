# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Ordinary checkpoints made of what `promvil fetch real` brought, and the model that is put together from them.

Each folder appears when it is complete and says in `made_from.json` what it was made from. What is there is kept, so a command
that was killed goes on; what was made from another file, or by an older version of this module, is made again.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from promvil_hf.assembling.assemble import assemble, write
from promvil_hf.backends.convolutional_tower import EfficientNetLiteModel, folded, image_processor
from promvil_hf.backends.convolutional_tower_config import EfficientNetLiteConfig
from promvil_hf.fetching.real_parts import CLASSIFIER, LANGUAGE, VISION
from promvil_hf.files import draft_folder, move, one_path, sha256_of, unfolded, write_json, write_text
from promvil_hf.folder_lock import held
from promvil_hf.json_documents import json_document, typed
from promvil_hf.json_records import decoded, read_bytes


FORM = 1  # of the folders; raised when they would be made otherwise
MADE_FROM = "made_from.json"
_OF_QUANTIZATION = ("quantization_config", "dtype", "torch_dtype", "_name_or_path", "architectures", "transformers_version")


def make(out: Path) -> Iterator[str]:
    """Make what can be made of what lies below `out`; gives a line on each folder."""
    out = Path(out)
    sources = {LANGUAGE: _came(out / "smollm2", "*.gguf"), VISION: _came(out / "efficientnet-lite0", "*.pth")}
    called = _came(out / "imagenet-names", "*.json")
    with held(out):
        for name, how in ((LANGUAGE, _language), (VISION, _vision)):
            if sources[name]:
                source = one_path(sources[name], f"the weights of {name}")
                yield _made(out / name, {"weights": sha256_of(source)}, partial(how, source))
        if all(sources.values()):
            parts = {name: sha256_of(out / name / "model.safetensors") for name in sources}
            yield _made(out / "smol", parts, partial(_together, out))
        if sources[VISION] and called:
            weights, names = one_path(sources[VISION], "the weights of the tower"), one_path(called, "the names of its outputs")
            parts = {"weights": sha256_of(weights), "names": sha256_of(names)}
            yield _made(out / CLASSIFIER, parts, partial(_classifier, weights, names))


def _came(folder: Path, pattern: str) -> list[Path]:
    return unfolded([folder], pattern) if folder.is_dir() else []


def _made(folder: Path, source: dict[str, str], how: Callable[[Path], None]) -> str:
    plan = {"form": FORM, "from": source}
    try:
        if json_document(folder / MADE_FROM).fields == plan:
            return f"{folder} is here"
    except (FileNotFoundError, ValueError):
        pass
    with draft_folder(folder.parent) as draft:
        how(draft / "made")
        write_json(draft / "made" / MADE_FROM, plan)
        move(draft / "made", folder)
    return f"{folder} is made"


def _language(source: Path, folder: Path) -> None:
    """A causal language model with plain float32 weights.

    A model that was loaded from GGUF refuses to be saved, as its configuration names the quantisation: its weights go into a new
    model of the same sizes. float32, because products of matrices in bfloat16 are many times slower on a CPU.
    """
    place = {"gguf_file": source.name}
    packed = transformers.AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **place)
    fields = {name: value for name, value in packed.config.to_dict().items() if name not in _OF_QUANTIZATION}
    config = type(packed.config).from_dict(fields)
    with torch.device("meta"):
        plain = type(packed)(config)
    plain.load_state_dict(packed.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = packed.generation_config
    plain.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(source.parent, **place).save_pretrained(folder)


def _vision(source: Path, folder: Path) -> None:
    config = EfficientNetLiteConfig()
    with torch.device("meta"):
        tower = EfficientNetLiteModel(config)
    tower.load_state_dict(folded(torch.load(source, map_location="cpu", weights_only=True)), assign=True)
    tower.save_pretrained(folder)
    image_processor(config.image_size).save_pretrained(folder)


def _classifier(weights: Path, names: Path, folder: Path) -> None:
    """What `--classifier` and `--classifier_names` of the stages that teach a model to see take."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    layer = {name: state[f"_fc.{name}"].float().contiguous() for name in ("weight", "bias")}
    words = typed(decoded(read_bytes(names)), list[str], names, "a list of names")
    if len(words) != len(layer["bias"]):
        raise ValueError(f"{names} has {len(words)} names for the {len(layer['bias'])} outputs of {weights.name}.")
    folder.mkdir(parents=True)
    save_file(layer, folder / "classifier.safetensors")
    write_text(folder / "classifier_names.txt", "\n".join(words) + "\n")


def _together(out: Path, folder: Path) -> None:
    assembled = assemble(str(out / VISION), str(out / LANGUAGE))
    card = (
        "# real:smol\n\nA LLaVA of EfficientNet-lite0 (ImageNet) and SmolLM2-135M-Instruct, made by `promvil fetch real`. "
        "Its projector is **not trained**: the model answers as if it saw noise until it was aligned. The licences of both parts "
        "hold.\n"
    )
    write(assembled, folder, card)
