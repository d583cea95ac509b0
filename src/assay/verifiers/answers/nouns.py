"""Things that are counted in exercises: a closed list, so that "18 apples" is 18 and "5 dozen" is
not 5.

A noun outside it is not taken for a counted thing. Plurals are formed by rule.
"""

import re
from typing import Final

__all__ = ["is_thing", "singular"]

_THINGS: Final = frozenset(
    """
    account acre adult animal answer apartment apple apricot arrangement atom avocado baby bag bagel
    ball balloon banana band bar barrel basket basketball bat batch bead bean bear bed bee beer
    bicycle bike bill bird biscuit block board boat bolt bone book booklet bookshelf bottle bow bowl
    box boy bracelet branch bread brick bridge brother brownie brush bucket bug building bulb bun
    burger bus bush button byte cabbage cabin cage cake calculator call camel camera camper can
    candidate candle candy cap car card carrot carton case cat caterpillar cell chair chapter chart
    cherry chick chicken child chip chocolate choice chore cigarette circle class classmate
    classroom client clip clock cloud coat code coin collection color colour combination comic
    committee company computer cone cookie copy corner couple coupon course cousin cow crate crayon
    crew cub cube cucumber cup cupcake curtain customer cycle daisy daughter day deer degree
    delivery desk diagonal diamond dictionary die digit dinner dish divisor doctor dog doll dolphin
    donut door doughnut dove dozen drawer drawing dress drink driver drop duck ear edge egg element
    elephant employee engineer envelope episode eraser event exam exercise experiment eye face
    factor factory family fan farm farmer father feather fence field figure file finger fish flag
    flight floor flower fly folder football foot fox frog fruit function game garden gate giraffe
    girl glass glove goal goat goose grade grain grandchild grape graph grape group guess guest
    guitar hamburger hand handshake hat head heart hen hexagon hole home horse hotdog house hut
    icecream idea inning insect instrument integer intersection invitation item jacket jar jelly job
    joke journey juice key king kid kitten kite knife lake lamp lap laptop lawn leaf leg lemon
    lemonade lesson letter level light line lion list liter lobster log lollipop lolly machine
    magazine mango map marathon marble mark marker match meal meeting melon member message method
    mistake mole monkey monster month motorcycle mountain mouse movie muffin mug multiple mushroom
    nail name neighbor neighbour nest newspaper night nickel node note notebook number nurse nut
    object ocean octopus office onion orange order ordering outcome outfit owl ox packet package
    page pair pan pancake panda parent parrot participant party passenger path patient pattern paw
    peach peacock peanut pear pebble pen pencil penguin penny pentagon people pepper percentage
    permutation person phone photo photograph piano picture pie piece pig pigeon pill pillow
    pineapple pine pint pirate pitcher pizza place plane planet plant plate player plum pocket point
    pole pond poster potato pot present prize problem product program project prime puppy puzzle
    quarter question quilt rabbit race raffle rectangle recipe region report response restaurant
    result rhino rhombus ride ring river road robot rock room root rope rose roster round route row
    baseline runner sack salad sandwich scarf schedule school score seal seat section seed segment
    sequence serving set shape share sheep shelf shell ship shirt shoe shop shot shovel side sister
    sibling skirt slice slot snack snail snake sock soda soldier solution son song spider spoon spot
    square squirrel stair stamp star state station step stick sticker stone store story strawberry
    straw street string student stuffie subject subset sum sweater sweet swimmer symbol table tablet
    tank task taxi teacher team teammate term test textbook ticket tie tile time token tomato tool
    tooth tower town toy track train trapezoid tray treat tree triangle trip trophy truck truffle
    tulip turkey turn turtle twin tyre tire umbrella unicorn uniform value van vase vehicle vertex
    video visitor vote voter wagon walk wall watch watermelon way weight wheel whale widget window
    wire wolf woman word worker worm year zebra zero zoo
    """.split()
) - frozenset("dozen score quarter square cube root couple pair".split())
"""Without those that are numbers of something, or that an operation is named after."""

_IRREGULAR: Final = {
    "children": "child",
    "grandchildren": "grandchild",
    "men": "man",
    "women": "woman",
    "people": "person",
    "persons": "person",
    "feet": "foot",
    "inches": "inch",
    "teeth": "tooth",
    "geese": "goose",
    "mice": "mouse",
    "dice": "die",
    "oxen": "ox",
    "leaves": "leaf",
    "knives": "knife",
    "shelves": "shelf",
    "bookshelves": "bookshelf",
    "wolves": "wolf",
    "scarves": "scarf",
    "halves": "half",
    "vertices": "vertex",
    "matrices": "matrix",
    "movies": "movie",
    "pies": "pie",
    "ties": "tie",
    "cookies": "cookie",
    "brownies": "brownie",
    "calories": "calorie",
    "centuries": "century",
    "lens": "lens",
    "gas": "gas",
    "bus": "bus",
}
_HISSING: Final = re.compile(r"(?:s|x|z|ch|sh|o)es$")


def singular(word: str) -> str:
    """The singular of a lower-case noun, by the rules of spelling."""
    if found := _IRREGULAR.get(word):
        return found
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if _HISSING.search(word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def is_thing(word: str) -> bool:
    """Return whether a lower-case noun, in the singular or the plural, is one of the things that
    are counted."""
    return not _THINGS.isdisjoint(
        (word, singular(word), word.removesuffix("s"), f"{singular(word)}e")
    )
