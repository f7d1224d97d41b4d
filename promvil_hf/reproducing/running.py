# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The steps of an experiment one after the other, each done once: OUT/steps/NAME.json says that a step is finished.

Steps resume in their own ways as well: builds and answers by shards, a training from its last whole checkpoint.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from promvil_hf.fetching.catalog import chosen
from promvil_hf.fetching.fetch import steps as files_of
from promvil_hf.files import sha256_of
from promvil_hf.folder_lock import held
from promvil_hf.kept_results import do_once, kept_result
from promvil_hf.reproducing.catalog import WITHOUT_SMALL
from promvil_hf.reproducing.experiments import SMALL, Experiment, Step


Command = Callable[[Sequence[str]], int | None]  # runs `promvil WORDS`


def reproduce(
    experiment: Experiment,
    size: str,
    out: Path,
    data: Path,
    run: Command,
    say: Callable[[str], object] = print,
    have_data: bool = False,
) -> Path:
    """Do what is not done yet; gives the file that answers the claim. With `have_data` nobody asks how the data came."""
    check_form(experiment, size)
    _check_data(experiment, size, data, have_data)
    with held(out):
        if size == SMALL:
            plan = {"draws": "promvil_hf.toy.real_forms", "data": str(_beside(data, out))}
            _once(out, "data", plan, lambda: _draw(data), data, say)
        for step in experiment.steps:
            made = out / step.makes if step.makes else None
            _once(out, step.name, _plan(step, size, out, data), lambda step=step: _do(step, size, out, data, run, say), made, say)
    return out / experiment.result


def is_done(step: Step, size: str, out: Path, data: Path) -> bool:
    """Whether an earlier run finished this step."""
    try:
        return kept_result(_record(out, step.name), _plan(step, size, out, data)) is not None
    except ValueError:
        return False


def missing_sources(experiment: Experiment, data: Path) -> list[str]:
    """Sources whose files `promvil fetch` did not finish bringing below this folder."""
    return [source.name for source in chosen(experiment.sources) if not all(step.is_done() for step in files_of([source], data))]


def check_form(experiment: Experiment, size: str) -> None:
    """Raise where there is no form of this size."""
    if size == SMALL and experiment.name in WITHOUT_SMALL:
        raise ValueError(f"{experiment.name} has no small form: {experiment.differs}")


def _check_data(experiment: Experiment, size: str, data: Path, have_data: bool) -> None:
    if size != SMALL and not have_data and (missing := missing_sources(experiment, data)):
        raise ValueError(
            f"{data} lacks {', '.join(missing)}: `promvil fetch {' '.join(missing)} --out {data}` brings them here. Data that "
            "you have already: pass its folder as --fetched, laid out as docs/sources.md says, with --have-data."
        )


def _draw(data: Path) -> None:
    from promvil_hf.toy.real_forms import write_real_forms

    with held(data):
        write_real_forms(data)


def _once(out: Path, name: str, plan: dict, work: Callable[[], object], made: Path | None, say: Callable[[str], object]) -> None:
    record = _record(out, name)
    if record.exists() and made is not None and not made.exists():
        record.unlink()  # what it describes was removed
    found = kept_result(record, plan)
    if found is not None:
        say(f"{name}: done before")
        return
    done = do_once(record, plan, lambda: _finished(work, name, made))
    say(f"{name}: done in {done['seconds']:,.0f} seconds")


def _finished(work: Callable[[], object], name: str, made: Path | None) -> dict:
    work()
    if made is not None and not made.exists():
        raise ValueError(f"The step {name} ended without {made}: run its command by hand to see why (--dry-run prints it).")
    return {"sha256": sha256_of(made) if made is not None and made.is_file() else None}


def _do(step: Step, size: str, out: Path, data: Path, run: Command, say: Callable[[str], object]) -> None:
    words = step.argv(size, out, data)
    if step.trains and any((out / step.trains).glob("checkpoint-*/whole.json")):
        words += ["--resume_from_checkpoint", "true"]
    say(f"\n{step.name}: {step.why}\n{step.shown(size, out, data)}")
    if status := run(words):
        raise ValueError(f"The step {step.name} ended with status {status}: mend what it said and run the same command again.")


def _plan(step: Step, size: str, out: Path, data: Path) -> dict:
    return {"size": size, "words": step.template(size), "data": str(_beside(data, out))}


def _record(out: Path, name: str) -> Path:
    return out / "steps" / f"{name}.json"


def _beside(data: Path, out: Path) -> Path:
    """As it stands in plans: a folder inside `out` by its place there, so that both may be moved together."""
    return data.relative_to(out) if data.is_relative_to(out) else data
