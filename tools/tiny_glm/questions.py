"""Questions about Open-AutoGLM as conversations, with each question worded in many ways.

questions.jsonl holds {"lang", "question", "answer", "also": [...], "held_out"}: `also` are further
wordings by hand, `held_out` is one that training never sees (not even but for case and marks).
The rewording here is by pattern and at random; the answer stays.
"""

import json
import random
import re

# Questions that have nothing to do with Open-AutoGLM get these, so that the model does not answer
# them with something it was asked to learn by heart.
UNKNOWN = {
    "en": "I don't know: I am a very small model and can only answer questions about Open-AutoGLM. "
          "Load a bigger model with autoglm serve --model PATH.",
    "zh": "我不知道：我是一个非常小的模型，只能回答关于Open-AutoGLM的问题。"
          "请用autoglm serve --model PATH加载更大的模型。",
}

SYSTEM = ["You are a helpful assistant.", "You are tiny-glm.", "Answer briefly.", "你是一个有用的助手。",
          "请简短回答。", "You are a helpful AI assistant. Answer the question."]

EN_PATTERNS = [
    (r"^What is (.+)\?$", ["what's {}", "Explain {}.", "Tell me about {}", "{}?", "What does {} mean?",
                           "Can you explain what {} is?", "I'd like to know what {} is"]),
    (r"^What does (.+) do\?$", ["What is {} for?", "Explain {}", "What is the purpose of {}?",
                                "what happens with {}?", "Why would I use {}?", "{}?"]),
    (r"^How do I (.+)\?$", ["How can I {}?", "how to {}", "What is the way to {}?", "I want to {}",
                            "How should I {}?", "Tell me how to {}.", "Can you show me how to {}?"]),
    (r"^Can I (.+)\?$", ["May I {}?", "Is it possible to {}?", "I want to {}", "Could I {}?"]),
    (r"^Does it (.+)\?$", ["Can it {}?", "Does autoglm {}?", "Will it {}?",
                           "Does Open-AutoGLM {}?"]),
    (r"^Which (.+)\?$", ["What {}?", "Tell me which {}", "Do you know which {}?"]),
    (r"^What are (.+)\?$", ["Tell me about {}", "Explain {}", "{}?"]),
    (r"^Is (?:it|there) (.+)\?$", ["is autoglm {}?", "Is Open-AutoGLM {}?", "is this {}?"]),
]
EN_BEFORE = ["Please tell me: ", "Hi, ", "Hello, ", "Hello! ", "I have a question: ", "ok, ", "So, ",
             "Question: ", "Sorry, ", "Excuse me, "]
EN_AFTER = [" please", " Thanks!", " in autoglm", " with Open-AutoGLM", " here", " now"]

ZH_PATTERNS = [
    (r"^什么是(.+?)？?$", ["{}是什么？", "{}是啥？", "介绍一下{}", "说说{}", "{}是什么意思？", "解释{}"]),
    (r"^(.+?)是什么？?$", ["什么是{}？", "{}是啥", "介绍一下{}", "说一下{}", "讲讲{}"]),
    (r"^(.+?)有什么用？?$", ["{}是做什么的？", "{}的作用是什么？", "{}干什么用？", "为什么要用{}？",
                        "{}有啥用", "{}的用途"]),
    (r"^(?:怎样|如何|怎么)(.+?)？?$", ["怎么{}？", "如何{}？", "怎样才能{}？", "我想{}", "要怎么{}？",
                                "我该如何{}？", "{}的方法"]),
    (r"^支持(.+?)(?:吗)？?$", ["能支持{}吗？", "是否支持{}？", "autoglm支持{}吗？", "可不可以用{}？"]),
    (r"^可以(.+?)吗？?$", ["能{}吗？", "能不能{}？", "可不可以{}？", "我可以{}吗？"]),
    (r"^有哪些(.+?)？?$", ["都有什么{}？", "有什么{}？", "列出{}", "{}有哪些？"]),
]
ZH_BEFORE = ["请问", "你好，", "请问一下，", "我想知道", "问一下，", "请告诉我", "那么，", "问题："]
ZH_AFTER = ["呢？", "？谢谢", "啊？", "？？", "，请说明"]


def load(path):
    return [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]


def bare(text):
    """For comparing wordings: no case, marks or spaces."""
    return re.sub(r"[\W_]+", "", text.casefold())


def typo(text, rng):
    """One letter dropped, doubled or swapped with the next."""
    spots = [i for i, c in enumerate(text[:-1]) if c.isalpha() and c.isascii()]
    if len(spots) < 8:
        return text
    i = rng.choice(spots)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:i] + text[i + 1:]
    if kind == 1:
        return text[:i] + text[i] + text[i:]
    return text[:i] + text[i + 1] + text[i] + text[i + 2:]


def reword(text, lang, rng):
    """One random wording of a question; often the question itself."""
    patterns = EN_PATTERNS if lang == "en" else ZH_PATTERNS
    if rng.random() < 0.4:
        for pattern, forms in patterns:
            match = re.match(pattern, text)
            if match:
                text = rng.choice(forms).format(match.group(1))
                break
    if rng.random() < 0.2:
        before = rng.choice(EN_BEFORE if lang == "en" else ZH_BEFORE)
        text = before + (text[0].lower() + text[1:] if lang == "en" and rng.random() < 0.7 else text)
    if rng.random() < 0.15:
        text = text.rstrip("?？。. ") + rng.choice(EN_AFTER if lang == "en" else ZH_AFTER)
    if rng.random() < 0.25:
        text = text.lower()
    if rng.random() < 0.3:
        text = text.rstrip("?？。.!！")
    elif lang == "zh" and rng.random() < 0.2:
        text = text.replace("？", "?").replace("，", ",")
    if lang == "zh" and rng.random() < 0.15:  # a space between Chinese and Latin, as many type it
        text = re.sub(r"(?<=[\u4e00-\u9fff])(?=[\w-])(?![\u4e00-\u9fff])", " ", text)
    if rng.random() < 0.08:
        text = typo(text, rng)
    return text.strip()


class Sampler:
    """Endless training conversations: [(role, text)], roles system, user and assistant."""

    def __init__(self, items, strangers, seed):
        self.items, self.strangers = items, strangers
        self.rng = random.Random(seed)
        self.forbidden = {bare(item["held_out"]) for item in items}
        self.queue = []

    def wording(self, item):
        while True:
            base = (item["question"] if self.rng.random() < 0.3
                    else self.rng.choice([item["question"], *item["also"]]))
            text = base if self.rng.random() < 0.3 else reword(base, item["lang"], self.rng)
            if text and bare(text) not in self.forbidden:
                return text

    def turn(self):
        if self.rng.random() < 0.06:
            lang, text = self.rng.choice(self.strangers)
            return [("user", text), ("assistant", UNKNOWN[lang])]
        if not self.queue:  # every item comes equally often
            self.queue = list(self.items)
            self.rng.shuffle(self.queue)
        item = self.queue.pop()
        return [("user", self.wording(item)), ("assistant", item["answer"])]

    def conversation(self):
        n_turns = self.rng.choices([1, 2, 3], [0.8, 0.15, 0.05])[0]
        turns = [part for _ in range(n_turns) for part in self.turn()]
        if self.rng.random() < 0.1:
            turns.insert(0, ("system", self.rng.choice(SYSTEM)))
        return turns
