# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Words of answers about images: which nouns nobody can point at, which things are easily seen, and which words say that
what follows is supposed, absent or general.

General lists of English, none made for one sentence. Standard library only.
"""

from functools import lru_cache

from promvil_hf.inflection import lemma
from promvil_hf.nesting import lexicon
from promvil_hf.nesting.kinds import THING, kind_of
from promvil_hf.nesting.tags import one_slip_apart


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- nouns ----------------------------------------------------------------------------------------

# What has no border of its own. A detector would find something for it all the same.
ABSTRACT = lexicon.ATTRIBUTES | _words("""
    ability absence abundance access accident account achievement act action activity addition advantage adventure
    advice aesthetic aesthetics affection afternoon age agriculture aim air amount amusement angle answer anticipation
    anxiety appeal appearance appetite approach appropriateness area arrangement array art aspect assortment
    atmosphere attempt attention attire authenticity authority awareness backdrop background balance basis beauty
    behavior behaviour being benefit biodiversity bit blend bond boost boundary break breakfast breeze brightness
    business calm camaraderie capture care career case catch category cause caution celebration center centre ceremony
    challenge chance change chaos characteristic charm choice circumstance clarity class climate clue
    collection color colour combination comfort communication community companion companionship company competition
    complexity component composition concept concentration concern conclusion condition confidence conflict confusion
    connection consequence consideration construction contact content contest context contrast contribution control
    convenience conversation cooperation coordination core cost count course cover coverage craft creation creativity
    crisis culture curiosity current cursor custom cycle daily damage danger darkness date day deal death decision
    deed degree delay delight demand demeanor density depth desire destination detail determination diet
    difference difficulty dimension dinner direction disaster discomfort discount discovery discussion display
    disposal distance distraction distribution diversity duration duty dynamic ease economy ecosystem edge education
    effect efficiency effort elegance element emergency emotion emphasis employment end endeavor energy engagement
    enjoyment entertainment enthusiasm entirety environment era error essence essential event evening evidence example
    excitement exclusivity exercise existence expanse expectation experience expertise explanation expression extent
    exterior fact factor failure familiarity fashion fatality fatigue favor fear feature feel feeling festivity focus
    following force foreground form freedom friendship fun function functionality fund future gain game gap gathering
    gaze genre glance glimpse goal grace growth guidance guideline habit habitat half happiness harm harmony health
    heat height help heritage highlight history hobby holiday hope hour humor hygiene idea identity imbalance impact
    implication importance impression improvement incident inclusion income independence indication individuality
    industry influence information injury inside inspiration instance instinct instruction integration integrity
    intent intention interaction interest interior intimacy intrigue invitation irritation issue item job journey joy
    judgment juxtaposition keystroke kind knowledge lack law layer layout learning left leisure length lesson level
    liability life lifestyle limit limitation lineup link location look loss lot love lunch luxury maintenance
    majority making management maneuver manner mark marketing matter meal mean meaning means measure memory message
    method middle midst mind minute mishap mixture mobility mode moment mood morning motion motivation move movement
    multitude mystery narrative nature necessity need negativity neglect nightlife noise nostalgia note notice
    notification notion number nutrient nutrition object obligation observation obstacle occasion occupation
    occurrence offer opinion opportunity option order organization orientation origin outcome outing output outside
    overview ownership pace part participation particular partnership passion past pastime patience peace perception
    perfection performance period permission person's perspective phase phenomenon philosophy photography pick place
    plan planning play playfulness pleasure plenty point policy popularity population portion portrayal pose position
    possibility posture potential power practice practicality precaution precision preference preparation presence
    present presentation preservation pressure prevention price pride principle privacy problem procedure process
    production productivity profession professional profile profit program progress project promotion proof property
    proportion protection proximity purchase purpose pursuit quality quantity question race range rate ratio reach
    reaction reader reality reason reassurance recess recipe recognition recommendation recreation reduction reference
    refreshment refuge regard region regulation relation relationship relative relaxation release relevance relief
    reliance reminder removal repair repetition replacement representation reputation request requirement rescue
    resemblance residue resilience resistance resolution resource respect response responsibility rest restriction
    result retreat retry return revenue rhythm right risk ritual role routine rule safety sale sanctuary satisfaction
    scale scenario scene scenery schedule scheme scope season seclusion second security selection self sensation sense
    sensitivity sentiment separation sequence serenity series service session setting setup side sight significance
    silence similarity simplicity situation size skill sleep smell snapshot sociability society solitude solution
    something sort sound source space span speciality speed spirit spot spread stability stage standard start state
    statement status step stimulation stop stopping storage story strategy strength stress strike struggle style
    subject success suggestion support surplus surrounding surroundings survival suspense symbol sympathy system tact
    take talent target task taste teamwork technique technology temperature tendency tension term texture theme theory
    thing thought threat thrill time timing tone top topic total touch tourism tournament tradition training
    tranquility transportation travel treatment trend trial trick trip trouble trust truth turn type understanding
    unity upkeep urge usage use usefulness utility value variation variety velocity version vibe vicinity victory view
    viewer viewpoint visibility vision visit vitality vitamin volume warmth warning waste way weakness wealth wear
    weather weekend weight welfare well-being wellbeing whimsy whole width will win wipeout wish wonder word work
    workflow workout workload world worry worth year yield youthfulness zone headshot close-up closeup shot
    advertising catering parking racing skiing surfing cycling riding driving walking cooking dining eating playing
    grazing posing gaming shopping sightseeing skateboarding snowboarding sailing fishing reading writing swimming
    resting sleeping running jumping sitting standing waiting hiking traveling conditioning injure fatalities snowfall
    rainfall sunshine daylight daytime nighttime rain wind snowstorm storm humidity other another both either one none
    each photographer videographer individual's
    country continent century decade glow haze hazard injury predator species territory debris menace peril
    posture stance grip balance
    concert call exchange mid-air midair midday noon monday tuesday wednesday thursday friday saturday sunday
    go twist grandeur cornerstone stealth escapade adversity sentiment metropolis cityscape
    flavor flavour aroma scent mix ambiance sunburn heatstroke trait rarity significance craftsmanship
