"""What is written in the images: words, names, numbers and random strings, drawn fresh for every sample.

Words whose CRC-32 is divisible by ten are kept for evaluation, so a held-out word was never seen in training.
"""

import functools
import string
import zlib

WORD_LIST = "/usr/share/dict/words"
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
PUNCTUATION = "!?.,:;-+*/=%&#@()$'\"_<>[]"


def draw_text(rng, max_length, held_out=False):
    """Returns (kind, text) with 1..max_length characters; kind is "word", "number" or "mixed"."""
    while True:
        draw = rng.choices([_word, _number, _mixed], weights=[50, 30, 20])[0]
        kind, text = draw(rng, max_length, held_out)
        if 0 < len(text) <= max_length:
            return kind, text


def _word(rng, max_length, held_out):
    word = rng.choice(_words_by_length(held_out)[min(max_length, 16)])
    case = rng.random()
    if case < 0.30:
        word = word.upper()
    elif case < 0.60:
        word = word.capitalize()
    if rng.random() < 0.06:
        word += rng.choice(".,!?:;")
    return "word", word


def _number(rng, max_length, held_out):
    if max_length < 4 or rng.random() < 0.35:
        return "number", _digits(rng, rng.randint(1, min(max_length, 8)))
    form = rng.choice(["grouped", "decimal", "price", "time", "date", "phone", "percent", "signed", "unit", "fraction"])
    n = rng.randint
    if form == "grouped":
        text = f"{n(1000, 10 ** n(4, 8)):,}"
    elif form == "decimal":
        text = f"{n(0, 10 ** n(1, 4))}.{_digits(rng, n(1, 3))}"
    elif form == "price":
        amount = f"{n(0, 10 ** n(1, 4))}.{n(0, 99):02}"
        text = rng.choice(["$" + amount, amount + "$", "$" + amount.split(".")[0], amount])
    elif form == "time":
        text = rng.choice([f"{n(0, 23):02}:{n(0, 59):02}", f"{n(1, 12)}:{n(0, 59):02}", f"{n(0, 23):02}:{n(0, 59):02}:{n(0, 59):02}",
                           f"{n(1, 12)}{rng.choice(['am', 'pm', 'AM', 'PM'])}"])
    elif form == "date":
        day, month, year = n(1, 28), n(1, 12), n(1900, 2099)
        text = rng.choice([f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}", f"{month}/{day}/{year % 100:02}",
                           f"{day}.{month}.{year}", f"{MONTHS[month - 1]}-{day}", f"{day}{MONTHS[month - 1]}{year}"])
    elif form == "phone":
        text = rng.choice([f"{_digits(rng, 3)}-{_digits(rng, 4)}", f"{_digits(rng, 3)}-{_digits(rng, 3)}-{_digits(rng, 4)}",
                           f"+{n(1, 99)}-{_digits(rng, 7)}", f"0{_digits(rng, 9)}"])
    elif form == "percent":
        text = rng.choice([f"{n(0, 100)}%", f"{n(0, 99)}.{n(0, 9)}%"])
    elif form == "signed":
        text = rng.choice("-+") + _digits(rng, n(1, 5))
    elif form == "unit":
        text = _digits(rng, n(1, 4)) + rng.choice(["kg", "g", "km", "m", "cm", "mm", "ml", "L", "s", "h", "MB", "GB", "px", "V", "W"])
    else:
        text = f"{n(1, 99)}/{n(1, 99)}"
    return "number", text


def _mixed(rng, max_length, held_out):
    """Random letters and digits, codes such as "AB-1234", now and then a punctuation mark."""
    length = rng.randint(1, min(max_length, 10))
    alphabet = rng.choice([string.ascii_letters + string.digits, string.ascii_uppercase + string.digits, string.ascii_lowercase,
                           string.ascii_uppercase, string.ascii_letters])
    text = [rng.choice(alphabet) for _ in range(length)]
    if rng.random() < 0.25:
        text[rng.randrange(length)] = rng.choice(PUNCTUATION)
    return "mixed", "".join(text)


def _digits(rng, count):
    return "".join(rng.choice(string.digits) for _ in range(count))


@functools.lru_cache(maxsize=2)
def words(held_out):
    """Returns the words of the word list that belong to evaluation, or all others."""
    with open(WORD_LIST, encoding="utf-8") as file:
        every = [word for word in file.read().split() if word.isascii() and word.isalpha()]
    return [word for word in every if (zlib.crc32(word.lower().encode()) % 10 == 0) == held_out]


@functools.lru_cache(maxsize=2)
def _words_by_length(held_out):
    """Returns a list whose entry n holds the words of at most n letters."""
    return [[word for word in words(held_out) if len(word) <= n] for n in range(17)]
