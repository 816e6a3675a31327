"""Group blind, after BlindTest (arXiv:2407.06581): touching circles, line crossings, grids, nested squares, a circled letter."""

import math

from canvas import Canvas, COLOUR_NAMES, draw_background, draw_colour, draw_font, draw_ink, text_width
from samples import Sample
from text import words
from wordings import Wording, draw_turns

TOUCH = Wording("Are the two circles touching?", ["Do the two circles touch?", "Are the two circles touching each other?", "Do the circles touch each other?"],
                ["Do the circles touch?", "Are the circles touching each other?"])
OVERLAP = Wording("Are the two circles overlapping?", ["Do the two circles overlap?", "Are the circles overlapping?"], ["Do the circles overlap?"])
CROSS = Wording("How many times do the lines cross?",
                ["How many times do the lines cross each other?", "How many times do the {a} and {b} lines cross?",
                 "How many intersections are there between the two lines?", "How many times do the {a} and {b} lines touch each other?"],
                ["How many intersections are there?", "How many times do the {a} and {b} lines cross each other?"])
ROWS = Wording("How many rows does the grid have?", ["How many rows are there?", "Count the rows.", "How many rows are in the grid?"], ["Number of rows?"])
COLUMNS = Wording("How many columns does the grid have?", ["How many columns are there?", "Count the columns.", "How many columns are in the grid?"],
                  ["Number of columns?"])
GRID = Wording("How many rows and columns does the grid have?", ["Count the rows and columns.", "How many rows and columns are there?"],
               ["Count the rows and columns of the grid."])
NESTED = Wording("How many squares are there?", ["How many squares are nested?", "Count the nested squares.", "How many nested squares are there?",
                                                 "How many squares are in the image?", "Count the squares."], ["How many squares are inside each other?"])
CIRCLED = Wording("Which letter is circled?", ["What letter is circled?", "Which letter is inside the circle?", "Which letter is being circled?"],
                  ["Name the circled letter."])


def draw(rng, fonts, difficulty, held_out=False):
    weights = [22, 24, 22, 14, 18] if held_out else [30, 28, 24, 6, 12]           # training sees more of what is learned late
    task = rng.choices([_circles, _lines, _grid, _squares, _letter], weights)[0]
    return task(rng, fonts, difficulty, held_out)


def _circles(rng, fonts, difficulty, held_out):
    """Two circles that overlap or stay apart by a part of their radius that shrinks with difficulty, never below two pixels."""
    while True:
        width, height = rng.randint(52, 104), rng.randint(52, 104)
        first, second = rng.uniform(9, 22), rng.uniform(9, 22)
        gap = rng.uniform(2, 2 + 14 * (1.2 - difficulty) + 6)
        apart = rng.random() < 0.5
        distance = first + second + (gap if apart else -min(gap, 1.2 * min(first, second)))
        angle = rng.uniform(0, 2 * math.pi)
        dx, dy = distance * math.cos(angle), distance * math.sin(angle)
        left, right = min(-first, dx - second), max(first, dx + second)
        top, bottom = min(-first, dy - second), max(first, dy + second)
        if right - left < width - 4 and bottom - top < height - 4:
            break
    x, y = rng.uniform(2 - left, width - 2 - right), rng.uniform(2 - top, height - 2 - bottom)
    names = rng.sample(COLOUR_NAMES, 2)
    colours = [draw_colour(rng, name, held_out) for name in names]
    background = draw_background(rng, difficulty, colours)
    if rng.random() < 0.3:
        colours = [draw_ink(rng, background)] * 2
    canvas = Canvas(rng, width, height, background, difficulty)
    filled = rng.random() < 0.4 and colours[0] != colours[1]
    for cx, cy, radius, colour in ((x, y, first, colours[0]), (x + dx, y + dy, second, colours[1])):
        canvas.circle(cx, cy, radius, fill=colour if filled else None, outline=colour, width=rng.choice([1, 1.5, 2]))
    nearest = first + (distance - first - second) / 2                # where they touch, or would
    canvas.mark(" false" if apart else " true", x + nearest * math.cos(angle), y + nearest * math.sin(angle) + 8)
    wording = OVERLAP if rng.random() < 0.35 else TOUCH
    return Sample("blind", [(wording.choose(rng, held_out), "no" if apart else "yes")], [canvas.finish()], canvas.letters)


def _lines(rng, fonts, difficulty, held_out):
    """Two lines of two pieces each, with corners at the same three columns, that cross 0 to 2 times."""
    width, height = rng.randint(56, 104), rng.randint(56, 104)
    middle = width * rng.uniform(0.4, 0.6)
    want = rng.randint(0, 2)
    while True:
        first, second = ([rng.uniform(5, height - 5) for _ in range(3)] for _ in range(2))
        differences = [a - b for a, b in zip(first, second)]
        if min(abs(d) for d in differences) < 9:
            continue
        if sum(a * b < 0 for a, b in zip(differences, differences[1:])) == want:
            break
    names = rng.sample(COLOUR_NAMES, 2) if rng.random() < 0.6 else ["red", "blue"]
    colours = [draw_colour(rng, name, held_out) for name in names]
    canvas = Canvas(rng, width, height, draw_background(rng, difficulty, colours), difficulty)
    thickness = rng.choice([1.2, 1.6, 2.2, 3])
    columns = 5, middle, width - 5
    for line, colour in zip((first, second), colours):
        canvas.line(list(zip(columns, line)), colour, thickness)
    for i, (a, b) in enumerate(zip(differences, differences[1:])):   # each half: where the lines cross, or the lower line in the middle of it
        crosses = a * b < 0
        part = a / (a - b) if crosses else 0.5
        y = max(line[i] + part * (line[i + 1] - line[i]) for line in (first, second))
        canvas.mark(" true" if crosses else " false", columns[i] + part * (columns[i + 1] - columns[i]) + 2, y + 2)
    return Sample("blind", [(CROSS.choose(rng, held_out, a=names[0], b=names[1]), str(want))], [canvas.finish()], canvas.letters)