""")
# By field: health, feeling, money and law, talk, time, sound, play, the state, chance.
ABSTRACT |= _words("""
    symptom disease allergy fever cough pain ache recovery therapy diagnosis dose hunger thirst nausea disorder
    syndrome virus bacteria germ calorie protein antioxidant stamina reflex laughter sorrow grief anger rage panic
    regret guilt shame envy jealousy pity mercy empathy gratitude modesty courage bravery terror awe surprise boredom
    lust loyalty faith belief doubt suspicion despair discipline willpower quest voyage escape search hunt chase duel
    battle war dispute debate treaty bargain trade commerce debt loan mortgage tax budget salary wage expense fine
    fare reward penalty proposal hint myth legend tale fable joke riddle puzzle secret rumor gossip remark complaint
    apology excuse analysis summary hypothesis attitude mindset ideology millennium month week instant while autumn
    summer winter birthday anniversary christmas easter halloween deadline timetable wedding funeral reunion norm
    license privilege liberty justice injustice crime theft robbery fraud abuse murder verdict wisdom logic
    alternative setback mistake crash tragedy catastrophe music echo voice pitch applause cheer chat speech lecture
    interview talk momentum electricity voltage moisture curriculum exam grade homework research study invention
    decline decrease increase politics democracy logistics infrastructure demographic religion marriage divorce
    rivalry ecology aura soul psyche fame rank disadvantage drawback downside upside merit flaw defect asset defense
    symmetry asymmetry allure intricacy subtlety luck fortune fate destiny certainty uncertainty pause wait sport
    league defeat inning commute departure arrival
""")
# Nouns whose ending is that of an abstract one, and which can be pointed at.
_CONCRETE_ENDINGS = _words("""
    station television mansion cushion vegetation decoration illustration reflection intersection extension invention
    attraction accommodation concession inscription plantation harness witness wilderness business fortress pavement
    apartment advertisement equipment garment monument instrument basement document ornament compartment cement attachment
    parchment
    department condiment embankment pigment filament segment moment city university facility utility electricity fence
    ambulance entrance appliance audience residence ship battleship spaceship airship cruise-ship hood neighborhood
    childhood structure furniture picture sculpture fixture pasture creature
    installation
