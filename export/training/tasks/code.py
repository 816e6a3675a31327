"""Group code: one-line functions in C# and Python from a description: 65 kinds, any name; also the sum of numbers in an image.

The expected answer of a case in cases.jsonl is JSON: the language, the function's name, and calls with their results, see expected().
"""

import builtins
import json
import keyword

from samples import Sample
from tasks import math_image
from text import words
from wordings import Wording

CSHARP = Wording("Write a C# method {name} that returns {what}.",
                 ["Write a C# function {name} that returns {what}.", "Write a one-line C# method {name} that returns {what}.", "Write the C# method {name} that returns {what}.",
                  "In C#, write a method {name} that returns {what}.", "C# method {name}: returns {what}.", "Write a C# method called {name} that returns {what}.",
                  "Write a C# method {name} that gives {what}.", "Write a C# method {name} that computes {what}.", "Write a method {name} that returns {what} in C#.",
                  "Write the method {name} in C#: it returns {what}.", "A method {name} in C# that returns {what}.", "Please write a function {name} in C# that gives {what}.",
                  "Show me {name} in C#, a method that returns {what}."],
                 ["Give me a C# method {name} that returns {what}.", "Write a method {name} in C# that returns {what}.", "I need a C# method {name} that returns {what}."])
PYTHON = Wording("Write a Python function {name} that returns {what}.",
                 ["Write a one-line Python function {name} that returns {what}.", "Write the Python function {name} that returns {what}.",
                  "In Python, write a function {name} that returns {what}.", "Python function {name}: returns {what}.", "Write a Python function called {name} that returns {what}.",
                  "Write a Python function {name} that gives {what}.", "Write a Python function {name} that computes {what}.",
                  "Write a function {name} that returns {what} in Python.", "Write the function {name} in Python: it returns {what}.", "A function {name} in Python that returns {what}.",
                  "Please write a method {name} in Python that gives {what}.", "Show me {name} in Python, a function that returns {what}."],
                 ["Give me a Python function {name} that returns {what}.", "Write a function {name} in Python that returns {what}.", "I need a Python function {name} that returns {what}."])
SHOWN = ["the sum of the numbers shown", "the sum of the numbers in the image", "the total of the numbers shown"]
VERBS = "Get Compute Make Find Do Take Run Give Calc Build".split()
HELD_OUT_VERBS = "Fetch Create Derive Eval".split()

