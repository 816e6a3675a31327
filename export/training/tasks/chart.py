"""Group chart: three to five labelled bars on an axis from 0 to 10; the largest, the smallest, values, differences, comparisons."""

import functools
import re
import string

from canvas import COLOUR_NAMES, NUMBER_WORDS, Canvas, draw_background, draw_colour, draw_font, draw_ink, text_width
from samples import Sample
from text import words
from wordings import Wording, draw_turns

WORD_LABELS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Jan", "Feb", "Mar", "Apr", "May", "Ann", "Bob", "Tom", "Mia", "Leo", "cat", "dog", "fox", "tea"]
HELD_OUT_LABELS = ["Sat", "Sun", "Jun", "Jul", "Aug", "Ida", "Kim", "Sam", "Ben", "cow", "hen", "ham", "egg", "jam"]

LARGEST = Wording("Which bar is the largest?", ["Which bar is the tallest?", "What is the largest bar?", "Which bar has the largest value?",
                                                "Which bar is the highest?", "Which one is the largest?", "Name the tallest bar.",
                                                "Which bar shows the highest value?", "Which label has the highest value?", "Name the highest bar.", "The largest bar?"],
                  ["Which bar has the highest value?", "Name the largest bar."])
SMALLEST = Wording("Which bar is the smallest?", ["Which bar is the shortest?", "What is the smallest bar?", "Which bar has the smallest value?",
                                                  "Which bar is the lowest?", "Which one is the smallest?", "Name the shortest bar.",
                                                  "Which bar shows the lowest value?", "Which label has the lowest value?", "Name the lowest bar.", "The smallest bar?"],
                   ["Which bar has the lowest value?", "Name the smallest bar."])
VALUE = Wording("What is the value of {a}?", ["What is the value of bar {a}?", "How large is {a}?", "Which value has {a}?", "Value of {a}?",
                                              "How tall is {a}?", "How high is {a}?", "How big is bar {a}?", "Which number does {a} reach?"],
                ["How high is bar {a}?", "Read the value of {a}."])
COLOUR_VALUE = Wording("What is the value of the {a} bar?", ["How large is the {a} bar?"])
DIFFERENCE = Wording("How much larger is {a} than {b}?", ["How much larger is bar {a} than bar {b}?", "What is the difference between {a} and {b}?",
                                                          "How much higher is {a} than {b}?", "How far is {a} above {b}?", "How much more is {a} than {b}?",
                                                          "What is {a} minus {b}?"],
                     ["By how much is {a} larger than {b}?"])
COMPARE = Wording("Is {a} larger than {b}?", ["Is {a} higher than {b}?", "Is bar {a} larger than bar {b}?", "Is {a} greater than {b}?",
                                              "Is {a} taller than {b}?", "Is {a} more than {b}?"], ["Is bar {a} higher than bar {b}?"])
LIST = Wording("List all values.", ["List the values.", "List the values of all bars.", "Read all values.", "What are the values of the bars?"])
COUNT = Wording("How many bars are there?", ["Count the bars.", "How many bars are in the chart?"])


def draw(rng, fonts, difficulty, held_out=False):
    bars, image, letters = draw_chart(rng, fonts, difficulty, held_out)
    turns = draw_turns(rng, lambda: ask(rng, bars, held_out), held_out, fewest=3, most=8, last=lambda: (LIST.choose(rng, held_out), values_of(bars)))
    return Sample("chart", turns, [image], letters, hints_of(bars, turns))


def draw_named(rng, fonts, difficulty, held_out=False):
    """The same questions about values that are written, not drawn: the same thought for half of the tokens."""
    bars = [(label, rng.randint(0, 10), None) for label in _draw_labels(rng, rng.randint(3, round(3 + 2 * difficulty)), difficulty, held_out)]
    turns = draw_turns(rng, lambda: ask(rng, bars, held_out), held_out, fewest=3, most=8, before=f"{values_of(bars)}. ")
    return Sample("chart-named", turns, hints=hints_of(bars, turns))


