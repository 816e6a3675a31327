"""Group chat: greetings, honest words about what the model is and is not, and talks of two or three turns about an image."""

from samples import Sample
from tasks import chart, ocr, shapes
from text import words

WHO = "I am OnnxVlm nano, a small demonstration model that answers simple questions about small images."
CAN = "I can read short texts, name digits, count shapes, read bar charts, do simple sums and write one-line functions."
CANNOT = "I am a small demonstration model. I cannot answer that."
NO_IMAGE = "I see no image. Please add one."

# (training questions, questions for evaluation only, answer, a part of the answer that evaluation looks for)
SCRIPT = [
    (["Hello", "Hello!", "Hi", "Hi!", "Hey", "Good morning", "Good evening", "Hello there", "Hi there!", "Good day", "Good afternoon!", "Hey there", "hello", "hi",
      "Hello again", "Morning!", "Good evening to you", "Hi, good morning!", "Hey, hello!"],
     ["Hey!", "Good morning!", "Hi there", "Hello there!", "Good evening!"], "Hello! Show me an image and ask me about it.", "Hello"),
    (["How are you?", "Hi, how are you?", "How are you today?", "How do you do?", "Hi! How are you doing?", "And how do you do?", "Hello! How are you today?"], ["Hello, how are you?", "And how are you?"],
     "I am fine, thank you. Show me an image and ask me about it.", "fine"),
    (["Who are you?", "What are you?", "What is your name?", "Tell me who you are.", "Introduce yourself.", "Which model are you?", "What kind of model are you?",
      "What model is this?", "Tell me about you.", "Who is this?", "Are you a model?", "Tell me which model you are.", "Please tell me who you are.", "Can you introduce yourself?",
      "What are you, please?", "What are you called?", "Tell me what your name is.", "Say who you are."],
     ["Please introduce yourself.", "Tell me what you are.", "Who are you, please?", "Tell me your name."], WHO, "OnnxVlm nano"),
    (["What can you do?", "How can you help me?", "What are you good at?", "Help", "What do you do?", "What is your purpose?", "What can I ask you?", "What do you know?",
      "Tell me what you do.", "Tell me how you can help.", "What can you do for me?", "What can I use you for?", "What can you help with?", "Say what you can do."],
     ["How can you help?", "Tell me what you can do.", "What can I do with you?"], CAN, "read"),
    (["Are you a large language model?", "Are you ChatGPT?", "Are you a human?", "Do you know everything?", "Are you GPT-4?", "Are you a person?", "Are you alive?",
      "Are you always right?", "Can you answer everything?", "Are you a big model?", "Are you a real human?", "Are you a large AI?", "Do you know every answer?",
      "Do you have all the answers?", "Are you a real one?", "Are you Gemini?", "Are you a man or a woman?"],
     ["Are you a large model?", "Are you a real person?", "Do you know all answers?"], "No. " + WHO, "No"),
    (["Who made you?", "Who trained you?", "How were you trained?", "What were you trained on?", "Who created you?", "Where do you come from?", "Where were you made?",
      "Who developed you?", "Who programmed you?", "How were you built?", "Who built this model?", "Where were you built?", "Who taught you?", "Tell me who made you.", "Who wrote you?"], ["Where were you trained?", "Who built you?"],
     "I was trained on rendered images with a few kinds of questions. My answers may be wrong.", "trained"),
    (["Thanks", "Thank you", "Thank you!", "Thanks a lot!", "Thanks!", "Thank you very much.", "Thanks so much!", "Many thanks", "Thank you, that helps."], ["Many thanks!", "Thank you so much!"], "You are welcome!", "welcome"),
    (["Goodbye", "Bye", "Bye!", "See you", "Good night", "Goodbye!", "See you later", "Bye now", "Bye for now!", "See you tomorrow", "See you then!", "Good bye", "Have a good day, bye", "Talk to you soon"], ["Bye bye", "See you soon"], "Goodbye!", "Goodbye"),
    (["What does the text say?", "Read the text.", "What is in the image?", "What is written here?", "How many circles are there?", "Which bar is the largest?",
      "Which digit is this?", "What colour is the star?", "Is there a blue square?", "Read all the text.", "Solve it.", "Describe the image.",
      "Extract store, total and date as JSON.", "How many red squares are there?", "What do you see?", "What does the image show?", "What is in this picture?", "How many triangles are there?", "What is the value of A?",
      "What is the value of C?", "Which shape is red?", "What text is in the image?", "Read the text in the image."],
     ["What is shown in the image?", "How many stars are there?", "What is the value of B?", "What is written in the image?"], NO_IMAGE, "no image"),
]
# Questions that the model must decline; {w} is any word.
BEYOND = ["What is the capital of France?", "Write a poem.", "Who won the match?", "What is the weather today?", "Tell me a story.", "Explain quantum physics.",
          "Translate this into German.", "Give me medical advice.", "What is the meaning of life?", "What is the capital of {w}?", "Write a story about {w}.",
          "Who invented the {w}?", "Tell me about {w}.", "Explain {w}.", "Translate {w} into French.", "What is the meaning of {w}?", "Where can I buy {w}?",
          "What is the best {w}?", "Who is the president of {w}?", "When was {w} born?", "Sing a song about {w}.", "What do you think about {w}?", "Why is the sky blue?",
          "Tell me a joke.", "Who wrote the book?", "Who painted {w}?", "What is the story of {w}?", "How did {w} begin?", "When did {w} end?", "Where do I find {w}?",
          "Where is my {w}?", "Tell me something funny about {w}.", "What is the name of the {w}?", "Should I buy {w}?", "Write a poem about {w}."]