# Name | parameters | result in C# | C# | Python | descriptions, the last one for evaluation only.
# Parameter types: int (-20..20), nat (0..30), digit (0..9), pos (1..12), bool, string, ints, strings, char. {name}: the function itself.
KINDS = [line.split(" | ") for line in """
Square | int x | int | x * x | x * x | x squared | the square of x | x times itself
Cube | int n | int | n * n * n | n * n * n | the cube of n | n cubed | n to the power of three
Double | int x | int | 2 * x | 2 * x | twice x | double x | x doubled | x times two
Triple | int x | int | 3 * x | 3 * x | three times x | x tripled | the triple of x
Add | int a, int b | int | a + b | a + b | the sum of a and b | a plus b | a and b added
Subtract | int a, int b | int | a - b | a - b | the difference of a and b | a minus b | b subtracted from a
Multiply | int a, int b | int | a * b | a * b | the product of a and b | a times b | a multiplied by b
Divide | nat a, pos b | int | a / b | a // b | the quotient of a and b | a divided by b without remainder | the whole part of a divided by b
Remainder | nat a, pos b | int | a % b | a % b | the remainder of a divided by b | a modulo b | what is left of a divided by b
Negate | int x | int | -x | -x | minus x | the negative of x | x negated | x with the other sign
Increment | int x | int | x + 1 | x + 1 | x plus one | x + 1 | the number after x
Decrement | int x | int | x - 1 | x - 1 | x minus one | x - 1 | the number before x
Absolute | int x | int | Math.Abs(x) | abs(x) | the absolute value of x | x without its sign | the size of x without sign
Larger | int a, int b | int | Math.Max(a, b) | max(a, b) | the larger of a and b | the maximum of a and b | the greater of a and b
Smaller | int a, int b | int | Math.Min(a, b) | min(a, b) | the smaller of a and b | the minimum of a and b | the lesser of a and b
MaxOfThree | int a, int b, int c | int | Math.Max(a, Math.Max(b, c)) | max(a, b, c) | the largest of a, b and c | the maximum of a, b and c | the greatest of a, b and c
SumOfThree | int a, int b, int c | int | a + b + c | a + b + c | the sum of a, b and c | a plus b plus c | a, b and c added
Area | int width, int height | int | width * height | width * height | the area of a rectangle with width and height | the area of width and height | the area of a width by height rectangle
Perimeter | int width, int height | int | 2 * (width + height) | 2 * (width + height) | the perimeter of a rectangle with width and height | the perimeter of width and height | the length around a rectangle with width and height
SquarePerimeter | int side | int | 4 * side | 4 * side | the perimeter of a square with side | four times side | the length around a square with side
Minutes | nat hours | int | hours * 60 | hours * 60 | the minutes of hours | hours in minutes | hours converted to minutes
Seconds | nat minutes | int | minutes * 60 | minutes * 60 | the seconds of minutes | minutes in seconds | minutes converted to seconds
Tens | nat n | int | n * 10 | n * 10 | ten times n | n times ten | n multiplied by ten
Half | nat n | int | n / 2 | n // 2 | half of n without remainder | n halved | n divided by two
LastDigit | nat n | int | n % 10 | n % 10 | the last digit of n | n modulo ten | the final digit of n
SumSquares | int a, int b | int | a * a + b * b | a * a + b * b | the sum of the squares of a and b | a squared plus b squared | the squares of a and b added
Sign | int x | int | Math.Sign(x) | (x > 0) - (x < 0) | the sign of x | 1, 0 or -1 for the sign of x | the sign of x as 1, 0 or -1
Factorial | digit n | int | n < 2 ? 1 : n * {name}(n - 1) | 1 if n < 2 else n * {name}(n - 1) | the factorial of n | n factorial | the product of 1 to n
SumTo | nat n | int | n * (n + 1) / 2 | n * (n + 1) // 2 | the sum of the numbers from 1 to n | the sum of 1 to n | 1 to n added
IsEven | int n | bool | n % 2 == 0 | n % 2 == 0 | whether n is even | true if n is even | if n is an even number
IsOdd | int n | bool | n % 2 != 0 | n % 2 != 0 | whether n is odd | true if n is odd | if n is an odd number
IsPositive | int x | bool | x > 0 | x > 0 | whether x is positive | true if x is positive | if x is above zero
IsNegative | int x | bool | x < 0 | x < 0 | whether x is negative | true if x is negative | if x is below zero
IsZero | int x | bool | x == 0 | x == 0 | whether x is zero | true if x is zero | if x equals zero
IsGreater | int a, int b | bool | a > b | a > b | whether a is greater than b | true if a is larger than b | if a is above b
IsEqual | int a, int b | bool | a == b | a == b | whether a equals b | true if a and b are equal | if a and b are the same
IsBetween | int x, int a, int b | bool | x >= a && x <= b | a <= x <= b | whether x is between a and b | true if x lies from a to b | if x is in the range from a to b
IsDivisible | nat a, pos b | bool | a % b == 0 | a % b == 0 | whether a is divisible by b | true if b divides a | if a can be divided by b
Invert | bool b | bool | !b | not b | the opposite of b | not b | b inverted
Length | string s | int | s.Length | len(s) | the length of s | the number of characters of s | how long s is
Upper | string s | string | s.ToUpper() | s.upper() | s in upper case | the text s in capital letters | s with capital letters
Lower | string s | string | s.ToLower() | s.lower() | s in lower case | the text s in small letters | s with small letters
First | string s | char | s[0] | s[0] | the first character of s | the first letter of s | the character that s begins with
Last | string s | char | s[^1] | s[-1] | the last character of s | the last letter of s | the character that s ends with
Reverse | string s | string | new string(s.Reverse().ToArray()) | s[::-1] | s reversed | the text s in reverse | s spelled backwards
Concat | string a, string b | string | a + b | a + b | the texts a and b joined | a followed by b | a and b put together
Greet | string name | string | "Hello, " + name | "Hello, " + name | a greeting for name | Hello and the name | a hello to name
Twice | string s | string | s + s | s + s | the text s twice | s repeated twice | two copies of s
IsEmpty | string s | bool | s.Length == 0 | len(s) == 0 | whether s is empty | true if s is empty | if s has no characters
StartsWith | string s, string t | bool | s.StartsWith(t) | s.startswith(t) | whether s starts with t | true if s begins with t | if t is at the start of s
EndsWith | string s, string t | bool | s.EndsWith(t) | s.endswith(t) | whether s ends with t | true if t ends s | if t is at the end of s
Contains | string s, string t | bool | s.Contains(t) | t in s | whether s contains t | true if t is in s | if t is found in s
IsPalindrome | string s | bool | s.SequenceEqual(s.Reverse()) | s == s[::-1] | whether s is a palindrome | true if s reads the same backwards | if s is the same in reverse
CountChar | string s, char c | int | s.Count(x => x == c) | s.count(c) | the number of c in s | how often c is in s | the count of c in s
Trim | string s | string | s.Trim() | s.strip() | s without spaces around it | s trimmed | s with no spaces at its ends
Total | ints values | int | values.Sum() | sum(values) | the sum of the values | the total of the values | the values added up
Largest | ints values | int | values.Max() | max(values) | the maximum of the values | the largest of the values | the greatest value
Smallest | ints values | int | values.Min() | min(values) | the minimum of the values | the smallest of the values | the least value
Average | ints values | double | values.Average() | sum(values) / len(values) | the average of the values | the mean of the values | the mean value of the values
Count | ints values | int | values.Length | len(values) | the number of values | how many values there are | the count of the values
FirstValue | ints values | int | values[0] | values[0] | the first of the values | the first value | the value at the start of the values
LastValue | ints values | int | values[^1] | values[-1] | the last of the values | the last value | the value at the end of the values
Sort | ints values | int[] | values.Order().ToArray() | sorted(values) | the values sorted | the values in order | the values from small to large
Evens | ints values | int[] | values.Where(x => x % 2 == 0).ToArray() | [x for x in values if x % 2 == 0] | the even values | all even numbers of the values | only the values that are even
Join | strings words | string | string.Join(", ", words) | ", ".join(words) | the words joined with a comma | the words with commas between them | the words in one text with commas
""".strip().splitlines()]
# Further descriptions, for training only: name | descriptions.
PARAPHRASES = {name: descriptions for name, *descriptions in (line.split(" | ") for line in """
Square | x multiplied by itself | the second power of x | x to the power of two
Cube | n times n times n | n to the third power | n multiplied by itself twice
Double | x multiplied by two | two times x | 2 times x | the double of x
Triple | x multiplied by three | x times three | 3 times x
Add | the total of a and b | the result of adding a and b | a and b summed
Subtract | a less b | what remains when b is taken from a | a reduced by b
Multiply | the result of multiplying a and b | a and b multiplied | the product a times b
Divide | a over b as a whole number | how many times b fits into a | the integer part of a over b
Remainder | the rest of a divided by b | what remains of a divided by b | what is left when b divides a
Negate | the opposite number of x | x with its sign changed | x with the sign flipped | x times minus one
Increment | one more than x | x increased by one | the next number after x
Decrement | one less than x | x decreased by one | the number just before x
Absolute | the distance of x from zero | x with no sign | the magnitude of x
Larger | the bigger of a and b | the greater number of a and b | whichever of a and b is greater
Smaller | the lower of a and b | the lesser number of a and b | whichever of a and b is smaller
MaxOfThree | the biggest of a, b and c | the greatest number among a, b and c | whichever of a, b and c is largest
SumOfThree | the total of a, b and c | the three numbers a, b and c added | a, b and c summed
Area | the size of a rectangle of width and height | width times height | the surface of a rectangle with width and height
Perimeter | the outline of a rectangle with width and height | how long the border of width and height is | the way around a rectangle of width and height
SquarePerimeter | the way around a square of length side | the length of the border of a square with side | the outline of a square with side
Minutes | how many minutes hours are | the number of minutes in hours | hours turned into minutes
Seconds | how many seconds minutes are | the number of seconds in minutes | minutes turned into seconds
Tens | n multiplied by 10 | 10 times n | the tenfold of n
Half | n divided by 2 | one half of n | n over two without remainder
LastDigit | the digit that n ends with | the ones digit of n | the rightmost digit of n
SumSquares | the square of a plus the square of b | a times a plus b times b | the added squares of a and b
Sign | -1, 0 or 1 by the sign of x | 1 for positive x, 0 for zero, -1 for negative x | which sign x has, as 1, 0 or -1
Factorial | all numbers from 1 to n multiplied | the numbers 1 to n multiplied together | 1 times 2 and so on up to n
SumTo | all numbers from 1 to n added | the total of the numbers 1 to n | 1 plus 2 and so on up to n
IsEven | if n is even | whether n is an even number | whether n can be halved | if two divides n
IsOdd | if n is odd | whether n is an odd number | whether n is not even | if n cannot be halved
IsPositive | if x is positive | whether x is above zero | if x is greater than zero | true if x is more than zero
IsNegative | if x is negative | whether x is below zero | if x is less than zero | true if x is smaller than zero
IsZero | if x is zero | whether x equals zero | true if x is 0 | if x is nothing but zero
IsGreater | if a is greater than b | whether a is above b | if a is more than b | true if a exceeds b
IsEqual | if a equals b | whether a and b are the same | if a and b are equal | true if a is the same as b
IsBetween | if x is between a and b | whether x is in the range a to b | if x is from a to b | true if x is within a and b
IsDivisible | if a is divisible by b | whether b divides a | if b divides a without rest | true if a can be divided by b
Invert | true if b is false | the reverse of b as a truth value | b negated | the other truth value than b
Length | how many characters s has | the count of characters in s | the size of s | how many letters s has
Upper | s written in capitals | s all in capital letters | the upper case form of s | s in big letters
Lower | s written in small letters | s all in lower case | the lower case form of s | s without capital letters
First | the letter s starts with | the leading character of s | the character at the start of s
Last | the letter s stops with | the closing character of s | the character at the end of s
Reverse | s backwards | the letters of s in reverse | s from back to front | s written backwards
Concat | b appended to a | a and b in one text | a with b after it | the text a and then b
Greet | Hello for name | hello said to name | the text Hello and then name
Twice | s two times | s and s again | s doubled | s copied twice
IsEmpty | if s is empty | whether s has no characters | if s has no letters | true if the length of s is zero
StartsWith | if s starts with t | whether t is the start of s | if s begins with t | true if t comes first in s
EndsWith | if s ends with t | whether t is the end of s | if s has t at its end | true if t comes last in s
Contains | if s contains t | whether t is found in s | if t is in s | true if s has t in it
IsPalindrome | if s is a palindrome | whether s is the same backwards | if s reads the same in reverse | true if s equals its reverse
CountChar | how many times c is in s | how many c are in s | the count of the character c in s
Trim | s with the spaces around it removed | s without spaces at the start and the end | s stripped of spaces at both ends
Total | all values added | the values summed | the total of all values | what the values add up to
Largest | the biggest value | the highest of the values | the greatest of all values | the largest value
Smallest | the lowest value | the least of all values | the smallest value
Average | the middle value by sum and count of the values | the arithmetic mean of the values | the average value | the mean of all values
Count | the number of the values | how many numbers are in values | how many values are given | the size of values
FirstValue | the value that comes first | the first number of values | the value at the beginning | the first item of values
LastValue | the value that comes last | the last number of values | the final value | the last item of values
Sort | the values from low to high | the values in rising order | the values sorted by size | the values ordered from small to big
Evens | the values that are even | only the even values | the even numbers among the values | those values that are even
Join | the words separated by commas | the words with a comma between them | one text of the words and commas | the words put together with commas
""".strip().splitlines())}
CSHARP_TYPES = {"nat": "int", "pos": "int", "digit": "int", "ints": "int[]", "strings": "string[]"}


