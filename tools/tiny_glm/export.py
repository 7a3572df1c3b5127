"""What tiny-glm is on disk: its tokenizer, chat template, files, and 4-bit rounding as trained for.

Nothing here trains. render_for_training must say what the chat template says; a check at the end of
save_tokenizer holds the two together.
"""

import json
import pathlib

import jinja2
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL_TOKENS = ["<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>",
                  "<|observation|>"]

# The words of GLM-4's tokenizer: contractions, letters with one mark before them, up to three
# digits, runs of marks, line ends, spaces.
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

CHAT_TEMPLATE = """[gMASK]<sop>
{%- for message in messages %}
{%- if message.role in ['system', 'user', 'assistant', 'observation'] %}
{{- '<|' + message.role + '|>\\n' }}
{%- else %}
{{- raise_exception('unknown role: ' + message.role) }}
{%- endif %}
{%- if message.content is string %}
{{- message.content }}
{%- else %}
{%- for part in message.content %}
{%- if part.type == 'text' %}
{{- part.text }}
{%- endif %}
{%- endfor %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>\\n' }}
{%- endif %}"""


def render_for_training(turns):
    """[(text, is_learned)] of a conversation; an answer ends where the next user turn begins."""
    pieces = [("[gMASK]<sop>", False)]
    for role, text in turns:
        pieces.append((f"<|{role}|>\n", False))
        if role == "assistant":
            pieces.append((text, True))
            pieces.append(("<|user|>", True))
        elif role == "user" and pieces[-2][0] == "<|user|>":
            pieces[-1] = ("\n", False)  # the answer before has brought the role already
            pieces.append((text, False))
        else:
            pieces.append((text, False))
    return pieces


def train_tokenizer(texts, vocab_size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS), show_progress=False, max_token_length=24,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False)
                                  for t in SPECIAL_TOKENS])
    return tokenizer


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def save_tokenizer(tokenizer, folder):
    folder = pathlib.Path(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", dict(
        tokenizer_class="PreTrainedTokenizerFast", clean_up_tokenization_spaces=False,
        model_max_length=1024, padding_side="left", eos_token="<|endoftext|>",
        pad_token="<|endoftext|>", additional_special_tokens=SPECIAL_TOKENS[1:],
        added_tokens_decoder={str(tokenizer.token_to_id(t)): dict(
            content=t, special=True, normalized=False, lstrip=False, rstrip=False,
            single_word=False) for t in SPECIAL_TOKENS},
        chat_template=CHAT_TEMPLATE))
    turns = [("system", "S"), ("user", "A"), ("assistant", "B"), ("user", "C"), ("assistant", "D")]
    trained = "".join(text for text, _ in render_for_training(turns))
    served = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(
        CHAT_TEMPLATE).render(messages=[dict(role=r, content=t) for r, t in turns])
    assert trained == served + "<|user|>", (trained, served)


def save(model, folder):
    """Weights in bf16, rounded from a copy: training goes on in f32."""
    folder = pathlib.Path(folder)
    state = {name: value.detach().to(torch.bfloat16) for name, value in model.state_dict().items()
             if name != "lm_head.weight"}
    model.save_pretrained(folder, state_dict=state)
    config = json.loads((folder / "config.json").read_text())
    config["dtype"] = config["torch_dtype"] = "bfloat16"
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", dict(
        do_sample=False, eos_token_id=config["eos_token_id"], pad_token_id=config["pad_token_id"]))


def round_to_int4(weight):
    """16 levels between the least and the greatest of each 32 inputs of a row (and 0)."""
    grouped = weight.reshape(weight.shape[0], -1, 32)
    low = grouped.amin(-1, keepdim=True).clamp(max=0)
    high = grouped.amax(-1, keepdim=True).clamp(min=0)
    scale = ((high - low) / 15).clamp(min=1e-12)
    zero = torch.round(-low / scale)
    levels = torch.clamp(torch.round(grouped / scale) + zero, 0, 15)
    return ((levels - zero) * scale).reshape(weight.shape)


def round_to_int8(weight):
    """One scale a row, 255 levels."""
    scale = weight.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
    return torch.round(weight / scale) * scale
