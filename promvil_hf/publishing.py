# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a finished job to a folder that `datasets` loads and the Hub takes: draft folder, Parquet, card, upload.

`report.json` is written last: a folder without it is not finished. `datasets`, huggingface_hub and PIL are imported when
they are used.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from promvil_hf.files import draft_folder, move
from promvil_hf.folder_lock import held
from promvil_hf.hub_names import public_name
from promvil_hf.job_files import check_some, listed_parts, results
from promvil_hf.json_documents import json_document
from promvil_hf.shown_text import in_markdown


if TYPE_CHECKING:
    from datasets import DatasetBuilder, DatasetInfo

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@contextmanager
def replacement(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """A draft folder inside `out`. When the block ends well, its content replaces `names` and `report.json` of `out`.

    A name that the draft does not hold is removed from `out`.
    """
    try:
        with held(out), draft_folder(out) as draft:
            yield draft
            (out / "report.json").unlink(missing_ok=True)  # from here on the folder counts as unfinished
            for name in names:
                if (draft / name).exists():
                    move(draft / name, out / name)
                elif (out / name).is_dir():
                    shutil.rmtree(out / name)
                else:
                    (out / name).unlink(missing_ok=True)
            move(draft / "report.json", out / "report.json")
    except OSError as error:
        if error.filename and not str(error.filename).startswith(str(out)):
            raise
        raise OSError(
            f"Cannot write {out}: {error.strerror or error}. The shards in {out / 'work'} are kept: mend that and run the "
            "same command again."
        ) from error


def parts_of(job: Path) -> list[str]:
    """The shards of a finished job."""
    try:
        listed = listed_parts(job)
    except FileNotFoundError:
        raise ValueError(
            f"{job} is not finished: run the same build again, and it goes on where it stopped."
        ) from None
    check_some(*results(job), str(job / "rejects.jsonl"))
    return [str(job / part["name"]) for part in listed]


class _Line(msgspec.Struct):
    key: str
    row: msgspec.Raw = msgspec.Raw()


def raw_rows(part: str | os.PathLike) -> Iterator[tuple[str, msgspec.Raw]]:
    """Key and row, not decoded, of each line of a shard; rejects are passed over."""
    line_of = msgspec.json.Decoder(_Line).decode
    with open(part, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                found = line_of(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise ValueError(f"{part} is damaged at line {number} ({error}). Delete it and run the build again.") from error
            if found.row:
                yield found.key, found.row


def write_parquet(builder: "DatasetBuilder", scratch: Path, folder: Path, processes: int) -> "DatasetInfo":
    """Let a builder write its rows, and put the files into `folder` under the names the Hub uses.

    Of several splits, those without rows get no file and are dropped from the info.
    """
    from datasets.exceptions import DatasetGenerationError

    from promvil_hf.progress import bars_on_a_terminal_only

    with bars_on_a_terminal_only():
        try:
            builder.download_and_prepare(
                str(scratch), file_format="parquet", num_proc=processes if processes > 1 else None
            )
        except DatasetGenerationError as error:
            raise (error.__cause__ or error) from None
    info = builder.info
    folder.mkdir()
    splits = list(info.splits.items())
    for split, split_info in splits:
        if len(splits) > 1 and not split_info.num_examples:
            del info.splits[split]
            continue
        files = sorted(scratch.glob(f"*-{split}.parquet")) + sorted(scratch.glob(f"*-{split}-*-of-*.parquet"))
        for number, path in enumerate(files):
            move(path, folder / f"{split}-{number:05d}-of-{len(files):05d}.parquet")
    info.download_size = sum(path.stat().st_size for path in folder.iterdir())
    return info


def image_to_embed(path: Path, reference: str) -> dict[str, Any]:
    """An image as a row embeds it. One that does not open stops the build; `reference` says what rows hold otherwise."""
    from promvil_hf.images import UnreadableImage, image_bytes

    try:
        return {"bytes": image_bytes(path)[0]}
    except UnreadableImage as error:
        raise ValueError(
            f"The image {path} cannot be opened: {error}. Download it again, or build without --embed-images (rows then refer "
            f"to the image by {reference})."
        ) from None


def dataset_card(
    body: str, rows: int, infos: Mapping[str, "DatasetInfo"], folders: Mapping[str, str], default: str, **facts: Any
) -> str:
    """README.md of a data set: `facts` and `infos` as YAML, then `body`.

    Args:
        rows: Rows that its size class counts.
        infos: What `datasets` knows of each configuration; none for a data set that was not built.
        folders: Where the Parquet files of each configuration are.
        default: The configuration that is loaded when none is named.
    """
    import yaml
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    data = DatasetCardData(license="cc-by-4.0", language=["en"], **facts)
    whole = data.to_dict()
    if infos:
        data.size_categories = [next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")]
        DatasetInfosDict(infos).to_dataset_card_data(data)
        whole = data.to_dict()
        whole["configs"] = [
            {
                "config_name": config,
                **({"default": True} if config == default else {}),
                "data_files": [{"split": split, "path": f"{folders[config]}/{split}-*"} for split in info.splits],
            }
            for config, info in infos.items()
        ]
    return f"---\n{yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)}---\n\n{body}"


def plain_card(body: str, tags: Sequence[str], model: Mapping[str, Any]) -> str:
    """README.md of measurements, which are no rows to load: `model` names what was measured, for a line at the end.

    Paths of this machine are cut to their last part.
    """
    import yaml

    import promvil_hf

    head = yaml.safe_dump({"license": "other", "tags": list(tags), "viewer": False}, sort_keys=False, allow_unicode=True)
    shown = {name: public_name(value) if isinstance(value, str) else value for name, value in model.items()}
    measured = ", ".join(f"{name} {in_markdown(value)}" for name, value in sorted(shown.items()) if value is not None)
    return f"---\n{head}---\n\n{body}\nMade with promvil_hf {promvil_hf.__version__}{f': {measured}' if measured else ''}.\n"


def upload(out: Path, repo_id: str, files: Sequence[str], message: str, private: bool) -> str:
    """Push `files` (patterns) of a finished folder to the Hub. Gives the address."""
    from huggingface_hub import HfApi

    api = HfApi()
    url = api.create_repo(repo_id, repo_type="dataset", exist_ok=True, private=private)
    api.upload_folder(
        repo_id=repo_id,
        repo_type="dataset",
        folder_path=out,
        # Never a .py: a repository that holds a script of its own name cannot be loaded any more.
        allow_patterns=["README.md", *files],
        delete_patterns=["*.parquet"],
        commit_message=message,
    )
    return str(url)


def matching(out: Path, patterns: Sequence[str]) -> dict[str, Path]:
    """The files that `upload` takes by these patterns, by their names in the repository."""
    from huggingface_hub.utils import filter_repo_objects

    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return {name: out / name for name in filter_repo_objects(names, allow_patterns=["README.md", *patterns])}


def commit(repo_id: str, kind: str, files: Mapping[str, Path | bytes], message: str, private: bool) -> str:
    """Put files, or texts that lie in none, into a repository in one commit. Gives the address."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    url = api.create_repo(repo_id, repo_type=kind, exist_ok=True, private=private)
    added = [CommitOperationAdd(name, content if isinstance(content, bytes) else str(content)) for name, content in files.items()]
    api.create_commit(repo_id, added, repo_type=kind, commit_message=message)
    return str(url)


def read_report(out: Path, command: str) -> dict:
    """The report of a finished build; `command` is what finishes it."""
    try:
        return dict(json_document(out / "report.json").fields)
    except FileNotFoundError:
        raise ValueError(f"{out} is not a finished build: it has no report.json. Run `{command}` to its end.") from None