""")
_ABSTRACT_ENDINGS = ("tion", "sion", "ness", "ment", "ity", "ance", "ence", "ship", "ism", "hood", "ency", "ancy")
# Things that are seen in photographs and are in no list of kinds: house, street, food, nature, tools, parts of things.
_SEEN = _words("""
    air-conditioner airport alley anchor apple aquarium arch arena armchair artwork asphalt awning bag bagel bakery
    balcony banana bandage banister banner bar barn barrel barrier barrow baseball basin basket basketball bat bath
    bathroom bathtub bay beach bead beam bean bed bedroom bedspread beef beer bell bench berry billboard bin
    blackboard blade blanket blender blind block board bolt bonfire bone book bookcase bookshelf booth border bottle
    boulder bowl box bracket branch brick bread bridge broccoli broom brush bucket buckle bud building bulb bulletin
    bumper bunk buoy burger burner bush butter button cabin cabinet cable cage cake calculator calendar camera can
    candle candy canopy canvas cap car card cardboard carpet carrot carton cauliflower ceiling celery cement cereal
    chain chair chalk chalkboard chandelier charger cheese cheesecake cherry chest chimney chips chocolate chopstick
    church cigarette cinnamon city cliff clip clock closet cloud coaster cobblestone coffee coin column comforter
    computer concrete cone container cookie cooler cord corn cot couch counter countertop court crane crate cream crib
    croissant cross crosswalk crust cubicle cucumber cup cupboard cupcake curb curtain cushion dashboard deck
    decoration desert desk dessert dial dish dishwasher dock document doll dome donut door doorknob doorway doughnut drain
    drawer dresser dressing drink driveway dryer dumpster dust earbud earbuds earphone easel egg electronics elevator
    engine entrance envelope equipment escalator fabric face facade factory fan farm faucet fence field figurine
    filing fire fireplace firewood fish flame flashlight floor flower flowerpot foliage food footprint forest fork
    fountain frame freezer fridge frisbee frosting fruit furniture garage garbage garden garland garlic gate gauge
    glass globe goal-post gown grape grapefruit grass grassland gravel greenery grill grocery ground guardrail guitar
    gun gutter hallway ham hamburger hammer handbag handle handlebar handrail hanger harbor harness hay headboard
    headlight headphone headset hedge heel helmet herb highway hill hillside hole home hook hose hospital hotdog
    hotel house hut hydrant ice icing ink instrument intersection iron ivy jam jar jersey jet jetty jewel jewelry jug
    juice keg kettle key keyboard keypad kitchen kiosk knife knob ladder ladle lake lace lamp lamppost landscape lane
    lantern laptop latch laundry lawn lawnmower leaf leather leaves leash lemon lemonade lettuce lever lid light
    lighthouse lightning lime linen liquid living-room lobby lock log logo loft luggage lunchbox machine magazine
    magnet mailbox mall mango mannequin map marker mast mat match mattress meadow meat medal melon menu metal
    meter microphone microwave milk mirror monitor monument moon mosque motor mound mountain mouse mousepad mud muffin
    mug mural museum mushroom mustard nail napkin necktie neon nest net newspaper nightstand noodle notebook notepad
    numeral nut oar ocean office oil olive omelet onion orange orchard ornament outlet oven oyster package pad paddle
    paint painting palace pallet palm pan pancake panel pantry paper paperwork park pasta pastry path patio pavement
    pea peach peak pear pebble pedal peel peg pen pencil pepper peppers photo picnic picture pie pier pillar pillow
    pine pineapple pipe pitcher pizza plaid plain plank plant plastic plate platform platter playground plug plum
    podium pole pond pool popcorn porch portrait post poster pot potato potatoes powder printer projector propeller
    pudding puddle pump pumpkin purse quilt rack radiator radio raft rail railing railroad rainbow raincoat ramp
    raspberry receipt refrigerator remote reservoir restaurant ribbon rice ridge rim ring river road roadway robe rock
    rod roll roof room rope rose rower rubber rug ruins runway saddle sail salad salt sand sandwich sauce saucer
    sausage saw scaffolding scarf school scissors scooter screen screwdriver sculpture sea seafood seashell seat
    seaweed seed settee shack shadow shampoo shed sheet shelf shell shelter shop shopfront shore shoreline
    shovel shower shrimp shrub shrubbery shutter sidewalk sign signal sink skateboard ski skillet sky skyline
    skyscraper slab slide slope smartphone smoke smoothie snack snow snowboard soap socket soda sofa soil soup
    spatula speaker spectacles spice spinach spire spoke sponge spoon spray sprinkle sprout stable stack stadium stain
    staircase stairs stairway stalk stall stand staple statue steak steam steel stem steps stereo stick
    sticker stone stool store storefront stove straw strawberry stream street streetlight string structure studs stud
    stump sugar suitcase sunglasses sunlight sunset surfboard swamp swing switch syrup table tablecloth tablet
    tabletop tag tank tape tarp tea teapot teddy telephone television temple tent terminal terrace thermometer
    thread tile tire toast toaster toilet tomato tool toothbrush toothpaste toothpick topping torch tortilla towel
    tower town toy track tram tractor trail trash tray treat tree treeline trellis trench tripod trolley trophy trough
    trunk tub tube tunnel tv twig typewriter umbrella urn utensil utensils vacuum valley van vase vegetable vegetables
    vegetation veggie vending vent village vine vineyard vinegar wafer waffle wagon wall wallet wallpaper wardrobe
    washer watch water waterfall watermelon waterway wave weed well wheat wheel wheelchair windmill window windowsill
    windshield wine wing wire wood woods wool wrapper wreath yard yogurt zipper thumbs thumb earphones phone cellphone
    controller console joystick drinkware dishware silverware cutlery tableware glassware crockery baggage snowbank
    pedestrian enclosure exhibit corral terrain tracks bicyclist spectator savanna fencing siding shading dune
    coconut money sword bow spear shield helmet
