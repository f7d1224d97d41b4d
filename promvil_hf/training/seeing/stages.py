# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""All stages one after the other: features, alignment, reading names, reading photographs, and what was reached.

    found = see("base", train, test, "images", "out", Seeing())

Each stage is done once: killed, the same call goes on. `out/model` is then an ordinary checkpoint whose projector is aligned and
whose language model reads places; `out/table.json` and `out/table.md` say what it sees.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from promvil_hf.backends.loading import load
from promvil_hf.backends.lora_scopes import lora_config
from promvil_hf.files import atomic_write, draft_folder, move, sha256_of, write_text
from promvil_hf.fivl.photograph_questions import Choosing
from promvil_hf.kept_results import do_once, kept_result, read_back
from promvil_hf.training.checkpoints import last_whole
from promvil_hf.training.promvil_config import PromViLConfig
from promvil_hf.training.seeing.album import Album, random_tower, read_album
from promvil_hf.training.seeing.align import (
    Aligning,
    Names,
    Projector,
    aligned,
    distilled,
    folds_of,
    load_projector,
    projected,
)
from promvil_hf.training.seeing.questions import PlaceQuestions, PlaceTrainer
from promvil_hf.training.seeing.reading import NameNoise, NameRows, PhotographRows
from promvil_hf.training.seeing.table import measured, table_text


CLASSES = ("all", "half")
ATTENTION = r"(.*\.)?language_model\.(.*\.)?(q_proj|k_proj|v_proj|o_proj)"


@dataclass(frozen=True, slots=True)
class Seeing:
    """How a model learns to see.

    Args:
        seed: Of everything that is drawn.
        align: The first stage.
        folds: Reading never sees places of a photograph that the projector was trained on: so many projectors are trained,
            each without one part of the photographs.
        aligned_classes: "all", or "half": every other class, by the alphabet, takes part in the alignment.
        classifier: A safetensors file with the `weight` and `bias` of the tower's classifier, to distil the projector from
            instead of labels; with `classifier_names`, a text file of what its outputs are called, one a line.
        name_rows: Rows of the second stage.
        rows: Rows of the third stage, three quarters of them photographs.
        questions: In a row, at most.
        batch: Rows a step.
        learning_rate: Of both reading stages; in the third it falls to 0.
        lora_r: Rank of the adapter on queries, keys, values and outputs of attention; its scale is twice that.
        presence: How questions about photographs are chosen; see `promvil_hf.fivl.photograph_questions`.
        noise: How names look like places.
        checkpoints: Steps between checkpoints, which is what a kill can cost.
    """

    seed: int = 0
    align: Aligning = Aligning()
    folds: int = 3
    aligned_classes: str = "all"
    classifier: str | None = None
    classifier_names: str | None = None
    name_rows: int = 300
    rows: int = 640
    questions: int = 8
    batch: int = 4
    learning_rate: float = 1.5e-3
    lora_r: int = 16
    presence: str = "balanced"
    noise: NameNoise = NameNoise()
    checkpoints: int = 25


def see(
    model: str,
    train: Sequence[str | os.PathLike],
    test: Sequence[str | os.PathLike],
    images: str | os.PathLike,
    out: str | os.PathLike,
    how: Seeing = Seeing(),
    say: Callable[[str], object] = print,
) -> dict:
    """Train and measure; gives the table. `train` and `test` are COCO's files of instances, whose photographs lie in `images`."""
    out = Path(out)
    files_of = {name: [sha256_of(path) for path in files] for name, files in (("train", train), ("test", test))}
    plan = read_back({**asdict(how), "model": str(model), **files_of})
    if (done := kept_result(out / "table.json", plan)) and (out / "model").exists():
        return done["result"]
    backend = load(model, dtype="float32")
    album, exam = (read_album(files, images, backend, out / "features") for files in (train, test))
    if shared := sorted({each.image_id for each in album.photographs} & {each.image_id for each in exam.photographs}):
        raise ValueError(f"{len(shared)} photographs are both in --train and in --test, such as {shared[0]}: keep them apart.")
    if new := sorted(set(exam.classes) - set(album.classes)):
        raise ValueError(f"--test has {len(new)} classes that --train has not, such as {new[0]!r}: give files of one data set.")
    names = Names.of(backend.model, backend.processor.tokenizer, album.classes)
    whole, places = align_stage(backend, album, names, out / "align", how, plan)
    load_projector(backend.model, whole)
    collator = PlaceQuestions(backend)
    reader = reading_stages(backend, album, names, places, collator, out, how, plan, say)

    def without_training() -> torch.Tensor:
        with random_tower(backend.model, how.seed):
            blind, asked = (read_album(files, images, backend, out / "features") for files in (train, test))
        everyone = torch.ones(len(blind.photographs), dtype=torch.bool)
        return projected(asked.features, one_projector(backend, blind, everyone, how))

    def measure() -> dict:
        settings = {"questions": how.questions, "seed": how.seed, "say": say}
        return measured(reader, collator, album, exam, names, whole, places, without_training, **settings)

    table = do_once(out / "table.json", plan, measure)["result"]
    write_text(out / "table.md", table_text(table))
    if not (out / "model").exists():
        save_model(reader, backend.processor, out / "model", table)
    return table