def draw(rng, fonts, difficulty, held_out=False):
    if rng.random() < 0.12:
        return _draw_shown(rng, fonts, difficulty, held_out)
    language, name, kind, what = draw_task(rng, held_out)
    return Sample("code", [(question(rng, held_out, language, name, what), answer(language, name, kind))], metric="code")


def draw_task(rng, held_out):
    """Returns (language, name, kind, description). Names are the kind's own, or any word, so that the model copies them."""
    kind = rng.choice(KINDS)
    descriptions = kind[5:-1] + PARAPHRASES[kind[0]] if not held_out else kind[5:-1] if rng.random() < 0.5 else kind[-1:]
    name = kind[0] if rng.random() < (0.3 if held_out else 0.45) else _draw_name(rng, held_out)
    language = rng.choice(["csharp", "python"])
    return language, name if language == "csharp" else snake_case(name), kind, rng.choice(descriptions)


def question(rng, held_out, language, name, what):
    return (CSHARP if language == "csharp" else PYTHON).choose(rng, held_out, name=name, what=what)


def answer(language, name, kind):
    """Returns the one line of code."""
    parameters = [part.split(" ") for part in kind[1].split(", ")] if kind[1] else []
    if language == "csharp":
        signature = ", ".join(f"{CSHARP_TYPES.get(type_name, type_name)} {parameter}" for type_name, parameter in parameters)
        return f"public static {kind[2]} {name}({signature}) => {kind[3].replace('{name}', name)};"
    return f"def {name}({', '.join(parameter for _, parameter in parameters)}): return {kind[4].replace('{name}', name)}"


