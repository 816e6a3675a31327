"""Group shapes: up to six circles, squares, triangles and stars in six colours; how many, which colour, is there, and where."""

import math
import re
import string

from canvas import COLOUR_NAMES, NUMBER_WORDS, Canvas, draw_background, draw_colour, draw_ink
from image_rule import PATCH
from samples import Sample
from wordings import Wording, draw_turns

KINDS = ["circle", "square", "triangle", "star"]
AXES = [("left", "right"), ("above", "below")]         # where x is smaller and larger, and y

COUNT = Wording("How many {what} are there?",
                ["How many {what} are in the image?", "Count the {what}.", "How many {what} do you see?", "Number of {what}?", "How many {what} are shown?",
                 "Count all {what}.", "How many {what}?", "Tell me the number of {what}."],
                ["How many {what} are in the picture?", "How many {what} can you see?", "Count the {what} in the image."])
COLOUR = Wording("What colour is the {what}?", ["What color is the {what}?", "Which colour is the {what}?", "The colour of the {what}?",
                                                "What is the colour of the {what}?", "Name the colour of the {what}."],
                 ["Which color is the {what}?", "Which colour does the {what} have?"])
EXISTS = Wording("Is there a {what}?", ["Is there a {what} in the image?", "Do you see a {what}?", "Does the image show a {what}?", "Is a {what} shown?",
                                        "Is there any {what}?", "Can a {what} be seen?", "Is a {what} in the image?"],
                 ["Is a {what} in the picture?", "Can you see a {what}?"])
SHAPE = Wording("What shape is {what}?", ["Which shape is {what}?", "What is the {what} shape?", "Which shape is the {what} one?",
                                          "What is the {what} thing?", "Which thing is {what}?", "Which shape has the colour {what}?",
                                          "What thing is {what}?", "What object is {what}?", "What has the colour {what}?"], ["What is {what}?"])
WHERE = {
    "left": Wording("Is the {a} left of the {b}?", ["Is the {a} to the left of the {b}?",
                                                    "Is the {a} further left than the {b}?"], ["Is the {a} on the left of the {b}?"]),
    "right": Wording("Is the {a} right of the {b}?", ["Is the {a} to the right of the {b}?",
                                                      "Is the {a} further right than the {b}?"], ["Is the {a} on the right of the {b}?"]),
    "above": Wording("Is the {a} above the {b}?", ["Is the {a} higher than the {b}?"]),
    "below": Wording("Is the {a} below the {b}?", ["Is the {a} lower than the {b}?"]),
}
SIDE = [Wording("Is the {a} left or right of the {b}?", ["Is the {a} to the left or to the right of the {b}?", "Is the {a} right or left of the {b}?"]),     # by axis
        Wording("Is the {a} above or below the {b}?", ["Is the {a} below or above the {b}?"])]
LISTS = [Wording("List the shapes from left to right.", ["Which shapes are there from left to right?"]),          # by axis
         Wording("List the shapes.", ["List all shapes.", "Which shapes are there?", "Name all shapes.", "List the shapes from top to bottom."])]
PLACED = re.compile(r"\b[a-z][A-Z]\b")
NAMED = re.compile(rf"(?:\b({'|'.join(COLOUR_NAMES)}) )?\b({'|'.join([*KINDS, 'shape'])})s?\b")


def draw(rng, fonts, difficulty, held_out=False):
    scene, image, letters = draw_scene(rng, difficulty, held_out)
    turns = draw_turns(rng, lambda: ask(rng, scene, held_out), held_out, fewest=3, most=8, last=lambda: _list(rng, scene))
    return Sample("shapes", turns, [image], letters, hints_of(scene, turns))


