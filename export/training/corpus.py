"""The text from which the tokenizer learns its merges: the wording of all tasks, present and planned.

The vocabulary must not change once training has begun (a run goes on with the vocabulary it began with), so this covers reading, counting, charts, mathematics, JSON, code and chat.
"""

import itertools

from tasks import SYSTEM_PROMPTS, ocr

COLOURS = "black white grey gray red orange yellow green blue purple pink brown".split()
SHAPES = "circle circles square squares triangle triangles star stars rectangle line lines ring rings shape shapes".split()
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred".split()
THINGS = ("apples pears oranges books pens pencils cards coins marbles eggs cakes cookies stamps toys cars balls boxes bags shelves "
          "rows tickets flowers trees birds fish cats dogs friends children euros dollars").split()
NAMES = "Anna Ben Clara David Emma Felix Grace Henry Ida Jack Kim Leo Mia Noah Olivia Paul Rosa Sam Tom Zoe".split()
FIELDS = "store shop total date name price amount city street phone email item items quantity number age tax time currency order".split()

VISION = [
    "Read all the text.", "Read all lines.", "What does line 2 say?", "What is in the first line? Read the second line and the last line.",
    "Which digit is this?", "What digit is shown? Name the handwritten digit in the image.",
    "How many {colour} {shape} are there?", "What colour is the {shape}?", "Is there a {colour} {shape}?", "Count the {colour} {shape}.",
    "Is the {shape} left of the {colour} {shape}?", "Is the {shape} right of the {shape}? Is it above or below the {colour} one?",
    "Are there more {shape} than {shape}?", "Which shape is the largest?", "How many shapes are in the image? What shape is {colour}?",
    "Do the two circles touch? Are the two circles touching or overlapping?", "How many times do the lines cross each other?",
    "How many rows and columns does the grid have?", "How many squares are nested? Count the nested squares inside each other.",
    "Which letter is circled? Which letter is inside the {colour} circle?", "How many intersections are there between the two lines?",
    "Which bar is the largest?", "Which bar is the smallest?", "What is the value of B? What is the value of the {colour} bar?",
    "How much larger is A than C? Is A higher than B?", "What is the sum of all bars in the chart?", "Solve it. Solve the equation in the image.",
    "Extract store, total and date as JSON.", "Extract {field}, {field} and {field} as JSON.", "Return the {field} and the {field} as JSON.",
    "What is the {field} on the receipt? What is the {field} in the form?", "Describe the image. What do you see in the picture?",
    "yes no left right above below inside outside between touching none unknown true false", "There is a {colour} {shape}.",
    "The {shape} is {colour}.", "There are {number} {colour} {shape}.", "Is this a word or a number, and is it dark or light?",
]
MATH = [
    "What is 17 + 25?", "What is 9 - 4? How much is 6 * 7? Compute 12 x 3.", "Solve 3x + 4 = 19.", "3x = 15 so x = 5", "Find x if 2x - 6 = 8.",
    "Subtract 4 from both sides, then divide both sides by 3.", "Add, subtract, multiply or divide.",
    "{name} has {number} {thing}. {name} buys {number} more {thing}. How many {thing} does {name} have now?",
    "{name} has 12 {thing} and gives 5 {thing} to {name}. How many {thing} are left?",
    "There are 4 boxes with 6 {thing} each. How many {thing} are there in all?", "Each box holds 3 {thing}. How many boxes does {name} need for 12 {thing}?",
    "A book costs 4 dollars. {name} buys 3 books and pays with 20 dollars. How much money is left?", "The answer is 42.",
    "{name} had 3 bags of 5 {thing} and lost 2 of the {thing}. How many remain? First multiply, then subtract. So the result is 13.",
]
INSTRUCT = [
    "Answer in upper case.", "Answer with one word.", "Answer as JSON.", "Write the answer in reverse.", "Write the answer twice.",
    "Use capital letters only. Answer in lower case with a short sentence. Reply with a single word. Spell it backwards. Repeat it.",
    '{{ "answer": "yes", "text": "abc", "count": 3, "color": "{colour}" }}', '{{ "{field}": "abc", "{field}": 12.50, "{field}": "2024-05-17" }}',
]
CHAT = [
    "What did I ask before? And what was the first word? What about the background? Are you sure? Can you see the image now?",
    "I am sorry, I do not know. I can only read small images. I was trained on rendered images with a few kinds of questions.",
    "My answers may be wrong. You should check them. Please show me another image. What would you like to know about it?",
    "Nice to meet you. How are you? I am fine, thank you. What is your purpose? Who made you? You are a model, not a person.",
]
GREETINGS = [
    "Hello", "Hello!", "Hi", "Hi!",
    "Hey", "Good morning", "Good evening", "Hello there",
    "Hi there!", "Hello! Show me an image with a word or a number, and I will read it.", "Who are you?", "What are you?",
    "What is your name?", "Tell me who you are.", "Introduce yourself.", "Which model are you?",
    "I am OnnxVlm nano, a small demonstration model that reads words and numbers in images.", "What can you do?", "How can you help me?", "What are you good at?",
    "Help", "What do you do?", "I can read a word or a number in a small image and answer simple questions about it.", "Are you a large language model?",
    "Are you ChatGPT?", "Are you a human?", "Do you know everything?", "No. I am OnnxVlm nano, a small demonstration model that reads words and numbers in images.",
    "Thanks", "Thank you", "Thank you!", "Thanks a lot!",
    "You are welcome!", "Goodbye", "Bye", "Bye!",
    "See you", "Goodbye!", "What does the text say?", "Read the text.",
    "What is in the image?", "What is written here?", "I see no image. Please add one.", "What is the capital of France?",
    "Write a poem.", "Who won the match?", "What is the weather today?", "Tell me a story.",
    "Explain quantum physics.", "Translate this into German.", "Give me medical advice.", "What is the meaning of life?",
    "I am a small demonstration model. I cannot answer that.",
]
CODE_VERBS = ["returns", "computes", "prints", "checks whether", "counts", "finds", "gives", "adds", "reverses", "converts"]
CODE_OBJECTS = [
    "x squared", "the square of x", "the cube of n", "the sum of a and b", "the difference of a and b", "the product of two numbers",
    "the larger of two numbers", "the maximum of a list", "the minimum of the values", "the average of the numbers", "the length of a string",
    "whether n is even", "whether n is odd", "whether a number is positive or negative", "the absolute value", "the text in upper case",
    "the text in lower case", "the first character of s", "the last element of a list", "the text reversed", "the number of vowels in the text",
    "the remainder of a divided by b", "the area of a rectangle", "the perimeter of a square", "Fahrenheit from Celsius", "n factorial",
    "whether the string is empty", "whether the text starts with a letter", "whether the word is a palindrome", "all even numbers",
    "the sum of the numbers shown", "the list without duplicates", "the items sorted", "the words joined with a comma", "double the input",
]
CODE = [
    "Write a C# method Square that returns x squared.", "Write a Python function square that {verb} {object}.",
    "Write a C# method that {verb} {object}.", "Write a one-line function in Python that takes n and {verb} {object}.",
    "Write code that {verb} {object}.", "public static int Square(int x) => x * x;", "static bool IsEven(int n) => n % 2 == 0;",
    "public static string Upper(string text) => text.ToUpperInvariant();", "public static double Average(int[] values) => values.Average();",
    "static int Max(int a, int b) => a > b ? a : b; static long Sum(int[] numbers) => numbers.Sum(x => x);",
    "public static bool IsEmpty(string s) => s.Length == 0; static char First(string s) => s[0];",
    "def square(x): return x * x", "def is_even(n): return n % 2 == 0", "def total(values): return sum(values)", "lambda x: x + 1",
    "def reverse(text): return text[::-1]", "def count(s, c): return len([x for x in s if x == c])", "def largest(a, b): return a if a > b else b",
    "def join(words): return ', '.join(words) and not None or True", "public static int[] Evens(int[] xs) => xs.Where(x => x % 2 == 0).ToArray();",
]


def texts():
    """Returns the lines of the corpus; each template is filled with a rotating choice of words."""
    wheels = {"colour": COLOURS, "shape": SHAPES, "number": NUMBERS, "thing": THINGS, "name": NAMES, "field": FIELDS,
              "verb": CODE_VERBS, "object": CODE_OBJECTS}
    wheels = {key: itertools.cycle(words) for key, words in wheels.items()}
    lines = [*ocr.PROMPTS, ocr.MAIN_PROMPT, *itertools.chain(*ocr.FACT_QUESTIONS.values()), *SYSTEM_PROMPTS, *GREETINGS]
    for template in [*VISION, *MATH, *INSTRUCT, *CHAT, *CODE]:
        for _ in range(40 if "{" in template and "{{" not in template else 6):
            lines.append(_fill(template, wheels))
    return lines


def _fill(template, wheels):
    for key, wheel in wheels.items():
        while "{" + key + "}" in template:
            template = template.replace("{" + key + "}", next(wheel), 1)
    return template.replace("{{", "{").replace("}}", "}")
