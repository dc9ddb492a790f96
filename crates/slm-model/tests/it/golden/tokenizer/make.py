"""Trains two small byte-level BPE tokenizers and records what they do.

`smollm` is built like SmolLM2's (digits apart, GPT-2 split, special tokens first, a few byte tokens missing),
`qwen2` like Qwen2.5's (NFC, its split expression, added tokens last). Both have a ChatML template written for this test.
Writes `tokenizer/<style>/{tokenizer.json,tokenizer_config.json}` and `tokenizer/<style>/expected.json`.
"""

import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, VOCAB_SIZE, write_json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = '''
def running_total(values):
    """Return the list of sums of the first one, two, three values."""
    total = 0
    sums = []
    for value in values:
        total += value
        sums.append(total)
    return sums


class Counter:
    """Counts how often each word was seen."""

    def __init__(self, words=None):
        self.counts = {}
        for word in words or []:
            self.add(word)

    def add(self, word):
        self.counts[word] = self.counts.get(word, 0) + 1
        return self.counts[word]

    def most_common(self, n=10):
        pairs = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return pairs[:n]


def is_prime(number):
    """Return True if the number has no divisor but one and itself."""
    if number < 2:
        return False
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return True


def merge(left, right):
    """Merge two sorted lists into one sorted list."""
    result = []
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            result.append(left[i])
            i += 1
        else:
            result.append(right[j])
            j += 1
    return result + left[i:] + right[j:]

The user asks for a function, and the assistant returns the code of the function.
The naïve café owner counts: größer, kleiner, größer. Die Straße ist größer. Это простой текст, это тест.
'''

SMOLLM_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a very small test model<|im_end|>\n' }}"
    "{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

QWEN2_TEMPLATE = """\
{%- if messages[0].role == "system" %}
    {{- "<|im_start|>system\\n" + messages[0].content + "<|im_end|>\\n" }}
    {%- set rest = messages[1:] %}
{%- else %}
    {{- "<|im_start|>system\\nYou write code.<|im_end|>\\n" }}
    {%- set rest = messages %}
{%- endif %}
{%- for message in rest %}
    {%- if message.role not in ["user", "assistant"] %}
        {{- raise_exception("unknown role " ~ message.role) }}
    {%- endif %}
    {{- "<|im_start|>" + message.role + "\\n" + (message.content | trim) + "<|im_end|>\\n" }}
{%- endfor %}
{%- if add_generation_prompt is defined and add_generation_prompt %}
    {{- "<|im_start|>assistant\\n" }}
{%- endif %}
"""

# The split expression that Qwen2 models are published with.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# Bytes for which SmolLM2's vocabulary has no token: such a byte vanishes in encoding.
SMOLLM_MISSING = {0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100)}

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

STRINGS = [
    "",
    " ",
    "\n",
    "hello",
    "Hello, world!",
    " leading space",
    "trailing space ",
    "two  spaces   three    four",
    "def add(a, b):\n    return a + b\n",
    "def f(x):\n\treturn x\n\t\t# tabs\n",
    "class A:\n    def __init__(self):\n        self.counts = {}\n\n\n    def g(self): pass",
    "for i in range(10):\n    print(i, end='')",
    "x = {'a': 1, \"b\": [2, 3.14e-10, 0x1F]}",
    "0",
    "12345678901234567890",
    "3.14159, 1_000_000, 2024-01-31, v1.2.3",
    "a1b2c3 x86_64 utf8",
    "½ ² Ⅷ ٣٤٥ ໓",
    "I'm you're we've they'll he'd it's can't DON'T I'M",
    "line one\r\nline two\r\n\r\nline four",
    "\r\r\n\n\r",
    "a\n\n\nb\n \n  \nc",
    "   \n\t \n",
    "    indented\n        more",
    "text   \nend   ",
    "naïve café größer Straße",
    "cafe\u0301 decomposed and caf\u00e9 composed",
    "\u212b \u1e9b\u0323 \uac00 \u1100\u1161",
    "Это простой текст.",
    "你好，世界。这是测试",
    "日本語のテキスト、カタカナ",
    "مرحبا بالعالم שלום",
    "🙂 👍🏽 👩‍👩‍👧‍👦 🇩🇪",
    "a\u00a0b\u2003c\u200bd\ufeffe",
    "control \u0001\u0004\u0006\u001d\u007f end",
    "\U000e0041\U00040000",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<|im_start|><|im_end|><|endoftext|>",
    "broken <|im_start and |im_end|> and <|im_end |>",
    "a<|endoftext|>b <|im_end|> c",
    '<tool_call>{"name": "f"}</tool_call>',
    "return returned returning sorted sums",
    "!!! ??? ... --- === *** ///// \\\\ ``` ~~~",
    "a+b-c*d/e%f&g|h^~i<<j>>k!=l==m<=n>=o",
    "https://example.org/a/b?c=d&e=f#g",
    "'''doc''' \"\"\"doc\"\"\" # comment",
    "SCREAMING_SNAKE camelCase kebab-case PascalCase",
    "\u2028\u2029\u0085\u000b\u000c",
    "ﬁ ﬂ ſ ß ẞ İ ı",
    "\u0000",
]

