# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The words the nesting grammar knows: closed classes, relation words, and a few open classes that decide attachment.

Every list is a general list of English (function words, directions, common verbs, clothes, body parts, living
beings); no entry serves one sentence, and a word that is in no list is taken for a noun. Standard library only.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- closed classes -------------------------------------------------------------------------------

DETERMINERS = _words("""
    a an the this these those some any each every another no either neither several many few both all most various
""")
POSSESSIVES = _words("his her their its my your our whose")
NUMBERS = _words("""
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty thirty forty
    fifty hundred dozen
""")
PRONOUNS = _words("""
    i you he she it we they him them me us himself herself itself themselves something anyone
    anybody anything everyone everybody everything nobody nothing mine yours hers theirs
""")
AUXILIARIES = _words("""
    is are was were be been being am isn't aren't wasn't weren't has have had having does do did doesn't don't
    didn't can could will would shall should may might must can't won't cannot
""")
BE = _words("is are was were be been being am isn't aren't wasn't weren't 's 're")
WH_WORDS = _words("what which who whom whose where when why how")
RELATIVES = _words("that which who whom where")
CONJUNCTIONS = _words("and or & nor but plus while")
PREPOSITIONS = _words("""
    of in on at by with without under over above below beneath underneath behind beside besides between betwixt
    among amongst amid near nearby inside outside into onto from to off through thru across along alongside against
    around toward towards down up out about after before during past beyond atop like as than then for within upon
    throughout via opposite away apart aboard w/ infront ontop due per except
""")
# Not prepositions by themselves: they open a relation when a preposition follows ("next to", "full of", "close to").
RELATION_OPENERS = _words("""
    next close closest closer nearest adjacent full ahead far farther further similar opposite parallel
    perpendicular due instead such
""")
ADVERBS = _words("""
    somewhat very not too also just only directly right really quite partly partially mostly almost slightly fully
    completely nearly currently clearly barely closely upside sideways forward backward backwards outdoors indoors
    together there here still already now again away apart ready underneeth upright well even maybe probably
    visibly seemingly mainly more less akimbo aloft overhead upward downward upwards downwards sidewards onwards
""")

# --- places that are not things -------------------------------------------------------------------

# The middle of a relation ("to the left of", "on top of"), never an anchor.
DIRECTIONS = _words("""
    left right front back rear side sides top bottom middle center centre end ends edge edges corner corners base
    inside outside underside backside foreground forefront background distance rightmost leftmost midst vicinity direction
    leftside rightside lefthand righthand
""")
IMAGE_WORDS = _words("picture photo photograph image scene frame photos pictures pic shot screenshot view")
TIMES = frozenset("night day daytime nighttime time noon".split())  # "at night"
STATES = frozenset("focus fours sale profile captivity mid-air midair".split())  # "in focus", "on all fours"
ATTRIBUTES = _words("""
    color colour colors colours size shape name names type kind gender material age height length width weather
    position style pose amount help
""") | TIMES | STATES
DIRECTION_MODIFIERS = _words("""
    left right far very other same opposite upper lower top bottom front back extreme near middle center centre
    closest nearest furthest farthest left-hand right-hand serene
    hand most both either each rear outer inner outside inside side first second third last direct
    immediate exact
""")
# "a group of people" is people: the noun before "of" only counts, measures or sorts what follows.
MEASURES = _words("""
    group groups bunch bunches pair pairs piece pieces slice slices lot lots couple row rows set sets stack stacks
    pile piles crowd herd herds flock flocks number bit bits type types kind kinds sort variety part parts portion
    half halves section line lines mound patch bundle cluster string body bodies series collection chunk loaf sheet
    sheets strand strands assortment alot dozens hundreds plenty heap batch pack clump clumps school swarm one some
    amount amounts wedge slab scoop handful array selection
    all most each many several both forest thicket bouquet item items rest majority remainder
""")
# "half of a sandwich", "the front of a bus": a part of the thing after "of", and no count of it.
PARTS = _words("""
    part parts portion half halves section left right front back rear side top bottom middle center centre end edge corner
    base inside outside underside backside
""")
# "A bowl of soup on the left": where it is, the bowl is.
CONTAINERS = _words("bowl plate cup glass mug bottle box basket bag tray dish pan pot jar vase carton can container bucket")
# What is on a piece of clothing or a thing, and with whom nobody goes: "a jersey with number 7".
MARKS = _words("""
    number letter logo writing lettering word print name pattern design emblem text stripe dot sleeve collar button pocket
    zipper trim circle square check checker diamond polka
""")
INTENSIFIERS = _words("very really extremely slightly quite")  # "with very pretty tusks"
# Where a place in the image or an order is said, it is said of what the expression names.
ORDERS = _words("""
    first second third fourth fifth last closest nearest furthest farthest leftmost rightmost
""")
# Where things are: nothing is wrapped or held by a place, and rain carries no umbrella.
PLACES = _words("""
    rain snow beach street sidewalk road field water park court grass ground floor air sand hill slope wave ocean sea
    room shore path pavement parking yard forest kitchen bathroom restaurant store shop office
""")
# What things stand on: a cup "on a table standing next to a plate" stands, not the table.
SURFACES = PLACES | _words("table desk counter countertop shelf rack tray stove tablecloth cart bench bed couch plate")
MATERIALS = _words("""
    wood metal brick stone glass plastic leather paper concrete silver gold steel cotton denim iron marble tile
    wooden brass copper bamboo rubber wool cloth cardboard ceramic chrome granite straw wicker
""")

