# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Answers that real systems gave or that their authors publish as examples, read as their authors say; each with its source."""

import numpy as np
import pytest

from promvil_hf.conventions import DIALECTS, dialect


UNIT = (1000, 1000)  # expected boxes and points are in pixels of an image of this size, unless another one stands there
GIRAFFE = "<|ref|>The giraffe at the back.<|/ref|><|det|>[[580, 270, 999, 900]]<|/det|><｜end▁of▁sentence｜>"
BEETLE = "A green car<loc_54><loc_330><loc_911><loc_780>a yellow building<loc_0><loc_8><loc_998><loc_635>"
BUS = (
    "In the image, a tall red <ref>bus</ref><box>[[290, 202, 835, 851]]</box> is <pred>driving on</pred>"
    "<box>[[290, 202, 835, 851]]</box><box>[[0, 604, 984, 999]]</box> a <ref>road</ref><box>[[0, 604, 984, 999]]</box>"
)
BOATS = 'Counting the <points coords="1 1 073 160 2 173 600 3 258 725 4 323 735 5 353 160" alt="boats">the boats</points>'
SNOWMAN = (
    "<grounding> An image of<phrase> a snowman</phrase><object><patch_index_0044><patch_index_0863></object> warming himself "
    "by<phrase> a fire</phrase><object><patch_index_0005><patch_index_0911></object>."
)
REX = (
    "<|object_ref_start|>person<|object_ref_end|><|box_start|><0><262><182><704><|box_end|>, <|object_ref_start|>boy"
    "<|object_ref_end|><|box_start|><37><207><203><710>,<304><435><651><997><|box_end|><|im_end|>"
)
TWO = '```json\n[\n{"box_2d": [10, 20, 110, 120], "label": "cat"},\n{"box_2d": [50, 100, 150, 200], "label": "dog"}\n]\n```'
CATS = (
    '\nThe list of cat breeds and their bounding box coordinates in the required JSON format is <|begin_of_box|>[{"label": '
    '"American Shorthair-1", "bbox_2d": [109, 152, 193, 822]}, {"label": "Maine Coon-1", "bbox_2d": [696, 92, 819, 822]}]'
    "<|end_of_box|>."
)
LOC = "<loc0256><loc0256><loc0768><loc0768>"