""")
# What has a border where it is described: "a grassy area", "a paved surface", "a quilted design".
SEEN_WHERE_DESCRIBED = _words("""
    area surface region section attire design character note text message setup stage lot spot mark edge display
""")
USES_OF_A_PLACE = _words("service seating dining parking play playing picnic waiting storage sitting facial wedding living")
LOOKS = (lexicon.MATERIALS | lexicon.ADJECTIVES) - _words("""
    large small big little tall short long huge tiny wide narrow high low deep upper lower inner outer new old modern
    other same different various certain similar main extra next last first second third fourth fifth visible single double
    common public private real whole entire individual separate partial complete good bad nice ready calm quiet busy tasty fresh
""") | _words("""
    lit formal casual quilted matching traditional rural mountainous lush weird silly handwritten cartoon animated printed
""")
# Words for other words of the answer ("the items", "other objects"), and words that only point at the picture.
# Ways to make a picture: "he is depicted in a portrait" is about the picture itself.
MEDIA = _words("portrait drawing sketch photograph painting collage landscape illustration meme cartoon artwork scene")
NOT_SHOWN = _words("camera audience viewer reader")  # "looking at the camera", "addressing the audience"
GENERAL = _words("""
    item object thing element other another one someone somebody everyone anyone person's individual component detail
    something anything everything essential belonging possession creature device supply product necessity
    surrounding yes no yeah nope none nothing everything both neither either ok
""")
# Uncounted, and yet a thing that is seen where it stands without an article.
STUFF = _words("""
    water grass snow sand food furniture clothing luggage greenery foliage vegetation ice mud dirt gravel drinkware silverware
    tableware glassware dishware cutlery equipment traffic graffiti hair fur smoke rice bread meat cheese lettuce broccoli
    sauce cheese fruit attire gear
""")
# What is named with what it holds: "a bowl of fruit".
CONTAINERS = _words("""
    bowl glass cup mug bottle jar can box bag basket bucket crate plate tray vase pot pan carton sack jug pitcher pack string
    strand bouquet
""")
# Different words for one thing: what the question calls a plane, the answer may call an aircraft.
SAME_THING = tuple(map(frozenset, (
    {"plane", "airplane", "aircraft", "jet", "airliner"}, {"bike", "bicycle"}, {"motorbike", "motorcycle"}, {"couch", "sofa"},
    {"phone", "cellphone", "smartphone"}, {"tv", "television"}, {"photo", "picture", "image"}, {"kid", "child"},
    {"people", "person"}, {"car", "automobile"}, {"refrigerator", "fridge"}, {"painting", "artwork", "art"},
)))  # fmt: skip
# "a variety of dishes" is dishes, "a group of people" a group one can point at.
COUNTS_ONLY = _words("""
    variety abundance plenty lot lots number range array assortment amount selection multitude couple kind kinds type
    types sort sorts bit majority mess rest handful host wealth part form combination mixture total
