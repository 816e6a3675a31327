"""Group json: receipts and forms; three fields as compact JSON, keys in the order of the question: the form that guidance by a schema enforces."""

import json
import string

from canvas import Canvas, draw_background, draw_font, draw_ink, load_font, text_width
from samples import Sample
from tasks import ocr_lines
from text import words
from wordings import Wording

EXTRACT = Wording("Extract {a}, {b} and {c} as JSON.",
                  ["Return {a}, {b} and {c} as JSON.", "Give me {a}, {b} and {c} as JSON.", "Read {a}, {b} and {c} as JSON.",
                   "Extract the {a}, the {b} and the {c} as JSON.",
                   "Extract {a}, {b}, and {c} as JSON.", "Write {a}, {b} and {c} as JSON."],
                  ["Show {a}, {b} and {c} as JSON.", "Return the {a}, the {b} and the {c} as JSON."])
ASK = Wording("What is the {a}?", ["Which {a} is shown?", "Tell me the {a}.", "Give me the {a}.", "Which {a} do you see?"], ["What is the {a} in the image?"])

STORES = "Aldi Lidl Coop Spar Tesco Migros Rewe Edeka Costco Target Carrefour Walmart Netto Penny Kroger Ikea Zara Boots Jumbo Billa".split()
KINDS = "Shop Store Market Cafe Books Foods Bakery Deli Toys Bar".split()
HELD_OUT_KINDS = "Kiosk Shoes Garden Pizza".split()
NAMES = "Anna Ben Clara David Emma Felix Grace Henry Jack Leo Noah Olivia Paul Rosa Tom Zoe".split()
HELD_OUT_NAMES = "Ida Kim Mia Sam Lena Max Nora Otto".split()
CITIES = "Bern Paris Rome Oslo Berlin Madrid Vienna London Dublin Prague Athens Lisbon Boston Austin Tokyo Lima".split()
HELD_OUT_CITIES = "Zurich Milan Warsaw Denver Cairo Seoul".split()
STREETS = "Main Park Lake Hill Mill High".split()
ITEMS = "Milk Bread Eggs Tea Coffee Apple Cheese Rice Pasta Soap Juice Butter Salad Fish".split()
FORM_FIELDS = ["name", "city", "age", "date", "phone", "email", "price", "amount", "item", "quantity", "number", "time", "order", "street"]
LABELS = {"total": ["TOTAL", "Total", "Total:", "TOTAL:", "Sum", "SUM"], "date": ["Date:", "DATE", "", ""]}


def draw(rng, fonts, difficulty, held_out=False):
    lines, fields = (_draw_receipt if rng.random() < 0.55 else _draw_form)(rng, difficulty, held_out)
    image, letters = _paint(rng, fonts, lines, difficulty)
    keys = list(fields)
    if rng.random() < 0.35:
        rng.shuffle(keys)
    answer = "{" + ",".join(f'"{key}":{fields[key]}' for key in keys) + "}"
    turns = [(EXTRACT.choose(rng, held_out, a=keys[0], b=keys[1], c=keys[2]), answer)]
    for key in [] if held_out else rng.sample(keys, rng.choice([0, 0, 1, 2, 3])):
        turns.insert(rng.randint(0, len(turns)), (ASK.choose(rng, held_out, a=key), fields[key].strip('"')))
    if not held_out and rng.random() < 0.4:                          # at the end: the others are answered from the image
        turns.append((ocr_lines.ALL.choose(rng, held_out), "\n".join(f"{left} {right}".strip() for left, right in lines)))
    return Sample("json", turns, [image], letters, metric="json")


def schema(keys_and_values):
    """The JSON schema of an answer {key: JSON text of the value}, keys in order."""
    kinds = {key: {"type": "string", "maxLength": 30} if value.startswith('"') else {"type": "number"} for key, value in keys_and_values.items()}
    return {"type": "object", "properties": kinds,
            "required": list(keys_and_values), "additionalProperties": False}


def _draw_receipt(rng, difficulty, held_out):
    """Returns ([(left text, right text)], {field: JSON text}): a store, now and then items, the total and a date."""
    store = _draw_store(rng, difficulty, held_out)
    items = [(rng.choice(ITEMS), rng.randint(50, 999) / 100) for _ in range(rng.choice([0, 1, 1, 2] if difficulty > 0.5 else [0, 0, 1]))]
    total = f"{sum(price for _, price in items) + (rng.randint(100, 9999) / 100 if len(items) < 2 else 0):.2f}"
    date = draw_date(rng, difficulty)
    lines = [(store, ""), *((item, f"{price:.2f}") for item, price in items), (rng.choice(LABELS["total"]), rng.choice(["", "", "", "$"]) + total)]
    dated = (rng.choice(LABELS["date"]), date)
    lines.insert(rng.choice([1, len(lines)]), dated if dated[0] else (date, ""))
    return lines, {"store": json.dumps(store), "total": total, "date": json.dumps(date)}