def draw_named(rng, fonts, difficulty, held_out=False):
    """Questions about shapes that are not shown, the same thought for half of the tokens: shapes named from left to right; shapes each after
    its place, as the marks of an image name it; or places alone."""
    form = rng.choice(["row", "placed", "placed", "places", "places"])
    if form == "places":
        return _draw_places(rng, held_out)
    count = rng.randint(1, round(2 + 4 * difficulty))
    if form == "row":
        kinds, colours = _draw_names(rng)
        scene = [(rng.choice(kinds), rng.choice(colours), 20 * i, 0, None) for i in range(count)]
        names, about = names_of(scene), lambda: ask(rng, scene, held_out)
    else:
        places = [(rng.randint(1, 14), rng.randint(1, 14)) for _ in range(count)]
        kinds = rng.sample(KINDS, min(count, 4)) + rng.choices(KINDS, k=max(0, count - 4))
        scene = [(kind, rng.choice(COLOUR_NAMES), PATCH * column, PATCH * row, (column, row)) for kind, (column, row) in zip(kinds, places)]
        names = ", ".join(f"{_place_name(shape[4])} {shape[1]} {shape[0]}" for shape in scene)
        about = lambda: (rng.choice([_where, _side])(rng, scene, held_out) if rng.random() < 0.8 else None) or ask(rng, scene, held_out)
    turns = draw_turns(rng, about, held_out, fewest=3, most=8, before=f"{names}. ")
    return Sample("shapes-named", turns, hints=hints_of(scene, turns))


def _draw_places(rng, held_out):
    """Questions such as "Is the kD left of the mF?"."""
    pairs = {}

    def ask_about_two():
        while True:
            pair = [(_place_name(patch), "", PATCH * patch[0], PATCH * patch[1]) for patch in ((rng.randint(1, 14), rng.randint(1, 14)) for _ in range(2))]
            if turn := rng.choice([_where, _side])(rng, pair, held_out):
                pairs[turn[0]] = {shape[0]: shape for shape in pair}
                return turn

    turns = draw_turns(rng, ask_about_two, held_out, fewest=4, most=8)
    hints = []
    for turn, (question, _) in enumerate(turns):
        first, second = PLACED.finditer(question)
        hints += _relation_hints(turn, second.end(), pairs[question][first[0]], pairs[question][second[0]])
    return Sample("shapes-named", turns, hints=hints)


def _place_name(patch):
    """The row, then the column, as the marks of an image say it."""
    column, row = place_names(*patch)
    return row + column


def names_of(scene):
    return ", ".join(f"{colour} {kind}" for kind, colour, *_ in scene)


