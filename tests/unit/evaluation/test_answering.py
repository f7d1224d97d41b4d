# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A model's answers: what is asked, which picture is found, and a stopped evaluation that goes on."""

import dataclasses

import msgspec
import pytest
from PIL import Image

from promvil_hf.boxes import Box
from promvil_hf.dialects import Kosmos2, LlavaBrackets, QwenJson
from promvil_hf.evaluation import predictions as faults
from promvil_hf.evaluation.answering import Asking, answer, prompt_of
from promvil_hf.evaluation.benchmarks import BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import read_predictions
from promvil_hf.evaluation.results import Settings, evaluate
from promvil_hf.images import UnreadableImage
from promvil_hf.phrases import GroundedPhrase
from tests.unit.evaluation.answer_files import FEW, counts


@dataclasses.dataclass(frozen=True)
class Echo:
    """A backend without a model: answers by a fixed rule, and can break in the middle."""

    dialect: object = Kosmos2()
    calls: list = dataclasses.field(default_factory=list)
    breaks_after: int | None = None

    def generate(self, requests, decoding=None):
        from promvil_hf.backends.base import Generated

        if self.breaks_after is not None and len(self.calls) >= self.breaks_after:
            raise KeyboardInterrupt
        self.calls.append([request.prompt for request in requests])
        cell = "<patch_index_0000><patch_index_{:04d}></object>"
        return [Generated(cell.format(len(request.prompt) % 1024), (), (), "end") for request in requests]


@pytest.fixture
def pictures(tmp_path):
    for number in range(8):
        Image.new("RGB", (80, 60), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return Pictures(tmp_path)


def asked(benchmark, out, backend=None, **options):
    return answer(
        benchmark, backend or Echo(), options.pop("pictures"), out, model={"model": "echo"}, progress=False,
        asking=Asking(**{"batch_size": 4, **options}),
    )  # fmt: skip


def many(benchmark, times=5):
    return dataclasses.replace(
        benchmark,
        rows=tuple(msgspec.structs.replace(row, id=f"{row.id}-{k}") for k in range(times) for row in benchmark.rows),
    )


def test_a_stopped_evaluation_goes_on_and_several_ranks_write_the_report_of_one(toy, pictures, tmp_path, monkeypatch):
    benchmark = many(toy[0])
    whole = asked(benchmark, tmp_path / "one", pictures=pictures)
    settings = Settings(dialect="kosmos2", resampling=FEW)
    report = evaluate(benchmark, whole, settings)
    assert report.answers["rows_answered"] == 200 and report.scores["parse_rate"] == 1.0

    broken = Echo(breaks_after=20)
    with pytest.raises(KeyboardInterrupt):
        asked(benchmark, tmp_path / "two", broken, pictures=pictures)
    rest = Echo()
    again = asked(benchmark, tmp_path / "two", rest, pictures=pictures)
    assert len(rest.calls) == 50 - 16 and evaluate(benchmark, again, settings) == report  # one shard was finished

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert asked(benchmark, tmp_path / "three", pictures=pictures) is None
    monkeypatch.setenv("RANK", "1")
    by_two = asked(benchmark, tmp_path / "three", pictures=pictures)
    assert evaluate(benchmark, by_two, settings) == report
    for name in ("one", "two", "three"):
        assert (tmp_path / name / "predictions.jsonl").read_bytes() == (
            tmp_path / "one/predictions.jsonl"
        ).read_bytes()
    monkeypatch.setenv("RANK", "second")
    with pytest.raises(ValueError, match="RANK of the environment must be a whole number, and is 'second'"):
        asked(benchmark, tmp_path / "four", pictures=pictures)


def test_the_predictions_of_a_model_score_the_same_as_a_file(toy, pictures, tmp_path):
    benchmark, _ = toy
    settings = Settings(dialect="kosmos2", resampling=FEW)
    direct = evaluate(benchmark, asked(benchmark, tmp_path / "out", pictures=pictures), settings)
    from_file = evaluate(benchmark, read_predictions(tmp_path / "out/predictions.jsonl"), settings, strict=True)
    assert (from_file.scores, from_file.rows) == (direct.scores, direct.rows)
    assert direct.answers["asking"]["evidence"] == "none" and direct.answers["model"] == {"model": "echo"}


def test_another_model_or_wording_does_not_go_on_in_the_same_folder(toy, pictures, tmp_path):
    from promvil_hf.jobs import JobError

    asked(toy[0], tmp_path / "out", pictures=pictures)
    with pytest.raises(JobError, match="begun with other settings"):
        asked(toy[0], tmp_path / "out", pictures=pictures, blind=True)


def test_missing_pictures_are_counted_and_all_missing_is_an_error(toy, pictures, tmp_path):
    benchmark, _ = toy
    (tmp_path / "3.png").unlink()
    (tmp_path / "4.png").write_bytes(b"broken")
    found = asked(benchmark, tmp_path / "out", pictures=pictures)
    assert found.source["without_picture"] == 10
    report = evaluate(benchmark, found, Settings(dialect="kosmos2", resampling=FEW))
    assert counts(report) == {faults.MISSING: 10}
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="Nothing came of all 40 items: 'no picture' 40 times, such as .A row asks about"):
        asked(benchmark, tmp_path / "none", pictures=Pictures(tmp_path / "empty"))
    with pytest.raises(ValueError, match="no folder of pictures: name it, or ask blind"):
        asked(benchmark, tmp_path / "blind", pictures=None)
    assert len(asked(benchmark, tmp_path / "blind", pictures=None, blind=True).answers) == 40
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        Pictures(tmp_path / "nowhere")


