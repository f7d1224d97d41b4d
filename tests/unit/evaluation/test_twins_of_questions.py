# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Twins of any question set: where the regions come from, what is left out, and that answers are scored as the set scores."""

import json

import numpy as np
import pytest
from PIL import Image

from promvil_hf import masks
from promvil_hf.boxes import Box
from promvil_hf.cli import main
from promvil_hf.evaluation import twin_page
from promvil_hf.evaluation.benchmarks import Benchmark, BenchmarkRow
from promvil_hf.evaluation.picture_folder import Pictures
from promvil_hf.evaluation.predictions import Answer, Predictions
from promvil_hf.evaluation.reliance import reliance
from promvil_hf.evaluation.results import Settings
from promvil_hf.evaluation.scores import Resampling
from promvil_hf.evaluation.twin_answers import TwinSettings, twin_id
from promvil_hf.evaluation.twin_folder import TwinFolder
from promvil_hf.evaluation.twin_regions import (
    ABSENT,
    by_annotator,
    by_grounding,
    find_regions,
    phrases_of,
)
from promvil_hf.fivl.fivl_rows import FivlRow
from promvil_hf.fivl.mask_making import ImagePhrases, Located
from promvil_hf.fivl.twins import KINDS
from promvil_hf.grounding import GroundingTrace, Step
from promvil_hf.job_terms import Terms
from promvil_hf.jobs import Rejected, rejects, rows
from promvil_hf.nesting.taggers import RULES
from tests.unit.evaluation.answer_files import lines, records


SIZE = (40, 20)
LEFT = Box(0.0, 0.0, 0.25, 0.5)  # 10 x 10 pixels
QUIET = Terms(progress=False)
FEW = Resampling(resamples=99)


