"""Draws a second held-out set by another generator: cairo instead of Pillow, other layouts, margins and colours, only the main wordings.

It shares nothing with the renderers of the training but the lists of what is held out: fonts, words and operands. So it tells what the model
learned from what it learned about its own renderer. With --forms the questions are of kinds that training never had either (unseen_forms.py): what the
model does with those is what it understands, and not what it knows by heart. The sets are not kept in the repository. Needs Debian's python3-cairo.

Usage: python3 make_unseen_sets.py --output runs/unseen; then onnxvlm eval --model ../../onnx-models/nano --data runs/unseen
"""

import argparse
import json
import math
import random
from pathlib import Path

import unseen_forms
from cairo_canvas import KINDS, PALETTE, create, draw_family, face, paint_bars, paint_scene, paint_text, set_ink, stroke, write
from cases import write_cases
from tasks import json_form
from tasks.math_text import is_held_out
from text import words

# Language, prompt, name, calls with their results.
FUNCTIONS = [
    ("csharp", "Write a C# method Square that returns x squared.", "Square", [[[3], 9], [[-4], 16]]),
    ("python", "Write a Python function square that returns x squared.", "square", [[[3], 9], [[-4], 16]]),
    ("csharp", "Write a C# method Plus that returns the sum of a and b.", "Plus", [[[3, 4], 7], [[-4, 1], -3]]),
    ("python", "Write a Python function minus that returns the difference of a and b.", "minus", [[[3, 4], -1], [[9, 1], 8]]),
    ("csharp", "Write a C# method IsEvenNumber that returns whether n is even.", "IsEvenNumber", [[[3], False], [[8], True]]),
    ("python", "Write a Python function odd that returns whether n is odd.", "odd", [[[3], True], [[8], False]]),
    ("csharp", "Write a C# method Backwards that returns s reversed.", "Backwards", [[["abc"], "cba"], [["x"], "x"]]),
    ("python", "Write a Python function backwards that returns s reversed.", "backwards", [[["abc"], "cba"], [["x"], "x"]]),
    ("csharp", "Write a C# method Shout that returns s in upper case.", "Shout", [[["abc"], "ABC"], [["Xy"], "XY"]]),
    ("python", "Write a Python function whisper that returns s in lower case.", "whisper", [[["ABC"], "abc"], [["Xy"], "xy"]]),
    ("csharp", "Write a C# method Biggest that returns the maximum of the values.", "Biggest", [[[[1, 5, 2]], 5], [[[-3]], -3]]),
    ("python", "Write a Python function add_up that returns the sum of the values.", "add_up", [[[[1, 5, 2]], 8], [[[-3]], -3]]),
    ("csharp", "Write a C# method TextLength that returns the length of s.", "TextLength", [[["abc"], 3], [["hello"], 5]]),
    ("python", "Write a Python function bigger that returns the larger of a and b.", "bigger", [[[3, 4], 4], [[9, 1], 9]]),
    ("csharp", "Write a C# method Fac that returns the factorial of n.", "Fac", [[[5], 120], [[1], 1]]),
    ("python", "Write a Python function cube_it that returns the cube of n.", "cube_it", [[[3], 27], [[-1], -1]]),
    ("csharp", "Write a C# method StartLetter that returns the first character of s.", "StartLetter", [[["abc"], "a"], [["x"], "x"]]),
    ("python", "Write a Python function ordered that returns the values sorted.", "ordered", [[[[3, 1, 2]], [1, 2, 3]], [[[5, 4]], [4, 5]]]),
    ("csharp", "Write a C# method Rest that returns the remainder of a divided by b.", "Rest", [[[7, 3], 1], [[9, 3], 0]]),
    ("python", "Write a Python function mean that returns the average of the values.", "mean", [[[[1, 2, 3]], 2], [[[5, 6]], 5.5]]),
]
TALK = [("Hello!", "Hello"), ("Hi", "Hello"), ("Good morning", "Hello"), ("Who are you?", "OnnxVlm nano"), ("What is your name?", "OnnxVlm nano"), ("What can you do?", "read"),
        ("Are you a human?", "No"), ("Thank you!", "welcome"), ("Goodbye", "Goodbye"), ("What is the capital of Norway?", "cannot"), ("Write a poem about winter.", "cannot"),
        ("What is written here?", "no image")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--forms", action="store_true", help="questions in forms that training does not have, instead of its main wordings")
    parser.add_argument("--count", type=int, default=100, help="cases a group")
    parser.add_argument("--seed", type=int, default=99)
    args = parser.parse_args()
    write_cases(args.output, unseen_forms.GROUPS if args.forms else GROUPS, args.count, args.seed, lambda surface, path: surface.write_to_png(str(path)))


# Each function below draws one case: rng -> (the case's own keys, cairo surface or None).


def draw_word(rng):
    text = _word(rng)
    return {"prompt": "What does the text say?", "expected": text, "metric": "cer"}, paint_text(rng, [text], rng.randint(15, 26))


def draw_lines(rng):
    lines = [_word(rng) for _ in range(rng.randint(2, 4))]
    return {"prompt": "Read all the text.", "expected": "\n".join(lines), "metric": "cer"}, paint_text(rng, lines, rng.randint(13, 17))


def draw_shapes(rng):
    surface, scene = paint_scene(rng)
    while True:
        question = rng.choice([_ask_count, _ask_colour, _ask_exists, _ask_place])(rng, scene)
        if question:
            return dict(zip(("prompt", "expected"), question)), surface


def draw_blind(rng):
    return rng.choice([_draw_grid, _draw_circles, _draw_squares, _draw_letter, _draw_crossing])(rng)


def draw_chart(rng):
    count = rng.randint(3, 5)
    labels = rng.choice(["ABCDE"[:count], rng.sample("ABCDEFGHIJKLMNOPQRSTUVWXYZ", count)])
    values = rng.sample(range(1, 11), count)
    surface = paint_bars(rng, labels, values)
    first, second = sorted(rng.sample(range(count), 2), key=lambda i: -values[i])
    prompt, expected = rng.choice([
        ("Which bar is the largest?", labels[values.index(max(values))]), (f"What is the value of {labels[second]}?", str(values[second])),
        (f"How much larger is {labels[first]} than {labels[second]}?", str(values[first] - values[second]))])
    return {"prompt": prompt, "expected": expected}, surface


def draw_sum_as_text(rng):
    text, result = _draw_problem(rng)
    return {"prompt": f"Solve {text}." if "=" in text else f"What is {text}?", "expected": str(result), "metric": "number"}, None


def draw_sum_as_image(rng):
    text, result = _draw_problem(rng)
    return {"prompt": "Solve it.", "expected": str(result), "metric": "number"}, paint_text(rng, [text], rng.randint(16, 24))


def draw_receipt(rng):
    store, total = _word(rng, digits=False).capitalize()[:8], f"{rng.randint(1, 199)}.{rng.randint(0, 99):02}"
    date = f"{rng.randint(2001, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    surface = paint_text(rng, [store, ("Total", total), ("Date", date)], rng.randint(12, 14))
    expected = json.dumps({"store": store, "total": float(total), "date": date})
    schema = json_form.schema({"store": json.dumps(store), "total": total, "date": json.dumps(date)})
    return {"prompt": "Extract store, total and date as JSON.", "expected": expected, "metric": "json", "json_schema": schema}, surface


def draw_code(rng):
    language, prompt, name, calls = rng.choice(FUNCTIONS)
    return {"prompt": prompt, "expected": json.dumps({"language": language, "function": name, "cases": calls}), "metric": "code"}, None


def draw_instruction(rng):
    word = _word(rng)
    instruction, expected, metric = rng.choice([
        ("Answer in upper case.", word.upper(), "exact"), ("Answer with one word.", word, "exact"), ("Answer as JSON.", json.dumps({"answer": word}), "json"),
        ("Write the answer in reverse.", word[::-1], "exact"), ("Write the answer twice.", f"{word} {word}", "exact")])
    return {"prompt": f"What does the text say? {instruction}", "expected": expected, "metric": metric}, paint_text(rng, [word], rng.randint(15, 26))


def draw_talk(rng):
    """A question without an image, or the second question about one."""
    if rng.random() < 0.5:
        prompt, part = rng.choice(TALK)
        return {"prompt": prompt, "expected": part, "metric": "contains"}, None
    first, surface = draw_shapes(rng) if rng.random() < 0.5 else draw_word(rng)
    if "text" in first["prompt"]:
        prompt, expected = rng.choice([("What is the first character?", first["expected"][0]), ("Write it in upper case.", first["expected"].upper())])
    else:
        prompt, expected = first["prompt"], first["expected"]
        first = {"prompt": "Is there a red circle?"}
    return {"turns": [{"prompt": first["prompt"]}], "prompt": prompt, "expected": expected}, surface


GROUPS = {"ocr-word": draw_word, "ocr-lines": draw_lines, "shapes": draw_shapes, "blind": draw_blind, "chart": draw_chart, "math-text": draw_sum_as_text,
          "math-image": draw_sum_as_image, "json": draw_receipt, "code": draw_code, "instruct": draw_instruction, "chat": draw_talk}


def _word(rng, digits=True):
    word = rng.choice([word for word in rng.sample(words(held_out=True), 40) if word.isalpha() and 3 <= len(word) <= 9])
    return str(rng.randint(10, 99999)) if digits and rng.random() < 0.2 else rng.choice([word.lower(), word.lower(), word.capitalize(), word.upper()])


def _draw_problem(rng):
    """Returns (sum, product or equation, result)."""
    while True:
        if rng.random() < 0.4:
            a, x, b = rng.randint(2, 9), rng.randint(1, 12), rng.randint(1, 20)
            if is_held_out(a, b, x):
                return f"{a}x + {b} = {a * x + b}", x
        operator, a, b = rng.choice("+-*"), rng.randint(0, 99), rng.randint(0, 99)
        if operator == "*":
            a, b = rng.randint(2, 9), rng.randint(2, 99)
        if operator == "-" and a < b:
            a, b = b, a
        if is_held_out(operator, a, b):
            return f"{a} {operator} {b}", {"+": a + b, "-": a - b, "*": a * b}[operator]


def _ask_count(rng, scene):
    kind, colour = rng.choice(scene)[:2] if rng.random() < 0.7 else (rng.choice(KINDS), rng.choice([*PALETTE]))
    return f"How many {colour} {kind}s are there?", str(sum(shape[:2] == (kind, colour) for shape in scene))


def _ask_colour(rng, scene):
    unique = [shape for shape in scene if sum(other[0] == shape[0] for other in scene) == 1]
    if unique:
        kind, colour, _, _ = rng.choice(unique)
        return f"What colour is the {kind}?", colour


def _ask_exists(rng, scene):
    kind, colour = rng.choice(scene)[:2] if rng.random() < 0.5 else (rng.choice(KINDS), rng.choice([*PALETTE]))
    article = "an" if colour == "orange" else "a"
    return f"Is there {article} {colour} {kind}?", "yes" if any(shape[:2] == (kind, colour) for shape in scene) else "no"


def _ask_place(rng, scene):
    unique = [shape for shape in scene if sum(other[0] == shape[0] for other in scene) == 1]
    if len(unique) < 2:
        return None
    first, second = rng.sample(unique, 2)
    side, axis, sign = rng.choice([("left of", 2, -1), ("right of", 2, 1), ("above", 3, -1), ("below", 3, 1)])
    distance = sign * (first[axis] - second[axis])
    return (f"Is the {first[0]} {side} the {second[0]}?", "yes" if distance > 0 else "no") if abs(distance) > 9 else None


def _draw_grid(rng):
    rows, columns, cell = rng.randint(2, 6), rng.randint(2, 6), rng.randint(11, 15)
    surface, context = create(columns * cell + 12, rows * cell + 12, "#ffffff")
    set_ink(context, "#000000", 1.5)
    for i in range(rows + 1):
        stroke(context, [(6, 6 + i * cell), (6 + columns * cell, 6 + i * cell)])
    for i in range(columns + 1):
        stroke(context, [(6 + i * cell, 6), (6 + i * cell, 6 + rows * cell)])
    return {"prompt": "How many rows and columns are in the grid?", "expected": f"{rows} rows and {columns} columns"}, surface


def _draw_circles(rng):
    surface, context = create(96, 72, "#ffffff")
    first, second, touch, angle = rng.uniform(10, 18), rng.uniform(10, 18), rng.random() < 0.5, rng.uniform(-0.5, 0.5)
    half = (first + second) * (rng.uniform(0.6, 0.92) if touch else rng.uniform(1.15, 1.5)) / 2
    for sign, radius in ((-1, first), (1, second)):
        context.arc(48 + sign * half * math.cos(angle), 36 + sign * half * math.sin(angle), radius, 0, 2 * math.pi)
        set_ink(context, PALETTE[rng.choice([*PALETTE])], 2)
        context.stroke()
    return {"prompt": "Are the two circles touching?", "expected": "yes" if touch else "no"}, surface


def _draw_squares(rng):
    count, side, (x, y) = rng.randint(2, 5), 84, (6, 6)
    surface, context = create(96, 96, "#ffffff")
    set_ink(context, "#000000", 1.5)
    for _ in range(count):
        context.rectangle(x, y, side, side)
        context.stroke()
        inner = side * rng.uniform(0.6, 0.72)
        x, y, side = x + rng.uniform(0.25, 0.75) * (side - inner), y + rng.uniform(0.25, 0.75) * (side - inner), inner
    return {"prompt": "How many squares are in the image?", "expected": str(count)}, surface


def _draw_letter(rng):
    word = _word(rng, digits=False)[:7].lower()
    surface, context = create(20 * len(word) + 12, 40, "#ffffff")
    face(context, 22, draw_family(rng))
    at = rng.randrange(len(word))
    for i, letter in enumerate(word):
        write(context, 16 + 20 * i, 27, letter, "#000000", align=0.5)
    context.save()
    context.new_path()
    context.translate(16 + 20 * at, 21)
    context.scale(0.75, 1.15)
    context.arc(0, 0, 12.5, 0, 2 * math.pi)
    context.restore()
    set_ink(context, PALETTE["red"], 1.5)
    context.stroke()
    return {"prompt": "Which letter is circled?", "expected": word[at]}, surface


def _draw_crossing(rng):
    """Two lines of two pieces each, whose middle points stand one above the other; counted where they change sides."""
    surface, context = create(104, 80, "#ffffff")
    while True:
        lines = [[rng.uniform(8, 72) for _ in range(3)] for _ in range(2)]
        gaps = [a - b for a, b in zip(*lines)]
        if min(map(abs, gaps)) > 12:
            break
    for line, colour in zip(lines, ("blue", "red")):
        set_ink(context, PALETTE[colour], 2)
        stroke(context, zip((6, 52, 98), line))
    crossings = sum(a * b < 0 for a, b in zip(gaps, gaps[1:]))
    return {"prompt": "How many times do the blue and red lines cross each other?", "expected": str(crossings)}, surface


if __name__ == "__main__":
    main()