CHATS = [
    [{"role": "user", "content": "Write a function."}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Write a function."}],
    [
        {"role": "user", "content": 'def f(x):\n    """Return x."""\n'},
        {"role": "assistant", "content": "def f(x):\n    return x\n"},
        {"role": "user", "content": "  Thanks!  <&>'\"\n"},
    ],
    [{"role": "system", "content": ""}, {"role": "user", "content": "größer 🙂"}],
]


def train(style):
    """A tokenizer of one style, trained on the corpus."""
    tokenizer = Tokenizer(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if style == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
            ]
        )
        missing = {byte_character(byte) for byte in SMOLLM_MISSING}
        trainer = trainers.BpeTrainer(
            vocab_size=VOCAB_SIZE,
            special_tokens=SPECIALS,
            initial_alphabet=sorted(set(alphabet) - missing),
            show_progress=False,
        )
    else:
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated", invert=False),
                pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
            ]
        )
        tokenizer.post_processor = None
        trainer = trainers.BpeTrainer(
            vocab_size=VOCAB_SIZE - 10, initial_alphabet=sorted(alphabet), show_progress=False
        )
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    tokenizer.train_from_iterator([CORPUS], trainer)
    if style == "qwen2":
        tokenizer.add_special_tokens(SPECIALS)
        tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<tool_call>", "</tool_call>")])
    return tokenizer


def byte_character(byte):
    """The printable character that represents a byte in byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if byte in printable:
        return chr(byte)
    return chr(256 + [b for b in range(256) if b not in printable].index(byte))


def main():
    for style, template in (("smollm", SMOLLM_TEMPLATE), ("qwen2", QWEN2_TEMPLATE)):
        folder = GOLDEN / "tokenizer" / style
        names = {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>" if style == "smollm" else "<|endoftext|>"}
        if style == "smollm":
            names |= {"bos_token": "<|im_start|>", "unk_token": "<|endoftext|>"}
        fast = PreTrainedTokenizerFast(
            tokenizer_object=train(style),
            chat_template=template,
            clean_up_tokenization_spaces=False,
            model_max_length=512,
            additional_special_tokens=["<|im_start|>", "<|im_end|>"],
            **names,
        )
        fast.save_pretrained(folder, save_jinja_files=False)
        (folder / "special_tokens_map.json").unlink(missing_ok=True)
        write_expected(folder)


def write_expected(folder):
    """Reads the tokenizer back from disk and records ids, texts and rendered chats."""
    raw = Tokenizer.from_file(str(folder / "tokenizer.json"))
    fast = PreTrainedTokenizerFast.from_pretrained(folder)
    texts = []
    for text in STRINGS:
        ids = raw.encode(text, add_special_tokens=False).ids
        assert ids == fast(text, add_special_tokens=False).input_ids, text
        texts.append(
            {
                "text": text,
                "ids": ids,
                "decoded": raw.decode(ids, skip_special_tokens=False),
                "decoded_without_special": raw.decode(ids, skip_special_tokens=True),
            }
        )
    chats = []
    for messages in CHATS:
        for add_generation_prompt in (False, True):
            rendered = fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt)
            chats.append(
                {
                    "messages": messages,
                    "add_generation_prompt": add_generation_prompt,
                    "rendered": rendered,
                    "ids": raw.encode(rendered, add_special_tokens=False).ids,
                }
            )
    write_json(
        folder / "expected.json",
        {
            "vocab_size": raw.get_vocab_size(),
            "special": {name: raw.token_to_id(name) for name in SPECIALS},
            "texts": texts,
            "chats": chats,
        },
    )


if __name__ == "__main__":
    main()