# --- adjectives -----------------------------------------------------------------------------------

ADJECTIVES = _words("""
    red blue green yellow black white brown grey gray orange pink purple tan beige maroon teal turquoise blond
    blonde brunette navy silver gold dark bright pale colorful colourful multicolored plaid striped spotted
    checkered transparent translucent clear big small large little tall short long huge tiny giant wide narrow
    thick thin high low deep shallow broad gigantic enormous smaller larger bigger taller shorter longer older
    younger biggest smallest tallest largest shortest longest darker lighter wider darkest lightest nearest closest
    farthest furthest oldest youngest higher lower brighter old young new adult elderly male female pregnant bald
    hairy fat skinny slim chubby heavy middle-aged asian african american open closed empty full clean dirty wet
    dry hot cold warm cool fresh ripe raw cooked broken cracked rusty shiny smooth rough soft hard round square
    rectangular oval circular triangular flat straight curved curly wavy sharp pointy pointed steep hollow solid
    happy sad angry asleep awake alone calm quiet busy ready beautiful pretty cute nice good bad ugly funny strange
    weird lovely fancy simple plain normal regular modern ancient antique vintage wooden metallic golden woolen
    furry fluffy fuzzy grassy sandy rocky snowy icy muddy cloudy sunny rainy foggy leafy bushy dusty far pure
    leafless shirtless topless barefoot cordless sleeveless other same different various certain similar single
    double main extra next last first second third fourth fifth visible invisible blurry public private real fake
    artificial electric electrical electronic digital upper inner outer overhead english german french chinese
    italian mexican whole entire halved individual separate partial complete nude naked dead alive airborne
    horizontal vertical wild tame
    domestic commercial residential common tasty overcast teenage grown fluorescent neon shaggy scruffy stony puffy
    woody messy tidy neat spicy frozen crispy juicy creamy left-hand right-hand serene
""")
NOT_ADJECTIVES = _words("""
    table vegetable cable turntable timetable constable dish fish catfish goldfish radish rubbish polish finish
    relish swordfish jellyfish starfish mouthful handful spoonful cupful armful plateful princess mattress dress
    detective executive locomotive representative captive harvest interest contest request
""")
NOT_ADVERBS = _words(
    "family belly jelly butterfly dragonfly lily assembly bully holly dolly doily monopoly supply reply italy"
)
# Verb and particle as one noun modifier: "button down shirt", "pick up truck".
PARTICLE_COMPOUNDS = _words("bent button pick blow pull pop push lace zip roll stand close fold drive take")
# Things that name a shade of a colour: "forest green", "sky blue".
SHADES_OF = _words("forest sky baby lime sea olive navy army hunter pea ice fire cherry blood lemon chocolate coal jet snow off")
COLOUR_SHADES = _words("light dark bright pale deep")

# --- verbs: what a participle or a finite verb attaches to depends on who can do it ---------------