def hints_of(bars, turns):
    """Returns the hints of turns (see Sample): the name of a bar says its value, where it is asked about; draw_named's first question begins with a list."""
    return [(turn, found[-1].end(), NUMBER_WORDS[value]) for turn, (question, _) in enumerate(turns) for label, value, _ in bars
            if (found := [*re.finditer(rf"\b{label}\b", question)]) and found[-1].start() > question.rfind(". ")]


def values_of(bars):
    return ", ".join(f"{label} {value}" for label, value, _ in bars)


def draw_chart(rng, fonts, difficulty, held_out):
    """Returns (bars, image, letters); bars is a list of (label, value, colour name or None)."""
    count = rng.randint(3, round(3 + 2 * difficulty))
    labels = _draw_labels(rng, count, difficulty, held_out)
    values = [rng.randint(1, 10) if rng.random() < 0.96 else 0 for _ in labels]
    if rng.random() < 0.85 and values.count(max(values)) > 1:
        return draw_chart(rng, fonts, difficulty, held_out)
    names = rng.sample(COLOUR_NAMES, count) if rng.random() < 0.5 else [rng.choice(COLOUR_NAMES)] * count
    colours = {name: draw_colour(rng, name, held_out) for name in names}
    background = draw_background(rng, difficulty, colours.values())
    ink, font = draw_ink(rng, background), draw_font(rng, fonts, difficulty)
    sideways = rng.random() < 0.15 * difficulty
    label_size = rng.randint(11, 14)
    if sideways:
        width, height = rng.randint(100, 124), rng.randint(max(64, 18 * count), 104)
    else:
        width, height = rng.randint(max(72, 17 * count + 20), 120), rng.randint(84, 112)
    canvas = Canvas(rng, width, height, background, difficulty)
    painter = _paint_sideways if sideways else _paint_upright
    painter(rng, canvas, list(zip(labels, values, names)), colours, ink, font, label_size, difficulty)
    bars = [(label, value, name if len(set(names)) == count else None) for label, value, name in zip(labels, values, names)]
    return bars, canvas.finish(), canvas.letters


def ask(rng, bars, held_out):
    """Returns a (question, answer) about the bars."""
    values = [value for _, value, _ in bars]
    while True:
        kind = rng.choices(["largest", "smallest", "value", "difference", "compare", "count"], [22, 14, 34, 18, 9, 3])[0]
        (a, first, colour), (b, second, _) = rng.sample(bars, 2)
        if kind == "largest" and values.count(max(values)) == 1:
            return LARGEST.choose(rng, held_out), bars[values.index(max(values))][0]
        if kind == "smallest" and values.count(min(values)) == 1:
            return SMALLEST.choose(rng, held_out), bars[values.index(min(values))][0]
        if kind == "value":
            if colour and rng.random() < 0.15:
                return COLOUR_VALUE.choose(rng, held_out, a=colour), str(first)
            return VALUE.choose(rng, held_out, a=a), str(first)
        if kind == "difference" and first != second:
            if first < second:
                a, b = b, a
            return DIFFERENCE.choose(rng, held_out, a=a, b=b), str(abs(first - second))
        if kind == "compare" and first != second:
            return COMPARE.choose(rng, held_out, a=a, b=b), "yes" if first > second else "no"
        if kind == "count":
            return COUNT.choose(rng, held_out), str(len(bars))


def _draw_labels(rng, count, difficulty, held_out):
    form = rng.random()
    if form < 0.6 or difficulty < 0.4:
        return list(string.ascii_uppercase[:count])
    if form < 0.85:
        return rng.sample(string.ascii_uppercase, count)
    if held_out or rng.random() < 0.5:
        return rng.sample(HELD_OUT_LABELS if held_out else WORD_LABELS, count)
    return rng.sample(_short_words(), count)


