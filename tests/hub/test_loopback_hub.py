# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the loopback Hub promises, through the libraries that use it. These tests are also the guide to the fixture."""

import json
import os
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.hub.conftest import pointed_at
from tests.hub.disk import Disk
from tests.hub.server import TOKEN, LoopbackHub


REPOSITORY = Path(__file__).resolve().parents[2]
MEGABYTE = 1_000_000


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with small text, an empty file, a binary, a deep path and 1.2 MB of text."""
    root = tmp_path / "folder"
    (root / "a" / "b").mkdir(parents=True)
    (root / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A folder\n")
    (root / "empty.txt").write_text("")
    (root / "a" / "binary.dat").write_bytes(bytes(range(256)) * 3)
    (root / "a" / "b" / "naïve name (1).txt").write_text("deep\n")
    (root / "large.txt").write_bytes(b"0123456789" * 120_000)
    return root


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def asked(hub, method: str, part: str) -> list[str]:
    return [path for verb, path in hub.requests if verb == method and part in path]


def rows() -> dict:
    from PIL import Image

    return {
        "image": [Image.new("RGB", (8, 6), (i * 20, 0, 0)) for i in range(6)],
        "text": [[f"the man {i}", "a jacket"] for i in range(6)],
        "boxes": [[[0.1, 0.2, 0.3, 0.4 + i / 100]] for i in range(6)],
    }


def test_repositories_are_made_found_and_deleted(hub):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    api = HfApi()
    assert api.whoami()["name"] == "promvil"
    for kind in ("model", "dataset", "space"):
        sdk = {"space_sdk": "static"} if kind == "space" else {}
        assert api.create_repo("promvil/thing", repo_type=kind, **sdk).repo_id == "promvil/thing"
        assert api.repo_exists("promvil/thing", repo_type=kind)
        assert api.create_repo("promvil/thing", repo_type=kind, exist_ok=True, **sdk).repo_type == kind
        with pytest.raises(HfHubHTTPError, match="You already created this repo"):
            api.create_repo("promvil/thing", repo_type=kind, **sdk)
        found = api.repo_info("promvil/thing", repo_type=kind)
        assert (found.id, found.author, found.private) == ("promvil/thing", "promvil", False)
        api.delete_repo("promvil/thing", repo_type=kind)
        assert not api.repo_exists("promvil/thing", repo_type=kind)
        with pytest.raises(RepositoryNotFoundError):
            api.repo_info("promvil/thing", repo_type=kind)


def test_writing_needs_the_token_and_private_repositories_hide_without_it(hub):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    HfApi().create_repo("promvil/secret", private=True)
    assert HfApi().repo_info("promvil/secret").private
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token="hf_someone_else").repo_info("promvil/secret")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(token="hf_someone_else").create_repo("promvil/other")


def test_a_folder_comes_back_as_it_was_with_large_and_binary_files_by_lfs(hub, folder, tmp_path):
    from huggingface_hub import HfApi, snapshot_download

    api = HfApi()
    api.create_repo("promvil/folder")
    api.upload_folder(repo_id="promvil/folder", folder_path=folder)
    assert len(asked(hub, "PUT", "/lfs/")) == 2
    back = content(Path(snapshot_download("promvil/folder")))
    assert {path: data for path, data in back.items() if path != ".gitattributes"} == content(folder)

    listing = {entry.path: entry for entry in api.list_repo_tree("promvil/folder", recursive=True)}
    assert {path for path, entry in listing.items() if getattr(entry, "lfs", None)} == {"large.txt", "a/binary.dat"}
    assert listing["large.txt"].lfs.size == listing["large.txt"].size == 1_200_000
    assert {"a", "a/b"} <= listing.keys()
    assert [entry.path for entry in api.list_repo_tree("promvil/folder", "a")] == ["a/b", "a/binary.dat"]

    (folder / "copy.txt").write_bytes((folder / "large.txt").read_bytes())
    api.upload_folder(repo_id="promvil/folder", folder_path=folder)
    assert len(asked(hub, "PUT", "/lfs/")) == 2  # the Hub has that content
    assert hub.files("models", "promvil/folder")["copy.txt"] == (folder / "large.txt").read_bytes()


def test_a_file_is_downloaded_once_and_then_read_from_the_cache(hub, folder):
    from huggingface_hub import HfApi, hf_hub_download

    HfApi().create_repo("promvil/folder", repo_type="dataset")
    HfApi().upload_folder(repo_id="promvil/folder", folder_path=folder, repo_type="dataset")
    for _ in range(2):
        path = hf_hub_download("promvil/folder", "large.txt", repo_type="dataset")
        assert Path(path).stat().st_size == 1_200_000
    assert len(asked(hub, "GET", "large.txt")) == 1
    assert len(asked(hub, "HEAD", "large.txt")) == 2


def test_commits_branches_tags_and_deletions_are_kept(hub):
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download

    api = HfApi()
    api.create_repo("promvil/history")
    first = api.upload_file(repo_id="promvil/history", path_or_fileobj=b"one", path_in_repo="a.txt")
    api.create_tag("promvil/history", tag="v1")
    api.create_branch("promvil/history", branch="work/two")
    operations = [CommitOperationDelete("a.txt"), CommitOperationAdd("b/c.txt", b"two")]
    api.create_commit("promvil/history", operations, commit_message="second", revision="work/two")

    assert api.list_repo_files("promvil/history") == [".gitattributes", "a.txt"]
    assert api.list_repo_files("promvil/history", revision="work/two") == [".gitattributes", "b/c.txt"]
    titles = [commit.title for commit in api.list_repo_commits("promvil/history", revision="work/two")]
    assert titles == ["second", "Upload a.txt with huggingface_hub", "initial commit"]
    refs = api.list_repo_refs("promvil/history")
    assert ([branch.name for branch in refs.branches], [tag.name for tag in refs.tags]) == (
        ["main", "work/two"],
        ["v1"],
    )
    for revision in ("main", "v1", first.oid):
        assert Path(hf_hub_download("promvil/history", "a.txt", revision=revision)).read_bytes() == b"one"
    api.delete_folder("b", repo_id="promvil/history", revision="work/two")
    assert api.list_repo_files("promvil/history", revision="work/two") == [".gitattributes"]
    api.delete_branch("promvil/history", branch="work/two")
    assert [branch.name for branch in api.list_repo_refs("promvil/history").branches] == ["main"]


def test_a_commit_on_a_stale_parent_is_refused(hub):
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    api.create_repo("promvil/stale")
    parent = api.repo_info("promvil/stale").sha
    api.create_commit("promvil/stale", [CommitOperationAdd("a", b"1")], commit_message="a", parent_commit=parent)
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as error:
        api.create_commit("promvil/stale", [CommitOperationAdd("b", b"1")], commit_message="b", parent_commit=parent)
    assert error.value.response.status_code == 412
    assert "b" not in hub.files("models", "promvil/stale")


def test_each_kind_of_missing_thing_has_its_own_error(hub):
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    api = HfApi()
    api.create_repo("promvil/here")
    api.upload_file(repo_id="promvil/here", path_or_fileobj=b"x", path_in_repo="x.txt")
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("promvil/nowhere", "x.txt")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("promvil/here", "y.txt")
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download("promvil/here", "x.txt", revision="v9")
    with pytest.raises(RevisionNotFoundError):
        api.repo_info("promvil/here", revision="v9")
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("promvil/here", "no/such/folder"))
    assert api.get_paths_info("promvil/here", ["x.txt", "y.txt"])[0].path == "x.txt"
    assert not api.file_exists("promvil/here", "y.txt")
    with pytest.raises(EntryNotFoundError):
        api.delete_file("y.txt", repo_id="promvil/here")


def test_ranges_are_served_as_http_says(hub):
    from huggingface_hub import HfApi, HfFileSystem

    data = bytes(range(256)) * 40
    HfApi().create_repo("promvil/ranges", repo_type="dataset")
    HfApi().upload_file(repo_id="promvil/ranges", path_or_fileobj=data, path_in_repo="d.bin", repo_type="dataset")
    url = f"{hub.url}/datasets/promvil/ranges/resolve/main/d.bin"
    for header, start, end in [("bytes=0-9", 0, 10), ("bytes=10000-", 10000, None), ("bytes=-7", -7, None)]:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": header})) as answer:
            assert answer.status == 206
            assert answer.read() == data[start:end]
            assert answer.headers["Content-Range"].endswith("/10240")
    with pytest.raises(urllib.error.HTTPError, match="416"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=10240-"}))
    with HfFileSystem().open("datasets/promvil/ranges/d.bin", block_size=1000) as file:
        file.seek(5000)
        assert file.read(300) == data[5000:5300]
    files = HfFileSystem().ls("datasets/promvil/ranges", detail=False)
    assert files == ["datasets/promvil/ranges/.gitattributes", "datasets/promvil/ranges/d.bin"]


def test_an_upload_with_another_hash_than_announced_is_refused(hub):
    wrong = urllib.request.Request(f"{hub.url}/lfs/{'0' * 64}", data=b"not that", method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(wrong)
    assert hub.blobs == {}


def test_a_dataset_is_pushed_loaded_and_streamed_the_same(hub):
    import datasets

    table = datasets.Dataset.from_dict(rows()).cast_column("image", datasets.Image())
    datasets.DatasetDict(train=table, test=table.select(range(2))).push_to_hub("promvil/compovl")
    loaded = datasets.load_dataset("promvil/compovl")
    assert {split: len(part) for split, part in loaded.items()} == {"train": 6, "test": 2}
    for split in ("train", "test"):
        streamed = list(datasets.load_dataset("promvil/compovl", split=split, streaming=True))
        original = list(table.select(range(len(loaded[split]))))
        for one, two, three in zip(loaded[split], streamed, original, strict=True):
            assert one["text"] == two["text"] == three["text"]
            assert one["boxes"] == two["boxes"] == three["boxes"]
            assert one["image"].tobytes() == two["image"].tobytes() == three["image"].tobytes()
    with pytest.raises(datasets.exceptions.DatasetNotFoundError):
        datasets.load_dataset("promvil/nowhere")


def test_the_card_keeps_licence_and_statistics_through_both_kinds_of_push(hub):
    import datasets
    from huggingface_hub import DatasetCard

    table = datasets.Dataset.from_dict({"text": ["a", "b", "c"]})
    table.push_to_hub("promvil/compovl", split="train")
    card = DatasetCard.load("promvil/compovl")
    assert card.data.license is None
    card.data.license = "cc-by-4.0"
    card.text = "\n# CompoVL\n"
    card.push_to_hub("promvil/compovl")
    card = DatasetCard.load("promvil/compovl")
    assert card.data.license == "cc-by-4.0"
    assert card.data.dataset_info["splits"][0]["num_examples"] == 3

    table.select(range(2)).push_to_hub("promvil/compovl", split="test")
    card = DatasetCard.load("promvil/compovl")
    splits = {split["name"]: split["num_examples"] for split in card.data.dataset_info["splits"]}
    assert (card.data.license, card.text.strip(), splits) == ("cc-by-4.0", "# CompoVL", {"train": 3, "test": 2})


METRIC = """
import datasets
import evaluate