def expected(rng, language, name, kind, count=5):
    """Returns the expected answer of a case: {"language", "function", "cases": [[arguments, result], ...]} as JSON."""
    parameters = [part.split(" ") for part in kind[1].split(", ")] if kind[1] else []
    namespace = {}
    exec(answer("python", "reference", kind), namespace)             # a line of the table above
    cases = []
    for _ in range(count if parameters else 1):
        arguments = [_draw_argument(rng, type_name) for type_name, _ in parameters]
        cases.append([arguments, namespace["reference"](*arguments)])
    return json.dumps({"language": language, "function": name, "cases": cases})


def _draw_shown(rng, fonts, difficulty, held_out):
    """The sum of two to four numbers in the image, such as `public static int Sum() => 3 + 14 + 5;`."""
    language, kind, image, letters = draw_shown(rng, fonts, difficulty)
    name = "Sum" if rng.random() < 0.5 else _draw_name(rng, held_out)
    if language == "csharp" and rng.random() < 0.4:
        ask, name = f"Write code that returns {rng.choice(SHOWN)}.", "Sum"                              # C# is the default
    else:
        name = name if language == "csharp" else snake_case(name)
        ask = question(rng, held_out, language, name, rng.choice(SHOWN))
    return Sample("code", [(ask, answer(language, name, kind))], [image], letters, metric="code")