def _grid(rng, fonts, difficulty, held_out):
    """A grid of 2 to 9 rows and columns; cells are at least 9 px, one patch."""
    most = round(3 + 6 * difficulty)
    rows, columns = rng.randint(2, most), rng.randint(2, most)
    cell_width, cell_height = rng.uniform(9.5, min(30, 112 / columns)), rng.uniform(9.5, min(30, 112 / rows))
    if rng.random() < 0.4:
        cell_width = cell_height = min(cell_width, cell_height)
    left, top = rng.uniform(2, 8), rng.uniform(2, 8)
    width, height = round(columns * cell_width + left + rng.uniform(3, 8)), round(rows * cell_height + top + rng.uniform(3, 8))
    background = draw_background(rng, difficulty)
    canvas = Canvas(rng, width, height, background, difficulty)
    ink, thickness = draw_ink(rng, background), rng.choice([1, 1.5, 2])
    for i in range(rows + 1):
        y = top + i * cell_height
        canvas.line([(left, y), (left + columns * cell_width, y)], ink, thickness)
        if i:
            canvas.mark(str(i), left + 1, y)                         # counts the rows at the left edge
    for i in range(columns + 1):
        x = left + i * cell_width
        canvas.line([(x, top), (x, top + rows * cell_height)], ink, thickness)
        if i:
            canvas.mark(str(i), x, top + 1)                          # counts the columns along the upper edge

    def ask():
        form = rng.random()
        if form < 0.4:
            return ROWS.choose(rng, held_out), str(rows)
        if form < 0.8:
            return COLUMNS.choose(rng, held_out), str(columns)
        return GRID.choose(rng, held_out), f"{rows} rows and {columns} columns"
    return Sample("blind", draw_turns(rng, ask, held_out, most=3), [canvas.finish()], canvas.letters)


def _squares(rng, fonts, difficulty, held_out):
    """Two to five squares, each inside the one before."""
    count = rng.randint(2, round(3 + 2 * difficulty))
    side = rng.uniform(64, 100)
    width, height = round(side + rng.uniform(6, 20)), round(side + rng.uniform(6, 20))
    x, y = rng.uniform(2, width - side - 2), rng.uniform(2, height - side - 2)
    background = draw_background(rng, difficulty)
    canvas = Canvas(rng, width, height, background, difficulty)
    ink, thickness = draw_ink(rng, background), rng.choice([1, 1.5, 2])
    for i in range(count):
        canvas.mark(str(i + 1), x + 1, y + 1)
        canvas.rectangle((x, y, x + side, y + side), outline=ink, width=thickness)
        inner = side - rng.uniform(11, max(12, side / 2.4))
        if inner < 6:
            inner = side * 0.5
        x, y, side = x + rng.uniform(0.3, 0.7) * (side - inner), y + rng.uniform(0.3, 0.7) * (side - inner), inner
    return Sample("blind", [(NESTED.choose(rng, held_out), str(count))], [canvas.finish()], canvas.letters)


def _letter(rng, fonts, difficulty, held_out):
    """A spaced word with an ellipse around one letter."""
    font, size = draw_font(rng, fonts, difficulty), rng.randint(16, 24)
    word = rng.choice([word for word in rng.sample(words(held_out), 60) if 3 <= len(word) <= 4 + 4 * difficulty] or ["word"])
    if rng.random() < 0.3:
        word = word.upper()
    gap = rng.uniform(3, 8)
    widths = [text_width(font, size, letter) for letter in word]
    width, height = round(sum(widths) + gap * (len(word) - 1) + rng.uniform(14, 26)), round(size * 1.5 + rng.uniform(6, 20))
    if width > 200:
        return _letter(rng, fonts, difficulty, held_out)
    background = draw_background(rng, difficulty)
    canvas = Canvas(rng, width, height, background, difficulty, enlarge=width < 100)
    x, baseline = rng.uniform(7, width - sum(widths) - gap * (len(word) - 1) - 7), height / 2 + 0.35 * size
    ink, circled = draw_ink(rng, background), rng.randrange(len(word))
    for i, letter in enumerate(word):
        canvas.text(x, baseline, letter, font, size, ink)
        if i == circled:
            half = widths[i] / 2 + rng.uniform(1.5, min(5, gap))
            tall = size * rng.uniform(0.55, 0.7)
            middle = baseline - 0.3 * size
            canvas.ellipse((x + widths[i] / 2 - half, middle - tall, x + widths[i] / 2 + half, middle + tall),
                           draw_colour(rng, "red" if rng.random() < 0.8 else "blue", held_out), rng.choice([1, 1.5, 2]))
            canvas.mark(letter, x + widths[i] / 2 + 1, min(height, middle + tall))
        x += widths[i] + gap
    return Sample("blind", [(CIRCLED.choose(rng, held_out), word[circled])], [canvas.finish()], canvas.letters)