class MetricX(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int32"), "references": datasets.Value("int32")})
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=features)

    def _compute(self, predictions, references):
        return {"metric_x": sum(p == r for p, r in zip(predictions, references)) / len(references)}
"""


@pytest.mark.parametrize("correct", [2, 3])  # twice: nothing of the first Hub may stay behind in this process
def test_a_metric_is_loaded_from_its_space(hub, tmp_path, correct):
    import evaluate
    from huggingface_hub import HfApi

    space = tmp_path / "metric_x"
    space.mkdir()
    (space / "metric_x.py").write_text(METRIC)
    (space / "README.md").write_text("---\nsdk: gradio\n---\n")
    HfApi().create_repo("promvil/metric_x", repo_type="space", space_sdk="gradio")
    HfApi().upload_folder(repo_id="promvil/metric_x", folder_path=space, repo_type="space")
    metric = evaluate.load("promvil/metric_x")
    predictions = [1] * correct + [0] * (4 - correct)
    assert metric.compute(predictions=predictions, references=[1, 1, 1, 1]) == {"metric_x": correct / 4}


# peft 0.21 asks transformers 5.23 for the old name of `is_activation_checkpointing`; drop this when it no longer does.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_a_model_and_its_adapter_are_pushed_and_loaded_bit_for_bit(hub):
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForImageTextToText, Kosmos2Config, Kosmos2ForConditionalGeneration

    torch.manual_seed(0)
    text = {"vocab_size": 90, "embed_dim": 16, "layers": 1, "ffn_dim": 16, "attention_heads": 2}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Kosmos2Config(
        text_config={**text, "max_position_embeddings": 64},
        vision_config={**vision, "image_size": 28, "patch_size": 14},
        latent_query_num=4,
    )
    model = Kosmos2ForConditionalGeneration(config).eval()
    model.push_to_hub("promvil/tiny-kosmos-2")
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    adapted.eval().push_to_hub("promvil/tiny-adapter")

    base = AutoModelForImageTextToText.from_pretrained("promvil/tiny-kosmos-2")
    again = PeftModel.from_pretrained(base, "promvil/tiny-adapter").eval()
    before, after = adapted.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any("lora_A" in name for name in after)
    assert set(hub.files("models", "promvil/tiny-adapter")) >= {"adapter_config.json", "adapter_model.safetensors"}


def test_nothing_but_this_machine_is_ever_looked_up(hub):
    import datasets
    import httpx2

    datasets.Dataset.from_dict({"text": ["a"]}).push_to_hub("promvil/compovl")
    datasets.load_dataset("promvil/compovl")
    assert set(hub.strangers) <= {
        "datasets-server.127.0.0.1"
    }  # the dataset viewer; datasets shrugs when it is missing
    with pytest.raises(httpx2.ConnectError, match=r"huggingface\.co is not on this machine"):
        httpx2.get("https://huggingface.co", trust_env=False)
    assert hub.strangers[-1] == "huggingface.co"


def test_the_libraries_are_put_back_afterwards(tmp_path):
    import datasets
    import evaluate
    import huggingface_hub

    owners = [huggingface_hub.constants, huggingface_hub.hf_api.api, datasets.config, evaluate.config]
    before = [dict(vars(owner)) for owner in owners], dict(os.environ), list(sys.path)
    with LoopbackHub() as running, pointed_at(running, tmp_path):
        assert huggingface_hub.HfApi().endpoint == running.url
        assert huggingface_hub.get_token() == TOKEN
    after = [dict(vars(owner)) for owner in owners], dict(os.environ), list(sys.path)
    assert after == before


CHILD = """
import datasets
from huggingface_hub import HfApi