""")


@lru_cache(maxsize=65536)
def can_be_pointed_at(noun: str) -> bool:
    """Whether a noun (in the singular) may name something with a place in the picture. Unknown nouns may."""
    if noun in ABSTRACT or noun in GENERAL or is_image_word(noun):
        return noun in _SEEN and noun not in GENERAL and not is_image_word(noun)
    if noun in _SEEN or noun in _CONCRETE_ENDINGS or kind_of(noun) != THING:
        return True
    if noun.endswith("ing") and len(noun) > 5:
        return noun in lexicon.ING_NOUNS
    return not (noun.endswith(_ABSTRACT_ENDINGS) and len(noun) > 5)


@lru_cache(maxsize=65536)
def is_seen(noun: str) -> bool:
    """Whether a noun (in the singular) is known to name something that photographs show."""
    return can_be_pointed_at(noun) and (noun in _SEEN or kind_of(noun) != THING)


@lru_cache(maxsize=65536)
def is_image_word(noun: str) -> bool:
    """The picture itself, also where one letter of it is wrong (POPE's first edition asks about "the imange")."""
    if noun in lexicon.IMAGE_WORDS:
        return True
    return len(noun) > 4 and noun not in _SEEN and any(one_slip_apart(noun, word) for word in ("image", "picture", "photo"))


# Persons who have to do with a thing and need not be in the picture, and words for anybody at all.
ROLES = _words("""
    rider driver owner passenger photographer visitor customer guest pedestrian passerby traveler traveller worker commuter viewer
    resident builder caretaker tourist buyer collector enthusiast user participant individual reader staff user
""")
SOMEBODY = _words("person individual someone human")
ANYBODY = ROLES | _words("people person man human individual someone")
# Names for any thing of a kind, which take up what was named before.
_ANYBODY_SEEN = lexicon.PERSONS | {"person"}
KINDS = {
    "animal": lexicon.ANIMALS, "creature": lexicon.ANIMALS, "vehicle": lexicon.VEHICLES, "people": _ANYBODY_SEEN,
    "person": _ANYBODY_SEEN, "individual": _ANYBODY_SEEN, "clothes": lexicon.CLOTHING, "clothing": lexicon.CLOTHING,
    "luggage": _words("suitcase bag backpack"),
}  # fmt: skip
# Words that a phrase may add to what the question says without saying anything that is seen: how many is seen, but not
# that it is one or a group, nor that it is lovely.
NOT_SEEN_OF_A_THING = frozenset(map(lemma, lexicon.MEASURES)) | _words("""
    one beautiful lovely nice quiet peaceful calm busy adorable cute cozy comfortable pleasant charming unique interesting
    main typical common famous popular first second third
""") - {"row", "stack", "pile"}

# --- verbs ----------------------------------------------------------------------------------------

# Verbs of descriptions and reasons that the grammar of short expressions does not know. Seldom nouns.
_VERBS = """
    accommodate accompany achieve adapt add adjust affect afford aid aim allow anticipate appeal apply appreciate
    arise arrive ask assess assist associate assume attract avoid benefit bring broaden capture cater cause challenge
    cheer choose collaborate collect collide combine communicate compare complement complete comprise conclude connect
    consider consume contemplate contribute convey cope create cultivate damage deal decide dedicate define deliver
    demonstrate depict describe desire deter determine develop differ diminish disassemble discover discuss disrupt
    distract distribute draw elevate eliminate emanate embrace emerge emit emphasize enable encounter encourage
    endanger engage enhance enrich ensure entertain establish evaluate evoke exhibit exist expect experience explore
    expose express facilitate favor fear fill find focus forget foster fulfil fulfill function gain gather generate
    govern handle happen help hinder highlight hint hope ignore imagine impact implement imply identify illustrate portray
    accentuate impose impress improve
    include incorporate increase indulge infer influence inform inspire intend interact interfere introduce invest
    invite involve join justify know lack learn let limit live locate lose lower maintain manage maximize mean meet
    mention minimize mitigate monitor motivate need notice nourish nurture observe obtain occupy occur offer optimize
    orchestrate overcome partake participate perceive perform persist persuade plan poise possess practice prefer
    preserve prevent produce promote prompt propel prove provide pursue range react realize receive recognize
    recommend recover recuperate reduce refer reflect regain regulate reinforce relate relax release relieve rely
    relocate remember remind remove replace represent require rescue resemble reside resolve respect respond restrict
    result retain retrieve reveal rise risk satisfy save scan secure seek sense shelter shield showcase signal signify
    simplify socialize solve sought speed spend spot stimulate store strengthen strike strive struggle study submit
    suffer suggest suit supervise supply support surround survive sustain symbolize tackle tell tempt tend thrive
    transform transition transport trigger trust undergo understand unwind upgrade urge utilize value vary venture
    view visit want warn witness wonder worry yield
    display feature serve show seem become contain appear remain place
    consist feel give carry belong
"""
_OFTEN_NOUNS = _words("""
    accent aid aim appeal attempt benefit cause challenge cheer desire draw experience exhibit fear favor find focus
    function group handle help highlight hope host impact influence lack limit mix monitor need plan practice price
    purchase range release rescue respect result rise risk shelter shield signal speed spot store strike study suit
    supply support transport trust urge use value view visit wonder worry yield damage display feature place
""")


def _forms() -> dict[str, str]:
    forms = {}
    for base in _VERBS.split():
        stem = base[:-1] if base.endswith("e") and not base.endswith("ee") else base
        ends_in_y = base.endswith("y") and base[-2] not in "aeou"
        forms[base] = "base"
        forms[base[:-1] + "ies" if ends_in_y else base + ("es" if base.endswith(("s", "x", "ch", "sh", "o")) else "s")] = "s"
        forms[base[:-1] + "ied" if ends_in_y else stem + "ed"] = "ed"
        forms[stem + "ing"] = "ing"
    return forms


VERBS = _forms()
"""The forms of verbs of prose, and which form each is: base, s, ed or ing."""
VERBS_ONLY = frozenset(form for form, kind in VERBS.items() if kind in ("base", "s") and form.rstrip("s") not in _OFTEN_NOUNS)

# Adverbs and conjunctions of sentences, which the grammar of short expressions would take for nouns.
FUNCTION_WORDS = _words("""
    ago if whether rather yet once however moreover furthermore additionally thus therefore although though because since until
    despite else
    meanwhile overall hence likewise otherwise nevertheless besides instead whereas alongside so such often usually
    simply typically generally firstly secondly thirdly lastly finally first-ly ultimately specifically particularly
    especially namely indeed perhaps forth further along
""") - {"alongside", "besides", "along", "such", "first-ly"}

# --- what is not said to be there -----------------------------------------------------------------

# Orders of recipes and instructions begin with these; as nouns they are things.
DONE_IN_STEPS = _words("""
    drain boil season mix heat bake chop peel slice sprinkle simmer preheat combine whisk refrigerate marinate toast spread stir
    add remove serve garnish use try insert unscrew tighten
""")
# A word behind "to" that is a thing elsewhere.
DONE_TO_THINGS = _words("iron drain water dust mop vacuum hammer saw paint grill toast comb")
# The picture itself, by its kind, and what is larger than any picture.
KINDS_OF_PICTURE = _words(
    "portrait painting drawing sketch cartoon illustration artwork collage comic strip meme graphic animation"
)
LARGER = _words("city town landscape metropolis")
# Works that a picture is like, and that are not in it: "the famous portrait".
RENOWNED = _words("famous iconic classic original renowned")
MODALS = _words("may might could can would should will must cannot can't couldn't wouldn't shouldn't won't 'd 'll")
SEES = _words("seen found spotted observed noticed identified visible viewed see observe notice spot discerned distinguished")
HEDGES = _words("possibly perhaps likely probably potentially maybe presumably seemingly apparently")
INFERS = _words("""
    suggest suggests suggesting suggested imply implies implying indicate indicates indicating infer inferred hint
    hints hinting signify signifies signifying symbolize symbolizes symbolizing ensure ensures ensuring promote
    promotes promoting represent represents representing prevent prevents preventing avoid avoids avoiding require
    requires requiring reduce reduces reducing encourage encourages encouraging
""")
ABSENCE = _words("""
    no not without never nor lack lacks lacking absence absent instead rather unlike opposed n't neither nobody none isn't
    aren't wasn't weren't doesn't don't didn't hasn't haven't
""")
EVIDENCE = _words("evidenced shown depicted pictured displayed visible seen")
# "She is wearing a brace", "there is a ramp": said of what is seen, also in an answer about reasons.
WITNESSES = EVIDENCE | _words("""
    there wearing holding carrying riding sitting standing wears holds features featuring includes including shows depicts
""")
# What somebody wears is a thing of its own, and what is planned is not done.
WEARS_OR_PLANS = _words("""
    wearing holding carrying featuring including showing having preparing getting interacting trying being going
""")
IS_WORN = _words("wearing wears wear in")
# Participles that only say where something is or that it is there.
SAYS_WHERE = _words("""
    set located situated positioned placed shown seen visible made used due called present involved based dressed
    known considered
""")
# In an answer about reasons, what follows these is what a thing is good for.
EFFECTS = _words("""
    providing provides provide offering offers offer creating creates create allowing allows allow making makes causing causes
    enabling enables enable inviting invites prompting
""")
CONDITIONS = _words("if whether unless")
SHOWN_IN = _words("image picture photo")
IS_THERE = _words("there shows depicts features shown depicted pictured")
HAS_IN_IT = _words("featuring showing depicting displaying wearing holding carrying")
# What a question for advice holds, and how a sentence begins that says what to do.
ORDERED = _words("how should step steps recipe cook make")
ORDERS = _words("""
    add allow apply arrange assemble avoid bake beat bend blend boil bring brush buy carry check choose chop clean close
    combine connect consider cook cool cover create cut decorate do draw dress dry ensure enjoy explore fill find fold
    follow fry garnish gather get give go grab grate grill heat hold insert invite keep lay leave let lift line look
    make marinate measure melt mix move offer open pack paint peel place plan plant pour practice preheat prepare press pull
    purchase push put refrigerate remember remove repeat replace rest rinse roll rub saute season secure select serve
    set sew share simmer sit slice soak spend spread sprinkle squeeze stand start stay steam stir store take taste tie
    tighten top toss trim try turn use visit wait walk wash wear whisk wipe work wrap write
""")
ASKS_TO_SUPPOSE = _words("""
    might could may would should why reason reasons purpose purposes infer inferred benefit benefits challenge
    challenges precaution precautions potential possible possibly likely advantage advantages impact significance
    concern concerns consideration considerations factor factors role suggest suggests implication implications
    opinion effect effects risk risks must hazard hazards motivation conclusion conclusions scenario skill skills
    necessary important assumption assumptions deduce safety guess strategy strategies issue issues influence
    contribute function unusual funny notable noteworthy affect explain tell suitable choose profession
""")
DESCRIBES = _words("""
    introduction introduce overview summary summarize caption
    describe describing description detail details detailed elements elaborate happening doing see shown features depict
""")
# What a sentence with one of these says is so in general, wherever it stands.
IN_GENERAL = _words("""
    typically usually generally often commonly normally traditionally frequently sometimes always known considered
    tend tends
""")
# "It is important for drivers to ...", "it is a common practice to ...".
JUDGED = _words("""
    important essential crucial vital necessary common possible likely typical natural beneficial difficult easy hard clear
    unclear helpful advisable safe normal popular practice reminder unlikely best better
""")
PICTURE = _words("image picture photo scene case")  # "in the image", "in this case"
SERVES_FOR = _words("used designed intended meant suited suitable useful ideal perfect needed essential")
PURPOSES = _words("purpose purposes function role goal aim reason use")
NEEDS = _words("need needs needed have has had ought tend tends want wants able ready prepared")
# "It resembles a cat", "a scene reminiscent of a movie", "shaped like a heart".
LIKENESS = _words("resemble resembles resembling reminiscent akin")
SEEMS = _words("look shape seem appear looking shaped styled")