def test_pictures_are_found_by_path_name_or_stem_but_never_guessed_or_outside(tmp_path):
    for name in ("a/1.png", "b/2.png", "b/same.png", "c/same.png", "3.jpeg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(tmp_path / "in" / name)
    Image.new("RGB", (4, 3)).save(tmp_path / "secret.png")
    found = Pictures(tmp_path / "in")
    assert found.path("a/1.png") == tmp_path / "in/a/1.png"
    assert found.path("/path/to/VG/images/2.png") == tmp_path / "in/b/2.png"
    assert found.path("COCO/3.jpg") == tmp_path / "in/3.jpeg"
    assert found.path("b/same.png") == tmp_path / "in/b/same.png" and found.path("same.png") is None
    assert found.path("../secret.png") is None and found.path("") is None and found.size("a/1.png") == (4, 3)
    with pytest.raises(UnreadableImage, match="2 pictures of that name lie"):
        found.open("same.png")


def test_prompts_fit_the_family_the_kind_and_the_evidence():
    evidence = (GroundedPhrase("the jacket", [Box(0.4, 0.4, 0.6, 0.6)]),)
    row = BenchmarkRow("1", "1.png", "the man", (Box(0, 0, 1, 1),), level=2, evidence=evidence, image_size=(10, 10))
    assert prompt_of(row, "grounding", Kosmos2(), Asking()) == "<grounding><phrase>the man</phrase><object>"
    with_evidence = prompt_of(row, "grounding", Kosmos2(), Asking(evidence="gold"))
    assert with_evidence.startswith("<grounding>We can see in the image: <phrase>the jacket</phrase><object>")
    question = BenchmarkRow("2", "1.png", "Is it <phrase>?", answers=("1",), choices=("a", "b"))
    assert prompt_of(question, "gqa", Kosmos2(), Asking()).startswith("Question: Is it <\\phrase>? Short")
    assert "A. a\nB. b" in prompt_of(question, "choice", LlavaBrackets(), Asking())
    assert "true or false" in prompt_of(question, "true_false", QwenJson(), Asking())
    yes_or_no = BenchmarkRow("3", "1.jpg", "Is {words} here?", answers=("yes",), choices=("yes", "no"))
    assert prompt_of(yes_or_no, "one_word", QwenJson(), Asking()) == "Is {words} here?\nAnswer with one word: yes or no."
    assert prompt_of(question, "vqa", QwenJson(), Asking(prompt="Q: {text} A:")) == "Q: Is it <\\phrase>? A:"
    with pytest.raises(ValueError, match="it needs .text. where the question goes"):
        Asking(prompt="Answer!")
    with pytest.raises(ValueError, match="it is one of none, gold"):
        Asking(evidence="predicted")