def draw_scene(rng, difficulty, held_out):
    """Returns (scene, image, letters); scene is a list of (kind, colour name, x, y, (column, row) of the patch at its middle)."""
    width, height = (rng.randint(52, round(64 + 40 * difficulty)) for _ in range(2))
    count = rng.randint(1, round(2 + 4 * difficulty))
    kinds, colours = _draw_names(rng)
    places = _place(rng, count, width, height)
    shapes = [(rng.choice(kinds), rng.choice(colours), x, y, radius) for x, y, radius in places]
    rgb = {colour: draw_colour(rng, colour, held_out) for colour in colours}
    background = draw_background(rng, difficulty, avoid=rgb.values())
    canvas = Canvas(rng, width, height, background, difficulty)
    outline = draw_ink(rng, background) if rng.random() < 0.25 * difficulty else None
    hollow = rng.random() < 0.1 * difficulty
    scene = []
    for kind, colour, x, y, radius in shapes:
        style = dict(outline=rgb[colour], width=3) if hollow else dict(fill=rgb[colour], outline=outline, width=1.2)
        _draw_shape(rng, canvas, kind, x, y, radius, style, difficulty)
        foot = x + 0.4 * radius, y + radius
        patch = canvas.patch_of(x, y)
        scene.append((kind, colour, x, y, patch))
        column, row = place_names(*patch)
        canvas.mark(row, *foot, shift=-3)                            # side by side, as text would say it
        canvas.mark(column, *foot, shift=-2)
        canvas.mark(" " + colour, *foot, shift=-1)
        canvas.mark(" " + kind, *foot)
        seen = [shape for shape in shapes if ((shape[3] + shape[4]) // 8, shape[2]) <= ((y + radius) // 8, x)]   # up to this one, in reading order
        canvas.mark(NUMBER_WORDS[_count_of(seen, kind, colour)], *foot, shift=1)
        canvas.mark(NUMBER_WORDS[_count_of(seen, kind)], *foot, shift=2)
    return scene, canvas.finish(), canvas.letters


def ask(rng, scene, held_out):
    """Returns a (question, answer) about a scene."""
    while True:
        weights = [40, 20, 20, 8, 20, 0] if held_out else [36, 14, 18, 8, 40, 30]     # few scenes have two shapes whose places can be compared
        turn = rng.choices([_count, _colour, _exists, _shape, _where, _side], weights)[0](rng, scene, held_out)
        if turn:
            return turn


def _count(rng, scene, held_out):
    kind, colour = rng.choice(scene)[:2] if rng.random() < 0.75 else (rng.choice(KINDS), rng.choice(COLOUR_NAMES))
    form = rng.random()
    kind, colour = (kind if form < 0.82 else None), (colour if form < 0.6 or 0.82 <= form < 0.92 else None)
    count = sum((kind is None or shape[0] == kind) and (colour is None or shape[1] == colour) for shape in scene)
    what = " ".join(part for part in (colour, kind + "s" if kind else "shapes") if part)
    return COUNT.choose(rng, held_out, what=what), str(count)


def _colour(rng, scene, held_out):
    unique = [shape for shape in scene if _count_of(scene, kind=shape[0]) == 1]
    if unique:
        kind, colour = rng.choice(unique)[:2]
        return COLOUR.choose(rng, held_out, what=kind), colour


def _shape(rng, scene, held_out):
    unique = [shape for shape in scene if _count_of(scene, colour=shape[1]) == 1]
    if unique:
        kind, colour = rng.choice(unique)[:2]
        return SHAPE.choose(rng, held_out, what=colour), kind


def _exists(rng, scene, held_out):
    present = rng.random() < 0.5
    while True:
        kind, colour = rng.choice(scene)[:2] if present else (rng.choice(KINDS), rng.choice(COLOUR_NAMES))
        if not present and rng.random() < 0.5:                       # near misses: the right kind or the right colour
            kind, colour = rng.choice([(rng.choice(scene)[0], colour), (kind, rng.choice(scene)[1])])
        if present or _count_of(scene, kind, colour) == 0:
            break
    what = f"{colour} {kind}"
    if rng.random() < 0.25 and (present or _count_of(scene, kind) == 0):
        what = kind
    question = EXISTS.choose(rng, held_out, what=what)
    return question.replace(" a orange", " an orange"), "yes" if present else "no"


def _where(rng, scene, held_out):
    if drawn := _draw_two_apart(rng, scene):
        asked, _, a, b, side = drawn
        return WHERE[asked].choose(rng, held_out, a=a, b=b), "yes" if side == asked else "no"


def _side(rng, scene, held_out):
    """A question that training alone asks: which side it is, not whether it is the one that is named."""
    if drawn := _draw_two_apart(rng, scene):
        _, axis, a, b, side = drawn
        return SIDE[axis].choose(rng, held_out, a=a, b=b), side


def _draw_two_apart(rng, scene):
    """Returns (side to ask about, its axis, name of a shape, name of another, on which side of that axis the first is), or None where no two can be compared."""
    named = [(name, shape) for shape in scene for name in [_unique_name(scene, shape)] if name]
    if len(named) < 2:
        return None
    (a, first), (b, second) = rng.sample(named, 2)
    asked = rng.choice(sorted(WHERE))
    axis = int(asked in AXES[1])
    side = _relation(first, second)[axis]
    return (asked, axis, a, b, side) if side else None


def _relation(first, second):
    """Returns on which side of the second shape the first is, along x and y; None where they are less than a patch apart."""
    distances = [first[2 + axis] - second[2 + axis] for axis in (0, 1)]
    return [sides[distance > 0] if abs(distance) >= PATCH else None for sides, distance in zip(AXES, distances)]


def _relation_hints(turn, end, first, second):
    return [(turn, end, f" {side}") for side in _relation(first, second) if side]


def place_names(column, row):
    """Names of a column and a row of patches in marks and hints: A to Z and a to z."""
    return string.ascii_uppercase[min(25, column)], string.ascii_lowercase[min(25, row)]


def hints_of(scene, turns):
    """Returns the hints of turns (see Sample): a shape that is named says the column and row of its middle, the second
    of two also what the first is to it; what is asked about says how many there are."""
    placed = {name: shape for shape in scene if shape[4] and (name := _unique_name(scene, shape))}
    hints = []
    for turn, (question, answer) in enumerate(turns):
        asked = []
        for name, shape in placed.items():
            found = [*re.finditer(rf"\b{name}\b", question)]
            if found and found[-1].start() > question.rfind(". "):  # draw_named's first question begins with a list
                asked.append((found[-1].end(), shape))
                hints += [(turn, found[-1].end(), place) for place in place_names(*shape[4])]
        if len(asked) == 2:
            (_, first), (end, second) = sorted(asked, key=lambda item: item[0])
            hints += _relation_hints(turn, end, first, second)
        if (answer.isdigit() or answer in ("yes", "no")) and "Is the " not in question:
            *_, named = NAMED.finditer(question)
            colour, kind = named.groups()
            hints.append((turn, named.end(), NUMBER_WORDS[_count_of(scene, None if kind == "shape" else kind, colour)]))
    return hints


def _list(rng, scene):
    axis = rng.choice([0, 1])
    return LISTS[axis].choose(rng, False), names_of(sorted(scene, key=lambda shape: shape[2 + axis]))


def _unique_name(scene, shape):
    kind, colour = shape[:2]
    if _count_of(scene, kind=kind) == 1:
        return kind
    return f"{colour} {kind}" if _count_of(scene, kind, colour) == 1 else None


def _count_of(scene, kind=None, colour=None):
    return sum((kind is None or shape[0] == kind) and (colour is None or shape[1] == colour) for shape in scene)


def _draw_names(rng):
    """Returns the kinds and the colours of a scene, few of each as a rule."""
    return rng.sample(KINDS, rng.choice([1, 2, 2, 3, 4])), rng.sample(COLOUR_NAMES, rng.choice([1, 2, 2, 3, 4, 6]))


def _place(rng, count, width, height):
    """Returns `count` circles (x, y, radius) that lie inside and apart."""
    while True:
        largest = min(22, 0.42 * (width * height / count) ** 0.5)
        places = []
        for _ in range(40 * count):
            radius = rng.uniform(7, largest)
            x, y = rng.uniform(radius + 1, width - radius - 1), rng.uniform(radius + 1, height - radius - 1)
            if all(math.hypot(x - px, y - py) > radius + other + 2 for px, py, other in places):
                places.append((x, y, radius))
                if len(places) == count:
                    return places


def _draw_shape(rng, canvas, kind, x, y, radius, style, difficulty):
    if kind == "circle":
        canvas.circle(x, y, 0.92 * radius, **style)
        return
    turn = math.radians(rng.uniform(-14, 14)) if rng.random() < 0.4 * difficulty else 0.0
    if kind == "square":
        corners, start, inner = 4, math.pi / 4, None
    elif kind == "triangle":
        corners, start, inner = 3, -math.pi / 2, None
    else:
        corners, start, inner = 5, -math.pi / 2, rng.uniform(0.36, 0.5)
    points = []
    for i in range(corners):
        angle = start + turn + 2 * math.pi * i / corners
        points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
        if inner:
            angle += math.pi / corners
            points.append((x + inner * radius * math.cos(angle), y + inner * radius * math.sin(angle)))
    canvas.polygon(points, **style)
