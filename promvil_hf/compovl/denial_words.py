# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Which words exclude each other: nouns that no annotator would leave out, families of attributes, opposite relations.

A scene graph is incomplete: what it does not name may still be there. So a word is put in place of another one only where
something in the graph speaks against it, and where no word that might mean the same thing stands anywhere. The lists here are
short on purpose. A noun is in them when the thing is large or striking, so that people who described the picture would have
named it; `hides` are the words under which it might have been named all the same, or beside which it might be overlooked.
"""

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- nouns: family -> (new nouns with what hides each, further nouns that may be exchanged, words that hide any of them)

_TOYS = "toy toys stuffed statue figurine sculpture drawing painting cartoon mural costume"
_NOUNS: dict[str, tuple[dict[str, str], str, str]] = {
    "animal": (
        {
            "dog": "puppy pup canine terrier poodle retriever bulldog husky hound labrador collie pug leash",
            "cat": "kitten kitty feline tabby",
            "horse": "pony foal mare stallion colt mule donkey saddle rider jockey carriage zebra",
            "cow": "bull calf ox cattle bovine steer buffalo bison barn dairy",
            "sheep": "lamb ram ewe goat wool",
            "elephant": "tusk mammoth trunk",
            "giraffe": "neck",
            "zebra": "stripe striped horse",
            "bear": "cub teddy panda grizzly",
        },
        "bird duck goose pigeon seagull goat puppy kitten pony lion tiger monkey deer pig rabbit",
        f"animal animals creature pet livestock herd zoo farm wildlife pasture {_TOYS}",
    ),
    "vehicle": (
        {
            "bus": "coach minibus trolley tram van double-decker road street traffic sidewalk intersection city crosswalk",
            "train": "locomotive railway railroad rail track engine caboose tram trolley subway station platform carriage",
            "airplane": "plane aircraft jet airliner aeroplane airport runway propeller cockpit wing tarmac",
            "helicopter": "chopper rotor aircraft propeller airport runway tarmac plane airplane",
            "boat": "ship sailboat canoe kayak ferry yacht raft vessel sail harbor dock pier marina water lake ocean sea river",
            "motorcycle": "motorbike moped scooter bike biker harley road street traffic sidewalk intersection city crosswalk",
            "tractor": "plow harvester farm",
        },
        "car truck van taxi bicycle bike scooter suv jeep trailer wagon cart plane ship",
        f"vehicle vehicles traffic machine transport {_TOYS}",
    ),
    "food": (
        {
            "pizza": "pepperoni crust calzone slice",
            "cake": "cupcake pastry cheesecake frosting icing tart pie muffin brownie",
            "donut": "doughnut pastry bagel ring",
            "hamburger": "burger cheeseburger patty bun sandwich",
            "banana": "plantain peel",
            "watermelon": "melon",
            "pineapple": "",
        },
        "sandwich apple bread salad soup fries carrot broccoli cheese egg meat rice noodles cookie pie hot-dog",
        f"food meal dish fruit fruits dessert snack lunch dinner breakfast bakery buffet market produce {_TOYS}",
    ),
    "furniture": (
        {
            "bed": "mattress bunk cot crib bedroom pillow blanket headboard bedspread hammock dresser nightstand",
            "couch": "sofa loveseat settee futon armchair cushion pillow recliner television tv living",
            "toilet": "bathroom urinal restroom bidet commode bathtub sink",
            "bathtub": "bathroom tub shower bath toilet sink",
            "refrigerator": "fridge freezer kitchen icebox stove oven microwave sink cabinet",
            "piano": "keyboard organ",
            "fireplace": "mantle mantel hearth chimney fire living couch sofa",
        },
        "chair table desk bench shelf cabinet dresser drawer counter bookcase stool sink stove oven microwave cupboard",
        f"furniture appliance room {_TOYS}",
    ),
    "carried": (
        {
            "umbrella": "parasol canopy shade rain",
            "suitcase": "luggage baggage bag case trunk",
            "guitar": "instrument violin banjo cello ukulele music",
            "surfboard": "board surfer surf wave snowboard skateboard",
            "skateboard": "board skater skate skateboarder skating ramp snowboard surfboard",
            "snowboard": "board snowboarder ski snow skateboard surfboard",
            "kite": "string sky flying parachute",
            "trophy": "award cup medal",
        },
        "bag purse backpack camera phone cellphone racket racquet bat frisbee laptop book bottle cup",
        f"equipment gear {_TOYS}",
    ),
    "clothes": (
        {
            "apron": "smock uniform chef cook",
            "wetsuit": "suit bodysuit diver surfer",
            "kimono": "robe dress gown",
        },
        "shirt jacket coat sweater dress skirt pants jeans shorts vest hoodie t-shirt scarf",
        "outfit clothes clothing costume attire",
    ),
    "headwear": (
        {"crown": "tiara headdress", "sombrero": "straw", "turban": "scarf headscarf wrap headdress"},
        "hat cap helmet beanie visor",
        "costume",
    ),
    "ground": (
        {
            "river": "water stream creek pond lake canal ocean sea bridge bank shore",
            "beach": "sand shore coast ocean sea water wave",
        },
        "street road sidewalk grass field floor ground lawn path dirt pavement hill court crosswalk parking-lot",
        "",
    ),
    "structure": (
        {
            "windmill": "turbine mill",
            "lighthouse": "tower beacon",
            "tent": "canopy camp camping tarp awning",
            "fountain": "water pool spout",
        },
        "building house fence wall barn church tree bush garage shed tower bridge",
        "",
    ),
    "man or woman": (
        {
            "woman": "lady girl female she her gal bride waitress mother mom sister daughter queen wife",
            "man": "guy boy male he his gentleman dude groom waiter father dad brother son king husband",
        },
        "",
        "person people crowd group child children kid kids baby toddler infant player adult audience spectator pedestrian "
        "rider skier surfer snowboarder skateboarder worker driver passenger someone customer student couple family team",
    ),
    "shape": (
        dict.fromkeys("circle square triangle star cross diamond moon".split(), ""),
        "ring robot",
        "shape shapes",
    ),
}
_ALIKE = {
    "diamond": "square", "square": "diamond rectangle block", "circle": "ring oval disc round wheel ball", "moon": "crescent",
}  # fmt: skip

HIDES: dict[str, frozenset[str]] = {}  # new noun -> the words that would make it doubtful that it is not there
FAMILY: dict[str, str] = {}  # a noun that may be exchanged -> its family
NEW_NOUNS: dict[str, tuple[str, ...]] = {}
for _family, (_new, _further, _all) in _NOUNS.items():
    NEW_NOUNS[_family] = tuple(_new)
    for _noun in (*_new, *_further.split()):
        FAMILY[_noun.replace("-", " ") if _noun in ("hot-dog", "parking-lot") else _noun] = _family
    for _noun, _hides in _new.items():
        HIDES[_noun] = _words(f"{_noun} {_hides} {_all} {_ALIKE.get(_noun, '')}")
# Each male or female word is of the family, so that "the guy" becomes "the woman".
FAMILY |= dict.fromkeys(_words("man guy boy gentleman dude woman lady girl gal"), "man or woman")
WORN = ("clothes", "headwear")
# Before a noun they make another thing of it: a hot dog, a toy car.
NOT_REALLY = _words("toy stuffed teddy hot model fake plastic painted wooden rubber inflatable lego cartoon baby fire")

# --- nouns that may name one thing ---------------------------------------------------------------

_SAME = [
    _words("car vehicle taxi cab suv minivan van jeep sedan automobile truck"),
    _words("truck vehicle van pickup lorry suv"),
    _words("bus vehicle coach van tram trolley"),
    _words("bike bicycle motorcycle motorbike moped scooter vehicle"),
    _words("plane airplane aircraft jet airliner"),
    _words("boat ship vessel sailboat canoe kayak"),
    _words("couch sofa seat loveseat armchair chair bench stool"),
    _words("table desk counter countertop stand tabletop"),
    _words("cup mug glass bowl container bottle jar can"),
    _words("plate dish bowl tray saucer platter"),
    _words("street road pavement asphalt ground lane crosswalk"),
    _words("sidewalk pavement path walkway ground"),
    _words("grass lawn field ground bush plant"),
    _words("tree bush plant branch foliage shrub leaf"),
    _words("building house tower church skyscraper wall structure shop store"),
    _words("shirt t-shirt tshirt tee top jersey sweater blouse jacket coat hoodie vest sweatshirt clothes outfit uniform"),
    _words("pants jeans trousers shorts slacks leggings bottoms clothes"),
    _words("shoe sneaker boot sandal cleat footwear slipper skate"),
    _words("hat cap helmet beanie hood visor"),
    _words("bag backpack purse luggage suitcase sack handbag briefcase"),
    _words("sign board poster banner billboard plaque label"),
    _words("pole post lamp lamppost streetlight light"),
    _words("wall fence building barrier"),
    _words("door gate window entrance"),
    _words("phone cellphone telephone mobile"),
    _words("racket racquet paddle bat"),
    _words("monitor screen television tv computer laptop"),
    _words("cow cattle bull calf animal"),
    _words("horse pony foal animal"),
    _words("dog puppy animal"),
    _words("cat kitten animal"),
    _words("sheep lamb goat animal"),
    _words("bird duck goose pigeon seagull animal"),
    _words("bear teddy animal"),
    _words("zebra animal horse"),
    _words("giraffe animal"),
    _words("elephant animal"),
    frozenset(map(lemma, lexicon.PERSONS)) | _words("skater lady"),
]


def may_name(noun: str) -> frozenset[str]:
    """Nouns, in the singular, that might name a thing which this one names: itself, synonyms, wider and narrower ones."""
    last = lemma(noun.split()[-1])
    return frozenset((last,)).union(*(group for group in _SAME if last in group))


# --- attributes: family -> groups of words that may be said of one look --------------------------

_COLOURS = {
    "red": "red maroon crimson burgundy scarlet reddish",
    "orange": "orange peach rust rusty rusted copper",
    "yellow": "yellow gold golden blonde blond mustard yellowish",
    "green": "green olive lime greenish leafy",
    "blue": "blue navy teal turquoise cyan aqua bluish denim",
    "purple": "purple violet lavender magenta lilac",
    "pink": "pink rose fuchsia salmon pinkish",
    "brown": "brown tan beige bronze wooden wood brick khaki chestnut brownish",
    "black": "black dark charcoal",
    "white": "white cream ivory off-white whitish snowy light pale",
    "gray": "gray grey silver metal metallic concrete steel chrome stone cement asphalt grayish",
}
_NEAR = {
    "red": "orange pink purple brown", "orange": "red yellow brown pink", "yellow": "orange green brown white",
    "green": "yellow blue gray", "blue": "green purple black gray white",
    "purple": "red blue pink black", "pink": "red purple orange white",
}  # fmt: skip
_LOOKS = {
    "size": ("small little tiny mini", "large big huge giant gigantic enormous"),
    "height": ("tall high", "short low"),
    "length": ("long", "short"),
    "age": ("old elderly older aged senior", "young younger little child"),
    "opening": ("open opened ajar", "closed shut"),
    "wetness": ("wet", "dry"),
    "content": ("full filled", "empty"),
    "pattern": ("plain solid", "striped stripes", "dotted spotted polka", "checkered plaid checked"),
    "posture": ("sitting seated", "standing walking running", "lying laying sleeping"),
    "material": ("wooden wood", "metal metallic steel iron", "brick", "glass", "leather", "plastic"),
}
_WRITTEN = {  # what is put in: the plainest word of each group
    "size": ("small", "large"), "height": ("tall", "short"), "length": ("long", "short"), "age": ("old", "young"),
    "opening": ("open", "closed"), "wetness": ("wet", "dry"), "content": ("full", "empty"),
    "pattern": ("plain", "striped", "dotted", "checkered"), "posture": ("sitting", "standing", "lying"),
    "material": ("wooden", "metal", "brick", "glass", "leather", "plastic"),
}  # fmt: skip
# With one of these a thing has several colours, or none that could be named.
MANY_COLOURS = _words(
    "colorful colourful multicolored multicolor multi-colored rainbow striped plaid checkered spotted patterned floral clear "
    "transparent printed decorated tie-dyed reflective mixed two-tone camouflage"
)

Look = tuple[str, frozenset[str], frozenset[str], str]  # family, words of the look, words that are near it, how it is written
LOOKS: tuple[Look, ...] = (
    *(
        ("colour", _words(_COLOURS[name]), _words(" ".join(_COLOURS[colour] for colour in (name, *near.split()))), name)
        for name, near in _NEAR.items()
    ),
    *(
        (family, _words(group), _words(group), written)
        for family, groups in _LOOKS.items()
        for group, written in zip(groups, _WRITTEN[family], strict=True)
    ),
)
FAMILY_WORDS = {
    "colour": _words(" ".join(_COLOURS.values())),
    **{family: _words(" ".join(groups)) for family, groups in _LOOKS.items()},
}

# --- relations: the end of a link -> its opposite, and how the opposite is denied ----------------

# Things that other things can be under, so that "under" may stand for "on"; nobody says "under the road".
HAS_ROOM_BELOW = _words(
    "table desk bench bed chair couch sofa shelf counter stand cart rack umbrella plate tray blanket car truck bus van train boat"
)
OPPOSITES = {
    "left of": ("right of", "boxes"), "right of": ("left of", "boxes"),
    "to the left of": ("to the right of", "boxes"), "to the right of": ("to the left of", "boxes"),
    "on the left of": ("on the right of", "boxes"), "on the right of": ("on the left of", "boxes"),
    "above": ("below", "boxes"), "below": ("above", "boxes"), "over": ("below", "boxes"), "beneath": ("above", "boxes"),
    "in front of": ("behind", "graph"), "behind": ("in front of", "graph"),
    "on": ("under", "graph"), "on top of": ("under", "graph"), "under": ("on top of", "graph"),
    "underneath": ("on top of", "graph"),
}  # fmt: skip