ANSWERS = [  # dialect, answer, (label, box) or point for each, the reason where there is none, the size of the image
    # GLM-4.6V: the answers of a vLLM server, "Run GLM-4.6V on AMD MI300X GPU with vLLM" (2025-12-09)
    ("glm_boxes", "\nThe coordinates of the second bottle of beer from the right on the table are "
     "<|begin_of_box|>[[94,598,177,991]]<|end_of_box|>.", [("", (94, 598, 177, 991))], None, UNIT),
    ("glm_boxes", CATS, [("American Shorthair-1", (109, 152, 193, 822)), ("Maine Coon-1", (696, 92, 819, 822))], None, UNIT),
    # GLM-4.1V's model card: the brackets vary ([], [[]], (), <>)
    ("glm_boxes", "<think>The cup stands left.</think><answer><|begin_of_box|>(12, 34, 56, 78)<|end_of_box|></answer>",
     [("", (12, 34, 56, 78))], None, UNIT),
    # GLM-5.3 Flash: one object a line, roboflow/inference#2921
    ("qwen_json/pixels", '{"bbox_2d": [10, 20, 110, 120], "label": "cat"}\n{"bbox_2d": [50, 60, 150, 160], "label": "dog"}',
     [("cat", (10, 20, 110, 120)), ("dog", (50, 60, 150, 160))], None, UNIT),
    # Qwen 3.8 Max: a closing fence without an opening one, roboflow/inference#2921
    ("qwen_json", '[{"bbox_2d": [10, 20, 110, 120], "label": "cat"}]\n```', [("cat", (10, 20, 110, 120))], None, UNIT),
    # Qwen3.6: two lists, and a list whose opening bracket was dropped, roboflow/inference#2930
    ("qwen_json", "[]\n[]", [], "refused", UNIT),
    ("qwen_json", '{"bbox_2d": [10, 20, 110, 120], "label": "cat"}, {"bbox_2d": [50, 60, 150, 160], "label": "dog"}]',
     [("cat", (10, 20, 110, 120)), ("dog", (50, 60, 150, 160))], None, UNIT),
    ("qwen_json", '[{"bbox_2d": [1, 2, 3, 4], "label": "a"}]\n[{"bbox_2d": [5, 6, 7, 8], "label": "b"}]',
     [("a", (1, 2, 3, 4)), ("b", (5, 6, 7, 8))], None, UNIT),
    # LFM2.5-VL: what the system prompt of LiquidAI's demo asks for where nothing is visible
    ("qwen_json", "[]", [], "refused", UNIT),
    # Qwen3.5: a point reader's test with the 0..1000 output
    ("qwen_json", '```json\n[\n\t{"bbox_2d": [954, 150, 984, 200], "label": "close"}\n]\n```',
     [("close", (954, 150, 984, 200))], None, UNIT),
    # Qwen2.5-VL: QwenLM/Qwen3-VL#1137, a training target; its pixels are those of the resized image
    ("qwen_json/resized", '{\n"bbox_2d": [135, 114, 1016, 672]\n}', [("", (135, 114, 1016, 672))], None, (1036, 700)),
    # Qwen2.5-VL: a post about regular expressions quotes its output
    ("qwen_json/pixels", '```json\n[\n\t{"bbox_2d": [359, 170, 580, 326], "label": "a truck number 14 on a snow bank"}\n]\n```',
     [("a truck number 14 on a snow bank", (359, 170, 580, 326))], None, (640, 427)),
    # Qwen2.5-VL and Qwen3-VL: supervision's tests of its parsers (tests/detection/test_vlm.py)

        ("qwen_json", '```json\n[\n{"bbox_2d": [0, 0, 64, 64], "label": "dog"},\n'
     '{"bbox_2d": [100, 200, 300, 400], "label": "cat"}\n]\n```',
     [("dog", (0, 0, 64, 64)), ("cat", (100, 200, 300, 400))], None, UNIT),
    ("qwen_json", "```json\n[]\n```", [], "refused", UNIT),
    ("qwen_json", "```json\nnot valid json\n```", [], "no box", UNIT),
    ("qwen_json", '```json\n[\n{"bbox_2d": [-10, 0, 700, 700], "label": "dog"}\n]\n```', [], "out of range", UNIT),
    ("qwen_json", '```json\n[\n\t{"bbox_2d": [100, 200, 300, 400], "label": "player"},\n\t{"bbox_2d": [10, 20,',
     [("player", (100, 200, 300, 400))], None, UNIT),
    # thinking models trained on boxes: unit tests of two public reward functions
    ("qwen_json", '<think>checked</think><answer>[{"bbox_2d": [10,20,110,120], "point_2d": [50,60]}]</answer>',
     [("", (10, 20, 110, 120))], None, UNIT),
    ("qwen_json", "<think>mine</think><answer>[{'bbox_2d': [5,5,55,55], 'point_2d': [30,30]}]</answer>",
     [("", (5, 5, 55, 55))], None, UNIT),
    ("qwen_json", "<answer>[{'bbox_2d':[1,2,3,4],'point_2d':[2,3],},]</answer>", [("", (1, 2, 3, 4))], None, UNIT),
    ("qwen_json", "<think>no answer here</think>", [], "no box", UNIT),
    # GroundingME (arXiv 2512.17495): the form in which its prompt asks for a refusal
    ("qwen_json", '{"bbox_2d": null}', [], "refused", UNIT),
    # Qwen2-VL and OS-Atlas: its README; ms-swift#3511; QwenLM/Qwen3-VL#762
    ("qwen_tags", "<|object_ref_start|>language switch<|object_ref_end|><|box_start|>(576,12),(592,42)<|box_end|><|im_end|>",
     [("language switch", (576, 12, 592, 42))], None, UNIT),
    ("qwen_tags", "<|box_start|>(101,201),(150,266)<|box_end|><|box_start|>(401,601),(550,666)<|box_end|>",
     [("", (101, 201, 150, 266)), ("", (401, 601, 550, 666))], None, UNIT),

        ("qwen_tags/pixels", "<|object_ref_start|>Popup close button<|object_ref_end|><|box_start|>"
     "(1769, 1013), (1778, 1027)<|box_end|>",
     [("Popup close button", (1769, 1013, 1778, 1027))], None, (1920, 1080)),
    # Qwen-VL: QwenLM/Qwen3-VL#189, the high five of its README
    ("internvl_tags", "<ref>击掌</ref><box>(536,509),(588,602)</box>", [("击掌", (536, 509, 588, 602))], None, UNIT),
    # InternVL and ASMv2: a training row, a scene-graph caption, and what a public parser's tests read
    ("internvl_tags", "<ref>circle</ref><box>[[278,24,354,100],[515,10,611,106],[174,299,228,353]]</box>",
     [("circle", (278, 24, 354, 100)), ("circle", (515, 10, 611, 106)), ("circle", (174, 299, 228, 353))], None, UNIT),
    ("internvl_tags", BUS, [("bus", (290, 202, 835, 851)), ("", (290, 202, 835, 851)), ("", (0, 604, 984, 999)),
                            ("road", (0, 604, 984, 999))], None, UNIT),
    ("internvl_tags", "The target is <ref>the car</ref><box>[[100,200,300,400]]</box>.",
     [("the car", (100, 200, 300, 400))], None, UNIT),
    ("internvl_tags", "<ref>handle</ref><box>null</box>", [], "refused", UNIT),  # as a public prompt asks it to say so
    # InternVL: OpenGVLab/InternVL#625, it repeats the format and gives no numbers
    ("internvl_tags", "The bounding box coordinates of the region this sentence describes are [x1, y1, x2, y2].",
     [], "no box", UNIT),
    # DeepSeek-VL2: its README; supervision's tests; deepseek-ai/DeepSeek-VL2#100 and #96
    ("deepseek_tags", GIRAFFE, [("The giraffe at the back.", (580, 270, 999, 900))], None, (999, 999)),
    ("deepseek_tags", "<|ref|>cat<|/ref|><|det|>[[100, 200, 300, 400]]<|/det|>",
     [("cat", (100.1, 200.2, 300.3, 400.4))], None, UNIT),
    ("deepseek_tags", "<|ref|>mazdaughters<|/ref|><|det|>[[220, <|ref|>compact car<|/ref|><|det|>[[220, 416, 417, 720]]<|/det|>",
     [("compact car", (220, 416, 417, 720))], None, (999, 999)),
    ("deepseek_tags", f"<|ref|>head without helmet<|/ref|><|det|>[[0, 50, 55, 9999], [0, 5, 533, 17, {'9' * 300}",
     [], "out of range", UNIT),
    # DeepSeek-OCR: pages it read
    ("deepseek_tags", "<|ref|>equation<|/ref|><|det|>[[120, 84, 275, 100]]<|/det|>\n\\(f = (x+1)*2*x;\\)",
     [("equation", (120, 84, 275, 100))], None, (999, 999)),
    # Rex-Omni and a model trained on its form: logged outputs, with one row that breaks and one box that is none
    ("rex_tags", REX,
     [("person", (0, 262, 182, 704)), ("boy", (37, 207, 203, 710)), ("boy", (304, 435, 651, 997))],
     None, (999, 999)),
    ("rex_tags", "<|object_ref_start|>table<|object_ref_end|><|box_start|>"
     "<0><393><261><620>,<343><358><998>什么都不好<|box_end|>",
     [("table", (0, 393, 261, 620))], None, (999, 999)),
    ("rex_tags", "<|object_ref_start|>search bar<|object_ref_end|><|box_start|><998><3><997><104><|box_end|>",
     [], "empty box", UNIT),
    # Florence-2: transformers.js' tests of its post-processing, on a photograph of 640x480
    ("florence_loc", f"</s><s><s><s>{BEETLE}</s>",
     [("A green car", (34.88, 158.64, 583.36, 374.64)), ("a yellow building", (0.32, 4.08, 639.04, 305.04))], None, (640, 480)),

        ("florence_loc", "</s><s>turquoise Volkswagen Beetle<loc_52><loc_333><loc_932><loc_774>wheel<loc_704><loc_576><loc_864>"
     "<loc_772>"
     "<loc_148><loc_584><loc_308><loc_773></s>", [("turquoise Volkswagen Beetle", (33.6, 160.08, 596.8, 371.76)),
     ("wheel", (450.88, 276.72, 553.28, 370.8)), ("wheel", (95.04, 280.56, 197.44, 371.28))], None, (640, 480)),
    ("florence_loc", "No object detected.", [], "refused", UNIT),  # supervision's tests
    # Gemini: supervision's tests; y comes first
    ("gemini_json", TWO, [("cat", (12.8, 4.8, 76.8, 52.8)), ("dog", (64, 24, 128, 72))], None, (640, 480)),
    ("gemini_json", '[{"box_2d": [100, 200, 300, 400], "label": "cat", "mask": "bad", "confidence": 0.8}]',
     [("cat", (200, 50, 400, 150))], None, (1000, 500)),
    ("qwen_json", TWO, [], "box of another dialect", (640, 480)),
    # PaliGemma: supervision's tests
    ("paligemma_loc", f"{LOC} cat ; {LOC} dog", [("cat", (250, 250, 750, 750)), ("dog", (250, 250, 750, 750))], None, UNIT),
    ("paligemma_loc", f"{LOC} cat ; <loc0256><loc0256><loc0768> cat", [("cat", (250, 250, 750, 750))], None, UNIT),
    # Kosmos-2: the docstring of transformers' processor
    ("kosmos2", SNOWMAN, [("a snowman", (390.625, 46.875, 984.375, 828.125))], None, UNIT),
    # Shikra and Ferret: apple/ml-ferret's README
    ("ferret_brackets", "A man [0.201, 0.002, 0.940, 0.758].", [("A man", (201, 2, 940, 758))], None, UNIT),
    # Molmo 2 and Molmo: the stories of AI2's playground; targets of a public trainer
    ("molmo_points", BOATS, [(73, 160), (173, 600), (258, 725), (323, 735), (353, 160)], None, UNIT),
    ("molmo_points", '<points coords="1 1 073 160 2 173 600\t2 3 373 460" alt="boats">the boats</points>',
     [(73, 160), (173, 600)],
     None, UNIT),

        ("molmo_points", 'Counting the <points x1="9.1" y1="11.7" x2="17.2" y2="41.3" alt="the boats">the boats</points> shows '
     "a total of 2.",
     [(91, 117), (172, 413)], None, UNIT),
    ("molmo_points", '<point x="63.3" y="85.8" alt="Small fishing boat">Small fishing boats</point> are visible, along with '
     '<point x="76.8" y="61.8" alt="Sailboat with blue sail">sailboats</point>', [(633, 858), (768, 618)], None, UNIT),
    ("molmo_points", "There are none.", [], "refused", UNIT),
    # RoboPoint: its README
    ("refspatial_points", "[(0.461, 0.527), (0.498, 0.521), (0.481, 0.521), (0.445, 0.529)]",
     [(461, 527), (498, 521), (481, 521), (445, 529)], None, UNIT),
    # Qwen3-VL pointing: a chess robot's waypoints; Gemini pointing: a perception server's test
    ("qwen_points", '[{"point_2d": [553, 728], "label": "above e2"}, {"point_2d": [553, 768], "label": "grasp e2"}]',
     [(553, 728), (553, 768)], None, UNIT),
    ("gemini_points", '[{"point": [50, 100], "label": "cup"}]', [(100, 50)], None, UNIT),
]  # fmt: skip