datasets.Dataset.from_dict({"text": ["a", "b"]}).push_to_hub("promvil/child", split="train")
rows = datasets.load_dataset("promvil/child", split="train")
streamed = datasets.load_dataset("promvil/child", split="train", streaming=True)
assert list(rows) == list(streamed)
try:
    HfApi(endpoint="https://huggingface.co").repo_info("promvil/child", timeout=5)
except Exception as error:
    print(type(error).__name__, *rows["text"])
"""


def test_a_new_process_needs_nothing_but_the_environment(tmp_path):
    with LoopbackHub() as running:
        environment = {**os.environ, **running.environment(tmp_path / "home"), "USE_TORCH": "0"}  # loading it takes seconds
        child = [sys.executable, "-c", textwrap.dedent(CHILD)]
        done = subprocess.run(child, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["ConnectError", "a", "b"]
        assert (tmp_path / "home" / "datasets").is_dir()
        assert "data/train-00000-of-00001.parquet" in running.files("datasets", "promvil/child")
        assert running.unknown == []
        json.dumps(running.environment(tmp_path))


def test_a_hub_with_a_folder_gives_the_same_files_in_the_next_process(folder, tmp_path):
    from huggingface_hub import HfApi, snapshot_download

    disk = Disk(tmp_path / "disk")
    (folder / "weights.safetensors").write_bytes(b"\0" * 2 * MEGABYTE)
    with LoopbackHub(disk) as hub, pointed_at(hub, tmp_path / "home"):
        disk.put_folder(hub, "models", "promvil/given", folder)
        HfApi().create_repo("promvil/pushed")
        HfApi().upload_folder(repo_id="promvil/pushed", folder_path=folder)
        assert not isinstance(hub.files("models", "promvil/pushed")["large.txt"], bytes)  # it is mapped
        disk.save(hub)
    with LoopbackHub(disk) as again, pointed_at(again, tmp_path / "another home"):
        disk.load(again)
        for name in ("promvil/given", "promvil/pushed"):
            got = content(Path(snapshot_download(name)))
            got.pop(".gitattributes", None)
            assert got == content(folder)
