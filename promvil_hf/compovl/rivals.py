# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which other things an expression may fit: a graph names few of the relations that its picture shows.

Judged by boxes (what lies as near to the object as the subject does), by names (a man is a person), and by what all things
of a kind have (a headlight tells no car apart).
"""

from functools import lru_cache

from promvil_hf.compovl.overlaps import closeness
from promvil_hf.compovl.scene_graph import Corners
from promvil_hf.inflection import lemma
from promvil_hf.nesting.kinds import ANIMAL, BODY, CLOTHES, PERSON, VEHICLE, kind_of
from promvil_hf.nesting.tags import base_of


APART = -0.03  # touching things whose boxes lie further apart than this, in image sides, do not touch
_LIES_ON = 0.7  # share of the smaller box that lies in the other
_ANY_OF = {PERSON: "person", ANIMAL: "animal", VEHICLE: "vehicle"}
_NO_VEHICLES = frozenset(("engine", "kite", "cart", "board"))  # they move, and nobody calls them vehicles
_NARROWER = {  # a noun, in the singular -> last words of what may be called by it too ("dog" is a hot dog)
    noun: frozenset(narrower.split())
    for noun, narrower in {
        "food": """
            cake egg sausage pizza sandwich burger hamburger hotdog bread bun toast cheese meat chicken steak bacon ham fish rice
            noodle pasta salad soup fry potato carrot broccoli tomato lettuce onion pepper mushroom bean corn vegetable fruit
            apple banana orange lemon lime melon strawberry blueberry berry grape cookie donut doughnut pastry pie muffin dessert
            pancake waffle omelet sushi taco burrito snack meal dog
        """,
        "fruit": "apple banana orange lemon lime melon watermelon strawberry blueberry berry grape pear peach pineapple mango",
        "vegetable": "potato carrot broccoli tomato lettuce onion pepper mushroom bean corn cucumber cabbage celery spinach",
        "dessert": "cake cupcake cookie donut doughnut pastry pie muffin brownie pudding",
        "plant": "weed bush shrub flower fern ivy vine grass tree herb cactus palm hedge bamboo",
        "luggage": "suitcase bag backpack baggage duffel briefcase",
        "baggage": "suitcase bag backpack luggage duffel briefcase",
        "bag": "backpack purse handbag briefcase duffel luggage baggage",
        "bush": "shrub hedge plant",
        "boat": "ship sailboat canoe kayak ferry yacht vessel",
        "bike": "bicycle motorcycle motorbike",
        "furniture": "chair table couch sofa bed desk dresser bench shelf cabinet",
        "pole": "post lamppost flagpole",
        "light": "lamp streetlight lamppost",
        "building": "house church tower skyscraper barn shop store",
        "couch": "sofa loveseat", "road": "street highway lane pavement", "path": "sidewalk walkway trail",
        "car": "taxi cab suv sedan van minivan jeep convertible", "truck": "pickup lorry van trailer", "van": "minivan",
        "train": "locomotive subway tram", "plane": "airplane jet aircraft airliner", "airplane": "jet aircraft airliner",
        "motorcycle": "motorbike scooter moped", "horse": "pony colt foal mare", "cow": "calf bull cattle ox steer",
        "sheep": "lamb ram ewe goat", "dog": "puppy pup", "cat": "kitten", "bird": "duck goose gull seagull pigeon parrot swan",
        "bear": "cub", "shirt": "tshirt t-shirt jersey blouse top sweater sweatshirt", "top": "blouse tank",
        "pants": "jeans trousers slacks pant", "jacket": "coat blazer vest parka hoodie", "coat": "parka raincoat",
        "shoe": "sneaker boot sandal slipper heel cleat", "hat": "cap helmet beanie visor hood", "cap": "beanie visor",
        "glasses": "sunglasses eyeglasses goggles spectacles", "scarf": "bandana shawl", "dress": "gown",
        "cup": "mug glass", "glass": "goblet wineglass", "bowl": "dish", "dish": "plate saucer", "plate": "saucer platter",
        "container": "bowl jar box bottle can basket bucket bin tub cup", "box": "carton crate package",
        "pot": "planter vase kettle", "vase": "planter", "pan": "skillet", "basket": "bin", "bin": "trashcan",
        "screen": "monitor television tv display", "monitor": "display", "television": "tv", "computer": "laptop monitor pc",
        "phone": "cellphone smartphone telephone", "picture": "painting photo photograph poster drawing print",
        "painting": "artwork print", "sign": "signal billboard banner stop", "lamp": "lantern", "rock": "stone boulder",
        "sidewalk": "pavement walkway", "field": "grass pasture meadow lawn", "grass": "lawn", "hill": "mountain slope",
        "fence": "railing rail gate", "railing": "rail banister", "water": "ocean sea lake river pond", "ocean": "sea",
        "board": "surfboard skateboard snowboard", "racket": "racquet", "blanket": "quilt comforter bedspread sheet",
        "pillow": "cushion", "cabinet": "cupboard", "counter": "countertop", "stove": "oven", "rug": "carpet mat",
        "curtain": "drape", "table": "desk nightstand", "chair": "stool armchair recliner seat", "bench": "seat",
        "stair": "step staircase", "wave": "surf", "cord": "cable wire", "rope": "string cord", "knife": "blade",
        "towel": "cloth", "cloth": "napkin tablecloth", "branch": "limb twig", "hair": "ponytail bang", "number": "digit",
    }.items()
}  # fmt: skip
_HAS_OTHERS = frozenset(_NARROWER).union(*_NARROWER.values())
_MEN = frozenset("man guy gentleman father grandfather groom husband businessman policeman fireman cowboy".split())
_WOMEN = frozenset("woman lady mother grandmother bride wife businesswoman waitress".split())
_BOYS, _GIRLS = frozenset(("boy", "son")), frozenset(("girl", "daughter"))
_YOUNG = frozenset("child kid baby toddler infant".split())
_OF_ALL = frozenset(
    """
    shirt pants shoe sneaker jeans clothes clothing outfit sock top trousers shorts sleeve collar window wheel headlight tire
    door leaf branch leg handle roof light seat trunk mirror windshield engine tail wing