@pytest.fixture
def images(tmp_path):
    """Six white pictures with a red square on the left."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        picture = Image.new("RGB", SIZE, "white")
        picture.paste((255, 0, number), (0, 0, 10, 10))
        picture.save(tmp_path / f"images/{number}.png")
    return tmp_path / "images"


def promvil(*words) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def pope(tmp_path, images):
    """Six questions; where the answer is yes, a file says where the thing is."""
    asked = [
        {"question_id": n, "image": f"{n}.png", "text": "Is there a red square?", "label": "no" if n == 5 else "yes"}
        for n in range(6)
    ]
    data = lines(tmp_path / "coco_pope_random.json", *asked)
    whole = lines(tmp_path / "places.jsonl", *({"id": n, "boxes": [list(LEFT.xyxy)], "text": "red square"} for n in range(4)))
    return ["twins", "--benchmark", "pope", "--files", data, "--images", images, "--regions", whole, "--quiet"]


def sees(picture) -> bool:
    return picture is not None and bool((np.asarray(picture)[:, :, 0] > np.asarray(picture)[:, :, 1]).any())


def test_a_folder_of_twins_is_answered_and_scored(pope, tmp_path, images, capsys):
    out = tmp_path / "twins"
    assert promvil(*pope, "--pictures", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "4 questions with twins" in printed and f"left out: 1 × {ABSENT}" in printed and "1 × no place is given" in printed
    assert "A model that always says yes is right on all of them and loses nothing" in printed
    made = TwinFolder.load(out)
    assert made.benchmark.kind == "pope" and [row.id for row in made.benchmark.rows] == ["0", "1", "2", "3"]
    assert made.benchmark.rows[0].image_size == SIZE and made.settings.kinds == KINDS
    twins = records(out / "twins.jsonl")
    assert len(twins) == 4 * len(KINDS) and {line["id"] for line in twins} == {
        twin_id(str(n), kind) for n in range(4) for kind in KINDS
    }
    assert [record["id"] for record in records(out / "left_out.jsonl")] == ["4", "5"]

    answers = []
    for line in twins:  # one who looks
        picture = Image.open(out / line["image"]) if line["image"] else None
        answers.append({"id": line["id"], "text": "yes" if sees(picture) else "no"})
    said = lines(tmp_path / "answers.jsonl", *answers)
    assert promvil("reliance", "--twins", out, "--predictions", said, "--resamples", 99, "--out", tmp_path / "r", "--strict") == 0
    report = json.loads((tmp_path / "r/reliance.json").read_text())
    assert report["scores"]["score"] == 1.0 and report["metric"] == "pope" and report["name"] == "pope random"
    drops = {kind: drop["relative"]["estimate"] for kind, drop in report["scores"]["controls"].items()}
    assert drops == {"silhouettes": 1, "random boxes": 0, "whole image": 1, "blind": 1}
    assert "data:image/" in (tmp_path / "r/reliance.html").read_text()


def test_stopped_in_between_it_goes_on_and_writes_the_same(pope, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for out in (whole, cut):
        assert promvil(*pope, "--pictures", "--out", out) == 0
    before = {path.relative_to(cut): path.read_bytes() for path in cut.rglob("*") if path.is_file()}
    for path in (*cut.glob("work/drawn/*.json*"), *cut.glob("images/*"), cut / "twins.json", cut / "index.html"):
        path.unlink()
    assert promvil(*pope, "--pictures", "--out", cut) == 0
    assert {path.relative_to(cut): path.read_bytes() for path in cut.rglob("*") if path.is_file()} == before
    assert {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()} == before.keys()
    assert promvil(*pope, "--fill", "noise", "--out", cut) == 2  # the drawn ones are black


def test_the_page_shows_each_original_beside_its_twins(pope, tmp_path, capsys):
    assert promvil(*pope, "--out", tmp_path / "t") == 0
    page = (tmp_path / "t/index.html").read_text()
    assert page.count("key boxes: 12.5% hidden") == 4 and page.count("original, key boxes drawn") == 4
    assert "Which twin hides the wrong thing?" in page and "Is there a red square?" in page
    verdicts = {
        "format": "promvil_hf.verdicts", "version": 1, "form": "twins", "judge": "Ada", "fingerprint": "",
        "questions": [], "items": [], "answers": {}, "remarks": {},
    }  # fmt: skip
    lines(tmp_path / "v.json", verdicts)
    assert promvil("twins", "--verdicts", tmp_path / "v.json") == 2 and "v.json" in capsys.readouterr().err


def asked(kind: str, fields: dict, count: int = 4) -> Benchmark:
    fields = {"text": "What color is the square?", **fields}
    return Benchmark("mine", "test", kind, [BenchmarkRow(id=f"q{n}", image=f"{n}.png", **fields) for n in range(count)])


SETS = {
    "choice": ({"answers": ("1",), "choices": ("a ball", "a red square")}, "B", "A"),
    "true_false": ({"text": "A red square is here.", "answers": ("true",)}, "true", "false"),
    "one_word": ({"answers": ("red",), "choices": ("red", "blue")}, "Red.", "blue"),
    "vqa": ({"answers": ("red",) * 10}, "red", "blue"),
    "grounding": ({"text": "the red square", "boxes": (LEFT,)}, [list(LEFT.xyxy)], [[0.5, 0.5, 1.0, 1.0]]),
}


@pytest.mark.parametrize("kind", SETS)
def test_every_kind_of_question_has_a_reliance_score_by_its_own_rule(kind, images, tmp_path):
    fields, right, wrong = SETS[kind]
    benchmark = asked(kind, fields)

    def annotator(items: list[ImagePhrases]):
        assert all(item.phrases for item in items)
        return [tuple(Located((LEFT,), (1.0,), masks.from_boxes([LEFT], SIZE)) for _ in item.phrases) for item in items]

    report = find_regions(
        benchmark, Pictures(images), tmp_path / "job", lambda row: phrases_of(row, kind, RULES), by_annotator(annotator),
        describe={}, terms=QUIET,
    )  # fmt: skip
    assert report.finished and not report.rejected
    found = [FivlRow.from_dict(row) for _, row in rows(tmp_path / "job")]
    said = {
        twin_id(row.row_id, twin_kind): Answer(boxes=text) if kind == "grounding" else Answer(text=text)
        for row in found
        for twin_kind, text in (("original", right), ("key boxes", wrong), ("random boxes", right))
    }
    settings = TwinSettings(("original", "key boxes", "random boxes"))
    scored = reliance(found, Predictions(said), benchmark=benchmark, settings=settings, resampling=FEW)
    assert scored.metric == kind and scored.faults == {}
    assert scored.scores["original_accuracy"] == 1 and scored.scores["score"] == 1
    assert scored.scores["beyond"]["random boxes"]["estimate"] == 1
    # what cannot be read is wrong, and what is missing is counted
    del said["q0/original"], said["q1/original"]
    fewer = reliance(found, Predictions(said), benchmark=benchmark, settings=settings, resampling=FEW, scoring=Settings())
    assert fewer.scores["original_accuracy"] == 0.5 and fewer.faults["row without an answer, scored 0"]["count"] == 2


def test_phrases_come_from_question_and_answer_or_from_the_question_alone():
    row = BenchmarkRow("a", "0.png", "What is the man on the left holding?", answers=("a red umbrella",))
    texts = {part: [phrase for _, phrase in phrases_of(row, "vqa", RULES, part)] for part in ("answer", "question")}
    assert texts["answer"] == ["red umbrella"] and any("man" in phrase for phrase in texts["question"])
    assert "umbrella" not in " ".join(texts["question"])  # the question alone does not give the answer away
    phrase = BenchmarkRow("b", "0.png", "the man with an umbrella", (LEFT,))
    assert phrases_of(phrase, "grounding", RULES) == (("the man with an umbrella",) * 2,)
    nobody = BenchmarkRow("c", "0.png", "the unicorn", absent=True)
    no = BenchmarkRow("d", "0.png", "Is there a dog in the image?", answers=("no",))
    assert [phrases_of(nobody, "grounding", RULES).reason, phrases_of(no, "pope", RULES).reason] == [ABSENT, ABSENT]


class _Grounder:
    """Finds "red square" on the left and nothing else."""

    def ground_all(self, queries, progress):
        for query in queries:
            boxes, reason = ((LEFT,), None) if query.text == "red square" else ((), "refused")
            step = Step(query.text, 1, boxes=boxes, reason=reason)
            yield GroundingTrace(query.text, "one_shot", image_size=SIZE, steps=(step,), reason=reason)


def test_a_model_that_grounds_is_an_annotator(images):
    found = by_grounding(_Grounder())(
        [ImagePhrases(images / "0.png", ("red square", "unicorn")), ImagePhrases(images / "none.png", ("red square",))]
    )
    (square, unicorn), missing = found
    assert square.boxes == (LEFT,) and masks.area(square.mask) == 100
    assert unicorn == Rejected("not grounded", "unicorn: refused") and missing.reason == "image missing"


def test_rows_whose_pictures_are_missing_are_left_out_with_the_reason(images, tmp_path):
    (images / "2.png").unlink()
    benchmark = asked("grounding", {"text": "the red square", "boxes": (LEFT,)})
    places = {"the red square": [(None, (LEFT,))]}
    from promvil_hf.evaluation.twin_regions import by_places, given_phrases

    find_regions(
        benchmark, Pictures(images), tmp_path / "job", lambda row: given_phrases(row, "grounding", lambda _: places),
        by_places(benchmark, lambda _: places), describe={}, terms=QUIET,
    )  # fmt: skip
    assert list(rejects(tmp_path / "job")) == [("q2", Rejected("no picture", "2.png"))]
    assert [name for name, _ in rows(tmp_path / "job")] == ["q0", "q1", "q3"]


def test_the_command_says_what_cannot_be_made(pope, tmp_path, images, capsys):
    data = pope[pope.index("--files") + 1]

    def error_of(*words):
        assert promvil("twins", *words, "--out", tmp_path / "x") == 2
        return capsys.readouterr().err

    common = ["--benchmark", "pope", "--files", data, "--images", images]
    assert "You passed neither --benchmark nor --rows, or both" in error_of()
    assert "You passed no --images" in error_of("--benchmark", "pope", "--files", data)
    assert "have no boxes or masks of their own: say with --regions" in error_of(*common)
    assert "it is given, grounded-sam, boxes, sam3, ground, or a file" in error_of(*common, "--regions", "nowhere.jsonl")
    assert "say what grounds, with one of --model, --base-url and --detector" in error_of(*common, "--regions", "ground")
    strange = lines(tmp_path / "strange.jsonl", {"id": "x", "boxes": [[0, 0, 1, 1]]})
    assert "gives places for none of the 6 questions" in error_of(*common, "--regions", strange)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "None of the pictures of pope lies under" in error_of("--benchmark", "pope", "--files", data, "--images", empty)
    rows_file = lines(tmp_path / "rows.jsonl", {})
    assert "which have their regions: leave it out" in error_of("--rows", rows_file, "--images", images, "--regions", "ground")
    assert not (tmp_path / "x").exists()  # all of this before anything is made


def test_reliance_refuses_settings_that_the_folder_contradicts(pope, tmp_path, capsys):
    assert promvil(*pope, "--kinds", "original", "key boxes", "--fill", "blur", "--out", tmp_path / "t") == 0
    capsys.readouterr()
    for words, message in (
        (["--kinds", "original", "key boxes", "blind"], "You passed --kinds blind"),
        (["--fill", "noise"], "hides with blur: make it anew"),
        (["--metric", "gqa"], "are scored as pope scores them: leave it out"),
    ):
        assert promvil("reliance", "--twins", tmp_path / "t", "--predictions", "x", *words) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "t/questions.jsonl").write_text("")
    assert promvil("reliance", "--twins", tmp_path / "t", "--predictions", "x") == 2
    lines(tmp_path / "t/twins.json", {"kind": "other"})
    assert promvil("reliance", "--twins", tmp_path / "t", "--predictions", "x") == 2
    assert "'twins' and 1 are read" in capsys.readouterr().err


def test_the_sample_on_a_page_is_drawn_by_the_seed():
    some = [f"r{n}" for n in range(50)]
    assert twin_page.drawn(some, 10, 0) == sorted(twin_page.drawn(some, 10, 0), key=some.index) != twin_page.drawn(some, 10, 1)
    assert twin_page.drawn(some, 99, 0) == some