# Done by people, animals and machines that move.
AGENT_VERBS = _words("""
    wear hold carry ride eat drink look watch walk run play talk speak read write use drive throw catch hit kick
    swing push pull jump ski surf skate skateboard snowboard swim fly smile laugh cook cut hug kiss pet feed graze
    chase bite lick sniff smell touch grab reach take bring give show hand wave point pose perform prepare serve
    bat pitch paddle row climb cross enter board leave try attempt wait wash brush clean dig type text call pour
    work bend kneel squat crouch sleep lift raise lower turn move travel go come head step herd pedal groom shear
    stare gaze glance dance sing sell buy shop enjoy drag tow race chew blow grip grasp clutch operate repair fix
    poke peek peer bathe drop pick adjust examine inspect photograph wield tend tackle dribble bounce toss dress dunk follow greet
    guide help lead listen nuzzle nurse pack ponder rinse roll stroll stretch teach think tie trot yawn approach
    celebrate compete maneuver sip slice stir swat wander
""")
# Said of anything that has a place.
POSTURE_VERBS = _words("""
    sit stand lie lay rest lean hang park stop dock mount perch float drift land seat station gather line tower
    stick attach connect tie chain hook bolt nail tape glue fasten grow bloom plant place put set position locate
    situate surround cover fill pile stack fold wrap cast reflect shine glow spread scatter drape hide overhang
    adorn decorate top border contain include make build paint write print draw carve display feature face extend
    protrude rise flow fall flutter crash splash lead belong need want see keep stay remain appear seem pass block
    frame support form depict illuminate overlook separate divide enclose share match touch protect get become
    consist sprinkle litter load equip trim crown flank outline coat sprawl splatter drip melt burn pour leak spill
    dangle suspend balance prop plate garnish slide roll swing wind curve stretch say indicate read spell open
    close wash strap hold stuff furnish dust stain accompany roast grill fry bake toast slice cut chop lift tuck
    crumple mean tilt turn bend break bunch tangle cluster crowd arrange organize mark label sign light sunlight reach
    run go come throw tan rust secure pin bury clothe costume embed engrave etch insert install own pair power
    propel ripple shade shadow shape slope smear soak stamp style wet
""")
# What the spelling rules do not give.
IRREGULAR_FORMS = {
    "lay": ("laid", "layed"), "lie": ("lying", "lain"), "tie": ("tying",), "wear": ("wore", "worn"), "hold": ("held",),
    "ride": ("rode", "ridden"), "eat": ("ate", "eaten"), "drink": ("drank", "drunk"), "run": ("ran",),
    "speak": ("spoke", "spoken"), "write": ("wrote", "written"), "drive": ("drove", "driven"),
    "throw": ("threw", "thrown"), "catch": ("caught",), "swing": ("swung",), "swim": ("swam",),
    "fly": ("flew", "flown"), "feed": ("fed",), "bite": ("bit", "bitten"), "take": ("took", "taken"),
    "bring": ("brought",), "give": ("gave", "given"), "show": ("shown",), "bend": ("bent",), "sleep": ("slept",),
    "go": ("went", "gone"), "come": ("came",), "dig": ("dug",), "kneel": ("knelt",), "blow": ("blew", "blown"),
    "sing": ("sang", "sung"), "sell": ("sold",), "buy": ("bought",), "sit": ("sat", "siting", "sittin"),
    "stand": ("stood",), "hang": ("hung",), "stick": ("stuck",), "grow": ("grew", "grown"), "hide": ("hid", "hidden"),
    "make": ("made",), "build": ("built",), "draw": ("drew", "drawn"), "rise": ("risen",), "fall": ("fell", "fallen"),
    "lead": ("led",), "see": ("seen",), "keep": ("kept",), "get": ("got",), "become": ("became",), "say": ("said",),
    "wind": ("wound",), "shear": ("shorn",), "teach": ("taught",), "think": ("thought",), "break": ("broke", "broken"),
    "shine": ("shone",), "mean": ("meant",), "overhang": ("overhung",), "burn": ("burnt",), "light": ("lit",),
}  # fmt: skip
DOUBLING = _words("""
    stop hit sit run swim cut dig put set get hug grab wrap pat drag drop chop trim top strap skip clip tip jog pin
    hop plug trot bat pet step ship shop tap dip slip flip zip grip prop rip scrub spot stir swat clap tan unplug
    tag wet sip
""")
# Words in -ing and -ed that are things or qualities, not what somebody does.
ING_NOUNS = _words("""
    building ceiling railing painting clothing king ring wing string thing morning evening earring duckling sibling
    wedding awning lighting siding paneling panelling flooring bedding frosting icing pudding dressing stuffing
    topping seasoning covering carving drawing writing lettering crossing opening clearing spring swing sling ping
    bling viking dumpling sapling seedling housing plumbing wiring piping molding moulding framing fencing roofing
    tubing nothing something anything everything fling darling pairing paving stockings stocking legging herring
    marking padding netting filling trimming edging offspring shilling rigging scaffolding meeting greeting saying
    outing inning outbuilding crosswalking gelding
""")
ED_NOUNS = _words("""
    bed red shed sled seed weed breed bobsled moped watershed toolshed hundred naked flatbed feed need speed reed
    steed bleed deed greed creed hatred biped bunkbed seabed riverbed sacred rugged jagged wicked ragged crooked
    wretched ned ted fred wed
""")
# Gerunds that make a compound noun with the noun after them, also behind another noun ("baseball playing field").
_GERUND_COMPOUNDS = {
    "parking": "lot lots meter meters garage space spaces area sign signs spot deck structure",
    "cutting": "board boards", "chopping": "board boards block", "dining": "room table chair chairs area set",
    "swimming": "pool pools suit trunks", "sleeping": "bag bags", "washing": "machine machines",
    "shopping": "cart carts bag bags center mall basket", "sewing": "machine", "ironing": "board",
    "frying": "pan pans", "rolling": "pin chair suitcase", "living": "room area", "waiting": "room area",
    "riding": "boots helmet gear crop", "hiking": "boots trail", "racing": "car bike suit",
    "serving": "dish tray spoon bowl plate platter", "baking": "sheet pan dish tray", "mixing": "bowl bowls",
    "playing": "field fields cards card", "walking": "stick path cane shoes trail", "landing": "gear strip",
    "cooking": "pot utensil utensils oil pan", "fishing": "pole poles rod boat boats net",
    "running": "shoes shoe water track", "changing": "table station", "skating": "rink park",
    "drinking": "glass fountain cup", "measuring": "cup cups tape spoon", "flying": "disc saucer",
    "sitting": "room area", "training": "wheels", "boxing": "gloves ring", "wrapping": "paper", "writing": "desk pad",
    "lighting": "fixture fixtures", "heating": "vent unit", "diving": "board", "vending": "machine machines",
    "bowling": "ball alley pin pins", "steering": "wheel wheels", "turning": "signal lane", "seating": "area",
    "building": "block blocks", "making": "machine machines", "eating": "utensil utensils", "skiing": "gear pole poles",
}  # fmt: skip
GERUND_COMPOUNDS = {gerund: _words(nouns) for gerund, nouns in _GERUND_COMPOUNDS.items()}
# Finite forms that are no everyday noun; the others ("waves", "plants", "lines") need stronger signs to be a verb.
CLEAR_VERBS = _words("""
    wear hold carry ride eat drink sit stand lie hang lean throw catch hit kick pull push jump read write use drive
    contain include surround look run fly grow speak go come take get make put bring give say swim sleep pour wait
    chase graze feed talk enter extend approach become belong lead keep need want see have smile laugh
    reflect depict indicate
""")
SAYING_VERBS = _words("says say saying said reads spells spelling named called")