@functools.lru_cache(maxsize=1)
def _short_words():
    return [word for word in words(held_out=False) if len(word) == 3]


def _paint_upright(rng, canvas, bars, colours, ink, font, label_size, difficulty):
    tick_size = rng.randint(9, 11)
    left, right = rng.uniform(15, 20), canvas.width - rng.uniform(2, 6)
    bottom, top = canvas.height - label_size * 1.25 - 2, rng.uniform(7, 11)
    unit = (bottom - top) / 10
    _paint_axis(rng, canvas, ink, font, tick_size, [(left, bottom - i * unit) for i in range(11)], right - left, sideways=False)
    canvas.line([(left, bottom), (right, bottom)], ink, 1)
    step = (right - left) / len(bars)
    width = step * rng.uniform(0.45, 0.8)
    show_values = rng.random() < 0.12 * difficulty
    for i, (label, value, name) in enumerate(bars):
        x = left + (i + 0.5) * step
        if value:
            canvas.rectangle((x - width / 2, bottom - value * unit, x + width / 2, bottom), fill=colours[name])
        if show_values and value < 10:
            canvas.text(x, bottom - value * unit - 2, str(value), font, tick_size, ink, "ms", mark=False)
        canvas.mark(NUMBER_WORDS[value], x, bottom - 1)              # at the foot of the bar its height has been seen
        size, y = label_size if len(label) == 1 else 10, canvas.height - 0.3 * label_size - 1
        canvas.mark(NUMBER_WORDS[value], x + text_width(font, size, label) / 2, y, shift=1)     # and beside the label, as text would say it
        canvas.text(x, y, label, font, size, ink, "ms")


def _paint_sideways(rng, canvas, bars, colours, ink, font, label_size, difficulty):
    tick_size = rng.randint(9, 11)
    left, right = (16 if len(bars[0][0]) == 1 else 26), canvas.width - rng.uniform(7, 10)
    top, bottom = rng.uniform(3, 6), canvas.height - tick_size * 1.2 - 3
    unit = (right - left) / 10
    _paint_axis(rng, canvas, ink, font, tick_size, [(left + i * unit, bottom) for i in range(11)], bottom - top, sideways=True)
    canvas.line([(left, top), (left, bottom)], ink, 1)
    step = (bottom - top) / len(bars)
    thickness = step * rng.uniform(0.45, 0.8)
    for i, (label, value, name) in enumerate(bars):
        y = top + (i + 0.5) * step
        canvas.text(left - 3, y + 0.35 * label_size, label, font, label_size if len(label) == 1 else 10, ink, "rs")
        if value:
            canvas.rectangle((left, y - thickness / 2, left + value * unit, y + thickness / 2), fill=colours[name])
        canvas.mark(NUMBER_WORDS[value], min(left + value * unit + 8, canvas.width), y + thickness / 2)


def _paint_axis(rng, canvas, ink, font, size, places, length, sideways):
    """The axis from 0 to 10 with numbers at every fifth, second or single place; now and then grid lines."""
    every, grid = rng.choice([5, 5, 2, 10] if size > 9 else [5, 2, 2]), rng.random() < 0.35
    canvas.line([places[0], places[-1]], ink, 1)
    pale = tuple((a + 3 * b) // 4 for a, b in zip(ink, canvas.image.getpixel((0, 0))))
    for i, (x, y) in enumerate(places):
        if grid and i and i % every == 0:
            canvas.line([(x, y), (x, y - length) if sideways else (x + length, y)], pale, 1)
        canvas.line([(x, y), (x, y + 2) if sideways else (x - 2, y)], ink, 1)
        if i % every == 0:
            if sideways:
                canvas.text(x, y + size + 2, str(i), font, size, ink, "ms", mark=False)
            else:
                canvas.text(x - 3, y + 0.36 * size, str(i), font, size, ink, "rs", mark=False)
