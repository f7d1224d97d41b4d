# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""From a noun to the classes of a detector with fixed classes: by lemma, by another word for the same, by kind.

"men" is "person", "the red sofa" is "couch", "vehicle" is every class that is one; "chimney" is none of COCO's. A class may be
spelled as COCO, VOC or Darknet spell it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from promvil_hf.inflection import lemma
from promvil_hf.nesting.kinds import PERSON, kind_of


COCO = tuple(
    name.replace("_", " ")
    for name in """
    person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter bench
    bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard
    sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon
    bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch potted_plant bed dining_table
    toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator book clock vase scissors
    teddy_bear hair_drier toothbrush
""".split()
)

_SAME = [  # words for one thing; each names the class that is spelled as another one of its line
    line.split(", ")
    for line in """
bicycle, bike, cycle
motorcycle, motorbike, motor bike, moped, scooter
airplane, aeroplane, plane, aircraft, jet, airliner
car, automobile
boat, ship, canoe, kayak, sailboat, rowboat, yacht, ferry
truck, lorry, pickup
bus, coach, double-decker
train, locomotive, tram, trolley
couch, sofa, loveseat
potted plant, pottedplant, houseplant, plant
dining table, diningtable, table, desk
tv, tvmonitor, tv monitor, television, monitor, screen
cell phone, cellphone, mobile phone, phone, smartphone, mobile, telephone
refrigerator, fridge, freezer
donut, doughnut
hot dog, hotdog
hair drier, hair dryer, hairdryer, blow dryer
tennis racket, racket, racquet, tennis racquet
sports ball, ball, baseball, football, soccer ball, basketball, tennis ball, volleyball
baseball bat, bat
baseball glove, glove, mitt, baseball mitt
teddy bear, teddy, stuffed bear, stuffed animal
traffic light, stoplight, stop light, traffic signal
fire hydrant, hydrant
stop sign, stopsign
handbag, purse
backpack, rucksack, knapsack
suitcase, luggage, baggage
tie, necktie
skis, ski
remote, remote control, controller
keyboard, computer keyboard
laptop, laptop computer, notebook computer
mouse, computer mouse
wine glass, wineglass, goblet
cup, mug
cow, bull, calf, ox, cattle
sheep, lamb, ewe, ram
horse, pony, foal, stallion, mare
dog, puppy
cat, kitten, kitty
bird, duck, goose, pigeon, seagull, gull, parrot, swan, chicken, crow
oven, stove
sink, washbasin
cake, cupcake
clock, watch
book, notebook
""".strip().split("\n")
]
_KINDS = {
    kind: members.split(", ")
    for kind, members in {
        "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
        "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
        "bag": "handbag, backpack, suitcase",
        "glass": "wine glass, cup",
        "fruit": "banana, apple, orange",
        "vegetable": "broccoli, carrot",
        "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
        "furniture": "chair, couch, bed, dining table, bench",
        "seat": "chair, couch, bench",
        "van": "car, truck",
        "suv": "car",
        "taxi": "car",
        "cab": "car",
        "jeep": "car, truck",
        "board": "skateboard, surfboard, snowboard",
        "computer": "laptop, tv",
        "appliance": "microwave, oven, toaster, refrigerator",
    }.items()
}
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


def classes_of(phrase: str, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a noun or a short phrase means, as `classes` spells them; none where there is no such class.

    >>> classes_of("the young men", COCO), classes_of("hot dogs", COCO), classes_of("a chimney", COCO)
    (('person',), ('hot dog',), ())
    """
    return _classes_of(phrase.lower(), tuple(classes))


@lru_cache(maxsize=65536)
def _classes_of(phrase: str, classes: tuple[str, ...]) -> tuple[str, ...]:
    known = _by_lemma(classes)
    words = _WORD.findall(phrase)
    for start in range(len(words)):  # "hot dog" before "dog": what stands before a noun may change what it is
        name = lemma_of(" ".join(words[start:]))
        for one in (name, *_same(name)):
            if one in known:
                return (known[one],)
        members = [known[same] for kind in _KINDS.get(name, ()) for same in (kind, *_same(kind)) if same in known]
        if members:
            return tuple(dict.fromkeys(members))
    if words and kind_of(words[-1]) == PERSON and "person" in known:
        return (known["person"],)
    return ()


def lemma_of(name: str) -> str:
    """A name of one or more words with its last word in the singular: how names are compared."""
    before, _, last = name.lower().strip().rpartition(" ")
    return f"{before} {lemma(last)}".strip()


@lru_cache(maxsize=256)
def _by_lemma(classes: tuple[str, ...]) -> dict[str, str]:
    return {lemma_of(name): name for name in reversed(classes)}


@lru_cache(maxsize=4096)
def _same(name: str) -> tuple[str, ...]:
    """Other words for it, as lemmas."""
    for line in _SAME:
        lemmas = [lemma_of(other) for other in line]
        if name in lemmas:
            return tuple(other for other in lemmas if other != name)
    return ()