""".split()
)
_OF_SOME = frozenset("beard mustache moustache goatee horn antler ponytail dreadlocks braid pigtail tattoo".split())
_GAZES = frozenset("look stare gaze glance face watch see point smile".split())
_ON = frozenset("in on inside within upon onto".split())
_NEAR = frozenset("by near beside next along alongside close behind front around".split())
_HOLDS = frozenset("cross wear hold carry ride eat touch".split())
_SIDES = {
    "left": (0, -1), "right": (0, 1), "above": (1, -1), "over": (1, -1), "below": (1, 1), "under": (1, 1), "beneath": (1, 1),
}  # fmt: skip
_AT_ANY_DISTANCE = frozenset(("left", "right", "above", "below"))
_HAS = frozenset(("with", "wearing", "in", "dressed"))


@lru_cache(maxsize=65536)
def has_other_names(noun: str) -> bool:
    """Whether `may_be` can hold between this noun and another one."""
    return kind_of(noun.split()[-1]) in _ANY_OF or lemma(noun.split()[-1]) in _HAS_OTHERS


@lru_cache(maxsize=65536)
def may_be(noun: str, other: str) -> bool:
    """Whether a thing of one name may also be called by the other: a man is a person, a catcher may be a man, food a cake."""
    one, two = lemma(noun.split()[-1]), lemma(other.split()[-1])
    if two in _NARROWER.get(one, ()) or one in _NARROWER.get(two, ()):
        return True
    kind = kind_of(one)
    if kind not in _ANY_OF or kind_of(two) != kind or {one, two} & _NO_VEHICLES:
        return False
    if _ANY_OF[kind] in (one, two):
        return True
    if kind != PERSON:
        return False
    groups = (_MEN, _WOMEN, _BOYS, _GIRLS, _YOUNG)
    first, second = (next((group for group in groups if name in group), None) for name in (one, two))
    if first is None or second is None or first is second:
        return True
    return _YOUNG in (first, second) and (_BOYS in (first, second) or _GIRLS in (first, second))


@lru_cache(maxsize=8192)
def names_any(noun: str) -> str:
    """The kind that a noun is the name of ("person", "animal", "vehicle"), "" for every other noun."""
    kind = kind_of(noun)
    return kind if _ANY_OF.get(kind) == noun else ""


@lru_cache(maxsize=8192)
def is_of_all(link: str, thing: str) -> bool:
    """Whether all things of a kind have it, so that "with a headlight" picks out none of several cars."""
    words = thing.split()
    name = lemma(words[-1])
    if link.split()[0] not in _HAS or len(words) > 1:
        return False
    return name in _OF_ALL or (kind_of(name) == BODY and name not in _OF_SOME)


@lru_cache(maxsize=8192)
def is_gaze(link: str) -> bool:
    """Whether it says where somebody looks: boxes never show who else does."""
    return base_of(link.split()[0]) in _GAZES


@lru_cache(maxsize=65536)
def must_meet(link: str, thing: str) -> bool:
    """Whether two things in this relation have boxes that meet: what lies on, what is worn, a part and its whole."""
    first, last = link.split()[0], link.split()[-1]
    if (last in _ON and not is_gaze(link)) or link == "of" or (first == last and base_of(first) in _HOLDS):
        return True
    return link == "with" and kind_of(thing.split()[-1]) in (BODY, CLOTHES) or is_of_all(link, thing)


def may_relate(link: str, other: Corners, subject: Corners, around: Corners, thing: Corners) -> bool:
    """Whether another thing lies as close to `thing` as the subject does to `around`, which has the same name, and on the side
    that the link says. What is "to the left of" something may be anywhere there.
    """
    side = next((_SIDES[word] for word in link.split() if word in _SIDES), None)
    if side is not None:
        axis, sign = side
        if sign * (other[axis] + other[axis + 2] - thing[axis] - thing[axis + 2]) <= 0:
            return False
        if not _AT_ANY_DISTANCE.isdisjoint(link.split()):
            return True
    nearness = closeness(subject, around)
    if nearness <= 0:
        least = 1.5 * nearness - 0.02
    else:  # of two things that both overlap a bus, each is by it
        least = 0.0 if _NEAR.intersection(link.split()) else min(nearness - 0.05, _LIES_ON)
    return closeness(other, thing) >= least