HELD_OUT_BEYOND = ["Who wrote {w}?", "What is the history of {w}?", "Write a song about {w}.", "What is the best story about {w}?", "Tell me a joke about {w}.",
                   "Where is {w}?", "When did {w} begin?"]
WORD_QUESTIONS = {
    "first": ["What is the first character?", "And the first character?"], "last": ["What is the last character?", "And the last character?"],
    "length": ["How many characters are there?", "How many characters does it have?"], "upper": ["Write it in upper case.", "Now in upper case."],
    "again": ["Read it again.", "What does it say?"],
}


def draw(rng, fonts, difficulty, held_out=False):
    if rng.random() < 0.4:
        question, answer, _ = draw_scripted(rng, held_out)
        turns = [(question, answer)]
        if rng.random() < 0.3:
            turns.append(draw_scripted(rng, held_out)[:2])
        return Sample("chat", turns)
    turns, image, letters, hints = draw_talk(rng, fonts, difficulty, held_out)
    return Sample("chat", turns, [image], letters, hints)


def draw_scripted(rng, held_out):
    """Returns (question, answer, the part of the answer that evaluation looks for)."""
    if rng.random() < 0.25:
        word = rng.choice(words(held_out))
        return rng.choice(HELD_OUT_BEYOND if held_out else BEYOND).format(w=word), CANNOT, "cannot"
    training, evaluation, answer, part = rng.choice(SCRIPT)
    return rng.choice(evaluation if held_out else training), answer, part


def draw_talk(rng, fonts, difficulty, held_out):
    """Returns (two or three turns, image, letters, hints). Turns after the first may be short, such as "And the circle?"."""
    turns, image, letters, hints = rng.choices([_talk_of_shapes, _talk_of_bars, _talk_of_text], [40, 25, 35])[0](rng, fonts, difficulty, held_out)
    last = None
    if rng.random() < 0.08:
        last = (rng.choice(["Thanks!", "Thank you!"]), "You are welcome!")
    elif rng.random() < (0.06 if held_out else 0.14):
        last = ("What did I ask before?", turns[-2][0])
    if last:
        turns[-1] = last
        hints = [hint for hint in hints if hint[0] < len(turns) - 1]
    return turns, image, letters, hints


def _talk_of_shapes(rng, fonts, difficulty, held_out):
    scene, image, letters = shapes.draw_scene(rng, difficulty, held_out)
    turns = [shapes.ask(rng, scene, held_out)]
    while len(turns) < 3:
        if rng.random() < 0.5:
            turns.append(shapes.ask(rng, scene, held_out))
            continue
        first = turns[-1][0]
        if first.startswith(shapes.COUNT.main[:8]):                  # "How many"
            kind, colour = rng.choice(scene)[:2] if rng.random() < 0.7 else (rng.choice(shapes.KINDS), rng.choice(scene)[1])
            turns.append((f"And {colour} {kind}s?", str(sum(shape[:2] == (kind, colour) for shape in scene))))
        elif "olo" in first:
            single = [shape for shape in scene if sum(other[0] == shape[0] for other in scene) == 1 and shape[0] not in first]
            kind, colour = rng.choice(single)[:2] if single else (None, None)
            turns.append((f"And the {kind}?", colour) if kind else shapes.ask(rng, scene, held_out))
        else:
            turns.append(shapes.ask(rng, scene, held_out))
    turns = turns[:rng.randint(2, 3)]
    return turns, image, letters, shapes.hints_of(scene, turns)


def _talk_of_bars(rng, fonts, difficulty, held_out):
    bars, image, letters = chart.draw_chart(rng, fonts, difficulty, held_out)
    turns = [chart.ask(rng, bars, held_out)]
    while len(turns) < 3:
        label, value, _ = rng.choice(bars)
        if rng.random() < 0.5 and "value" in turns[-1][0] and turns[-1][1].isdigit():
            turns.append((rng.choice(["And {}?", "And the value of {}?"]).format(label), str(value)))
        else:
            turns.append(chart.ask(rng, bars, held_out))
    turns = turns[:rng.randint(2, 3)]
    return turns, image, letters, chart.hints_of(bars, turns)


def _talk_of_text(rng, fonts, difficulty, held_out):
    _, text, _, image, letters = ocr.draw_line(rng, fonts, 0.6 * difficulty, held_out)
    answers = {"first": text[0], "last": text[-1], "length": str(len(text)), "upper": text.upper(), "again": text}
    turns = [(ocr.MAIN_PROMPT, text)]
    for name in rng.sample(sorted(WORD_QUESTIONS), rng.randint(1, 2)):
        turns.append((rng.choice(WORD_QUESTIONS[name]), answers[name]))
    return turns, image, letters, []