def spoken(name):
    name, _, frame = name.partition("/")
    return dialect(name, frame or None)


@pytest.mark.parametrize("name, answer, wanted, reason, size", ANSWERS, ids=[f"{row[0]}-{row[1][:30]!r}" for row in ANSWERS])
def test_an_answer_is_read_as_its_authors_say(name, answer, wanted, reason, size):
    parsed = spoken(name).parse(answer, image_size=size)
    assert parsed.reason == reason
    if wanted and len(wanted[0]) == 2 and not isinstance(wanted[0][0], str):
        assert np.array([point.xy for point in parsed.points]) * size == pytest.approx(np.array(wanted))
        return
    found = [(phrase.text, box) for phrase in parsed.phrases for box in phrase.boxes]
    assert len(parsed.boxes) == len([box for _, box in found][: len(parsed.boxes)])
    if name == "kosmos2":  # its boxes are those of the first phrase
        found = found[:1]
    assert [label for label, _ in found] == [label for label, _ in wanted]
    boxes = np.array([box.xyxy for _, box in found]).reshape(-1, 4) * (*size, *size)
    assert boxes == pytest.approx(np.array([box for _, box in wanted], float).reshape(-1, 4), rel=1e-5)


def test_there_are_enough_of_them():
    assert len(ANSWERS) >= 40 and len({name.partition("/")[0] for name, *_ in ANSWERS}) >= 12
    assert {name.partition("/")[0] for name, *_ in ANSWERS} >= set(DIALECTS) - {"llava_brackets"}  # LLaVA's own rows: shared data