# --- things, sorted by what may hang on them ------------------------------------------------------

PERSONS = _words("""
    man woman person child boy girl guy lady kid baby toddler infant adult gentleman player batter catcher pitcher
    umpire referee skier snowboarder skateboarder skater surfer rider biker cyclist bicyclist motorcyclist driver
    pilot passenger pedestrian worker chef cook waiter waitress soldier policeman officer cop firefighter fireman
    farmer vendor customer spectator crowd audience student teacher doctor nurse bride groom couple mother father
    mom dad son daughter brother sister grandmother grandfather friend family team boarder athlete racer jockey
    swimmer climber hiker tourist shopper judge coach conductor photographer musician singer dancer performer model
    actor king queen santa clown people male female youth teen teenager hitter runner goalie defender opponent
    opponents businessman businesswoman individual human bystander trainer skiier someone server bartender fan
    member staff group somebody baseman baker butcher barber carpenter shepherd clerk cashier sailor
    outfielder fielder shortstop fisherman cowboy snowman
""")
ANIMALS = _words("""
    dog cat horse cow sheep elephant giraffe zebra bear bird lion tiger monkey goat deer pig duck goose chicken
    rooster hen turkey rabbit bunny puppy kitten kitty calf lamb foal pony donkey mule camel bull ox buffalo bison
    moose elk fox wolf squirrel mouse rat hamster fish shark whale dolphin seal penguin pigeon seagull gull parrot
    owl eagle hawk swan pelican ostrich peacock flamingo crow sparrow frog turtle snake lizard insect bee butterfly
    animal creature panda leopard cheetah rhino rhinoceros hippo llama alpaca ram ewe stallion mare colt cub bovine
    feline canine livestock cattle herd flock crane ape gorilla chimp
""")
VEHICLES = _words("""
    car truck bus train van bike bicycle motorcycle scooter boat ship plane airplane jet aircraft helicopter taxi
    cab tram trolley suv minivan jeep vehicle ambulance tractor trailer cart wagon carriage ferry yacht canoe kayak
    kite locomotive engine moped motorbike
""")
CLOTHING = _words("""
    shirt t-shirt tshirt tee pants jeans shorts skirt dress coat jacket sweater sweatshirt hoodie suit tie bowtie
    vest hat cap helmet beanie glove mitten scarf sock shoe boot sandal sneaker uniform glasses sunglasses goggles
    eyeglasses belt apron jersey robe gown bikini swimsuit wetsuit trunk bra blouse outfit tank top tanktop
    cardigan blazer tuxedo overalls leggings tights pajamas clothes clothing costume hood visor bandana headband
    headscarf veil watch bracelet necklace earring backpack mask cape kimono sari turban cloth attire stripe
    polo short jean capris slacks khakis trousers crown wig halter gear denim spectacles
""")
BODY = _words("""
    head face hair eye ear nose mouth neck arm hand finger thumb leg foot feet knee shoulder chest chin cheek lip
    tooth tongue tail trunk tusk horn fur mane hoof paw wing beak feather antler beard mustache moustache goatee
    skin wrist ankle elbow forehead ponytail bangs dreadlocks braid pigtail stomach belly hip waist lap body snout
    spot spots hump claw whisker freckle tattoo
""")
HELD = _words("""
    bag purse umbrella camera phone cellphone racket racquet bat ball frisbee book cup bottle backpack suitcase
    knife fork spoon glass sandwich remote controller laptop surfboard skateboard snowboard ski skis stick pole
    board leash tray plate balloon kite sign flag newspaper paper cigarette cane briefcase basket bouquet wand
""")