def draw_shown(rng, fonts, difficulty):
    """Returns (language, kind, image, letters) of an image with a few numbers."""
    numbers = [str(rng.randint(0, 99)) for _ in range(rng.randint(2, round(2 + 2 * difficulty)))]
    image, letters = math_image.paint(rng, fonts, rng.choice(["  ", "   ", ", ", "\n"]).join(numbers), difficulty)
    total = " + ".join(numbers)
    return rng.choice(["csharp", "python"]), ["Sum", "", "int", total, total], image, letters


def snake_case(name):
    return "".join(("_" if i and letter.isupper() else "") + letter.lower() for i, letter in enumerate(name))


def _draw_name(rng, held_out):
    """A word, now and then after a verb, that names nothing else in either language."""
    while True:
        word = rng.choice([word for word in rng.sample(words(held_out), 40) if word.islower() and 3 <= len(word) <= 7] or ["value"])
        verb = _draw_verb(rng, held_out) if rng.random() < 0.4 else ""
        name = verb + word.capitalize()
        if not hasattr(builtins, word) and not keyword.iskeyword(word) and name not in ("Math", "String"):
            return name


def _draw_verb(rng, held_out):
    if held_out:
        return rng.choice(HELD_OUT_VERBS)
    return rng.choice(VERBS) if rng.random() < 0.5 else rng.choice(words(held_out)).capitalize()


def _draw_argument(rng, type_name):
    word = lambda: rng.choice(["level", "Anna", "hello", "abc", "Zoe", "noon", "a b", "OnnxVlm", "code", "x", "banana"])
    return {
        "int": lambda: rng.randint(-20, 20), "nat": lambda: rng.randint(0, 30), "digit": lambda: rng.randint(0, 9), "pos": lambda: rng.randint(1, 12), "string": word,
        "char": lambda: rng.choice("aeno"), "bool": lambda: rng.random() < 0.5, "ints": lambda: [rng.randint(-9, 20) for _ in range(rng.randint(1, 6))],
        "strings": lambda: [word() for _ in range(rng.randint(1, 4))]}[type_name]()