# --- stages ---------------------------------------------------------------------------------------


def align_stage(backend, album: Album, names: Names, folder: Path, how: Seeing, plan: Mapping) -> tuple[Projector, torch.Tensor]:
    """The projector of all photographs, and each photograph's places by a projector that never saw it."""
    folder.mkdir(parents=True, exist_ok=True)
    fold = folds_of(len(album.photographs), how.folds, how.seed)
    projectors = []
    for number in (*range(how.folds), None):
        path = folder / f"{'all' if number is None else f'without-{number}'}.safetensors"
        chosen = torch.ones(len(fold), dtype=torch.bool) if number is None else fold != number

        def work(path=path, chosen=chosen):
            made = one_projector(backend, album, chosen, how)
            with atomic_write(path, "wb") as file:
                file.write(save({name: weight.contiguous() for name, weight in made.items()}))
            return str(path.name)

        do_once(path.with_suffix(".json"), plan, work)
        projectors.append(load_file(path))
    *parts, whole = projectors
    places = torch.empty(*album.features.shape[:2], names.directions.shape[1])
    for number, projector in enumerate(parts):
        places[fold == number] = projected(album.features[fold == number], projector)
    return whole, places


def one_projector(backend, album: Album, chosen: torch.Tensor, how: Seeing) -> Projector:
    align = replace(how.align, seed=how.seed)
    if how.classifier is None:
        taught = sorted(album.classes)[::2] if how.aligned_classes == "half" else list(album.classes)
        some = Names.of(backend.model, backend.processor.tokenizer, taught)
        return aligned(album.features[chosen], album.present(taught)[chosen], some, align)
    words = Path(how.classifier_names).read_text(encoding="utf-8").rstrip("\n").split("\n")
    classifier = load_file(how.classifier)
    if len(words) != len(classifier["weight"]):
        raise ValueError(f"{how.classifier_names} has {len(words)} names for {len(classifier['weight'])} outputs: give one each.")
    said = Names.of(backend.model, backend.processor.tokenizer, words)
    return distilled(album.features[chosen], classifier, said, align)


def reading_stages(backend, album, names, places, collator, out: Path, how: Seeing, plan: Mapping, say) -> torch.nn.Module:
    """The model with an adapter that reads places: first names without photographs, then mostly photographs."""
    name_rows = NameRows(names, places.shape[1], how.name_rows, how.questions, how.noise, how.seed)
    choosing = Choosing(("presence",), how.presence, how.seed)
    photographs = PhotographRows(album.classes, album.photographs, places, name_rows, how.rows, choosing)
    model = backend.model
    for name, rows, schedule in (("names", name_rows, "constant_with_warmup"), ("photographs", photographs, "linear")):
        say(f"stage {name}: {len(rows):,} rows")
        model = trained_on(rows, model, backend.processor, collator, out / name, how, schedule).model
    return model.eval()


def trained_on(
    rows,
    model,
    processor,
    collator: PlaceQuestions,
    folder: Path,
    how: Seeing,
    schedule: str,
    *,
    vision_loss_weight: float = 0.0,
    callbacks: Sequence = (),
) -> PlaceTrainer:
    """Train the adapter of a model, or a fresh one, on rows of `PlaceQuestions`; goes on from the last whole checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    adapter = None
    if not hasattr(model, "peft_config"):
        adapter = lora_config("text", r=how.lora_r, alpha=2 * how.lora_r, dropout=0.0)
        adapter.target_modules = ATTENTION
    config = PromViLConfig(
        str(folder),
        per_device_train_batch_size=how.batch,
        gradient_accumulation_steps=1,
        learning_rate=how.learning_rate,
        lr_scheduler_type=schedule,
        warmup_steps=10,
        seed=how.seed,
        train_sampling_strategy="sequential",
        save_steps=how.checkpoints,
        save_total_limit=1,
        logging_steps=10,
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        vision_loss_weight=vision_loss_weight,
    )
    trainer = PlaceTrainer(
        model,
        config,
        processing_class=processor,
        train_dataset=rows,
        data_collator=collator,
        peft_config=adapter,
        callbacks=list(callbacks),
    )
    trainer.train(resume_from_checkpoint=last_whole(folder)[0])
    return trainer


def save_model(reader, processor, folder: Path, table: Mapping) -> None:
    merged = reader.merge_and_unload()
    with draft_folder(folder.parent) as draft:
        merged.save_pretrained(draft / "made")
        processor.save_pretrained(draft / "made")
        write_text(draft / "made" / "README.md", f"# A LLaVA that was taught to see\n\n{table_text(table)}")
        move(draft / "made", folder)