def _draw_form(rng, difficulty, held_out):
    """Returns ([(label, value)], {field: JSON text}) of three fields, now and then with a fourth that nobody asks for."""
    fields = rng.sample(FORM_FIELDS, 4 if rng.random() < 0.4 * difficulty else 3)
    values = {field: _draw_value(rng, field, held_out) for field in fields}
    form = rng.choice(["{}:", "{}:", "{}"])
    lines = [(form.format(field.capitalize()), value.strip('"')) for field, value in values.items()]
    asked = set(rng.sample(fields, 3))
    return lines, {field: value for field, value in values.items() if field in asked}


def draw_date(rng, difficulty=1.0):
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2000, 2039)
    iso = f"{year}-{month:02}-{day:02}"
    return iso if rng.random() < 0.6 or difficulty < 0.3 else rng.choice([f"{day:02}.{month:02}.{year}", f"{day:02}/{month:02}/{year}", f"{month}/{day}/{year}"])


def _draw_store(rng, difficulty, held_out):
    if not held_out and rng.random() < 0.3:
        return rng.choice(STORES)
    word = _draw_word(rng, held_out)
    store = word.capitalize() + (" " + _choose(rng, KINDS, HELD_OUT_KINDS, held_out) if rng.random() < 0.5 * difficulty else "")
    return store.upper() if rng.random() < 0.25 else store


def _choose(rng, training, evaluation, held_out):
    """One of a list; training mostly takes any word instead, so that it reads words and does not guess them."""
    if held_out:
        return rng.choice(evaluation)
    return _draw_word(rng, held_out).capitalize() if rng.random() < 0.7 else rng.choice(training)


def _draw_word(rng, held_out):
    word = rng.choice([word for word in rng.sample(words(held_out), 40) if 3 <= len(word) <= 8] or ["Corner"])
    if not held_out and rng.random() < 0.2:                         # "Grizzled" was read as "Grizled": doubled letters take practice
        at = rng.randrange(len(word))
        word = word[:at] + word[at] + word[at:]
    return word


def _draw_value(rng, field, held_out):
    """Returns the value as JSON text: plain decimal numbers as numbers, all else as strings."""
    name = _choose(rng, NAMES, HELD_OUT_NAMES, held_out)
    if field in ("age", "quantity", "number"):
        return str(rng.randint(1, 99))
    if field in ("price", "amount"):
        return f"{rng.randint(1, 999)}.{rng.randint(0, 99):02}"
    return json.dumps({
        "name": name,
        "city": _choose(rng, CITIES, HELD_OUT_CITIES, held_out),
        "date": draw_date(rng),
        "phone": "".join(rng.choice(string.digits) for _ in range(3)) + "-" + "".join(rng.choice(string.digits) for _ in range(4)),
        "email": f"{name.lower()}@{rng.choice(['mail', 'post', 'web'])}.{rng.choice(['com', 'org', 'net'])}",
        "item": _choose(rng, ITEMS, ITEMS, held_out),
        "time": f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
        "order": f"{rng.choice(string.ascii_uppercase)}{rng.randint(100, 9999)}",
        "street": f"{_choose(rng, STREETS, STREETS, held_out)} St {rng.randint(1, 99)}",
    }[field])


def _paint(rng, fonts, lines, difficulty):
    """Draws left texts at the left; right texts at the right edge (receipts) or beside the label. Returns (image, letters)."""
    for _ in range(1000):
        font, size = draw_font(rng, fonts, difficulty), rng.randint(11, 14)
        spread = rng.random() < 0.5
        natural = max(text_width(font, size, f"{left} {right}".strip()) for left, right in lines)
        above, below = -load_font(font, size).getbbox("Hd$", anchor="ls")[1], load_font(font, size).getbbox("gpy", anchor="ls")[3]
        step, margins = above + below + rng.uniform(1, 4), [rng.uniform(2, 7) for _ in range(4)]
        width = round(natural + margins[0] + margins[2] + 3 + (rng.uniform(0, 14) if spread else 0))
        height = round(step * (len(lines) - 1) + above + below + margins[1] + margins[3])
        if width <= 148 and width * height <= 16000:
            break
    background = draw_background(rng, difficulty)
    ink = draw_ink(rng, background)
    canvas = Canvas(rng, width, height, background, difficulty, enlarge=width <= 120)
    for i, (left, right) in enumerate(lines):
        y = margins[1] + above + i * step
        if not right and i == 0 and rng.random() < 0.5:
            canvas.text(width / 2, y, left, font, size, ink, "ms")
            continue
        canvas.text(margins[0], y, left, font, size, ink)
        if right:
            x = width - margins[2] - 1 if spread else margins[0] + text_width(font, size, left + " ")
            canvas.text(x, y, right, font, size, ink, "rs" if spread else "ls")
    return canvas.finish(), canvas.letters