# Relation words worth repairing when one letter is wrong; each has no English neighbour that begins alike.
REPAIRABLE = (
    "front", "behind", "between", "beneath", "wearing", "holding", "standing", "carrying", "underneath", "against",
    "background", "looking", "forward",
)  # fmt: skip

# Words whose letters are swapped or written twice ("whit", "lesft"); any other slip is an English word.
SLIPS = {
    "ot": "to", "fo": "of", "teh": "the", "hte": "the", "adn": "and", "nad": "and", "whos": "whose", "cant": "can't",
    "dont": "don't",
}  # fmt: skip
SWAPPABLE = ("with", "left", "right")
# "Blue eyed": the last word of a quality of two words.
HAVING = ("haired", "eyed", "sleeved", "legged", "colored", "coloured", "shaped")

# What the grammar asks of single words.
BODY_SIDES = frozenset({"back", "front", "backside", "rear", "behind"})
OF_ONE, OF_MANY = frozenset({"is", "was", "has"}), frozenset({"are", "were", "have"})
OF_EITHER = frozenset("sheep fish deer glasses pants jeans shorts scissors others".split())
DENIES = frozenset("without not isn't aren't doesn't don't".split())
ASKS_ALONE = frozenset({"who", "where", "when", "why"})
NEEDS_OBJECT = frozenset("hold carry ride wear use pull push throw catch hit eat watch".split())
