"""What good clients ask. Each of these has one right answer, to the byte, whatever else the server does."""
import json
import re

SCHEMA = {"type": "object", "required": ["name", "age", "tags"], "additionalProperties": False, "properties": {
    "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
    "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 3}}}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "required": ["city", "days"], "properties": {
        "city": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9}}}}},
         {"type": "function", "function": {"name": "read_clock"}}]
QUESTION = [{"role": "user", "content": "What is Open-AutoGLM?"}]
CONVERSATION = [{"role": "system", "content": "You are brief."}, *QUESTION,
                {"role": "assistant", "content": "A server."}, {"role": "user", "content": "Wie heißt du? 你好"}]


def completion(**fields):
    return "POST", "/v1/completions", {"prompt": "Once upon a time", "max_tokens": 32, "temperature": 0, **fields}


def sampled(**fields):
    return completion(temperature=1.1, seed=7, **fields)


def chat(messages=None, **fields):
    return "POST", "/v1/chat/completions", {"messages": messages or QUESTION, "max_tokens": 40, "temperature": 0, **fields}


def formed(**fields):
    return chat(max_tokens=200, **{"temperature": 1.2, "seed": 3, **fields})


# Name: method, path, body.
REQUESTS = {
    "completion": completion(),
    "completion, sampled": sampled(),
    "completion, penalties": sampled(top_p=0.9, top_k=40, min_p=0.01, repetition_penalty=1.1, presence_penalty=0.2,
                                     frequency_penalty=0.3, logit_bias={"300": 2}),
    "completion, three choices": sampled(n=3),
    "completion, log-probabilities": completion(logprobs=5),
    "completion, echo and scores": completion(echo=True, logprobs=2, max_tokens=4),
    "completion, prompt log-probabilities": completion(prompt_logprobs=3, max_tokens=4),
    "completion, several prompts": completion(prompt=["One", "Two", [1, 2, 3, 4]]),
    "completion, ids": completion(prompt=[[5, 6, 7], [8, 9]], return_token_ids=True),
    "completion, stop": completion(stop=["e", "zz"]),
    "completion, predicted": completion(prediction={"type": "content", "content": "there was a little girl"}),
    "completion, stream": sampled(stream=True),
    "completion, stream of two": sampled(stream=True, n=2, stream_options={"include_usage": True}),
    "chat": chat(),
    "chat, conversation": chat(CONVERSATION, seed=11, temperature=0.9),
    "chat, log-probabilities": chat(logprobs=True, top_logprobs=3),
    "chat, long": chat(max_tokens=300, ignore_eos=True),
    "chat, stream": chat(stream=True, stream_options={"include_usage": True}),
    "chat, batched": chat(CONVERSATION, priority=1),
    "schema": formed(response_format={"type": "json_schema",
                                      "json_schema": {"name": "s", "strict": True, "schema": SCHEMA}}),
    "schema, stream": formed(guided_json=SCHEMA, stream=True),
    "expression": formed(guided_regex="[a-f]{3,9}-[0-9]{4}"),
    "choice": formed(guided_choice=["positive", "negative", "neutral"]),
    "grammar": formed(guided_grammar='root ::= "yes" | "no" [a-z]{1,8}'),
    "tools, required": formed(tools=TOOLS, tool_choice="required", parallel_tool_calls=False),
    "tools, stream": formed(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, stream=True),
    "tools, named": formed(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "get_weather"}}),
    "infer": ("POST", "/infer", {"text": "Hello", "max_tokens": 12, "temperature": 0}),
    "infer, stream": ("POST", "/infer", {"prompt": "Once", "max_tokens": 12, "seed": 5, "stream": True}),
    "embedding": ("POST", "/v1/embeddings", {"input": ["Hello", "one text and another"]}),
    "embedding, base64": ("POST", "/v1/embeddings", {"input": "Hello", "encoding_format": "base64"}),
    "tokenize": ("POST", "/tokenize", {"prompt": "Hello, 世界 🙂", "return_token_strs": True}),
    "tokenize, pieces": ("POST", "/tokenize", {"content": "The quick brown fox. " * 40, "with_pieces": True}),
    "tokenize, messages": ("POST", "/tokenize", {"messages": CONVERSATION}),
    "detokenize": ("POST", "/detokenize", {"tokens": list(range(3, 200))}),
    "template": ("POST", "/apply-template", {"messages": CONVERSATION}),
    "models": ("GET", "/v1/models", None),
    "version": ("GET", "/version", None),
    "refused field": completion(temperature=-1),
    "refused schema": formed(guided_json={"type": "nothing"}),
    "no such model": completion(model="another"),
    "no such path": ("GET", "/v1/nothing", None),
}

# What differs from one answer to the next: names made up for it, the clock, what the cache happened to hold, and what
# was drafted, which depends on how fast steps were.
CHANGING = re.compile(rb'(?<="id":)"[^"]*"|(?<="created":)[0-9]+|(?<="cached_tokens":)[0-9]+')
DRAFTED = re.compile(rb',"completion_tokens_details":{[^}]*}')


def comparable(request, answer):
    """The answer without what differs. Of a stream: what its events hold, since tokens of one step share an event."""
    body = DRAFTED.sub(b"", CHANGING.sub(b"0", answer.body))
    if not (request[2] or {}).get("stream") or answer.status != 200:
        return answer.status, body
    return answer.status, joined(body)


def joined(body):
    """What the events of a stream add up to: texts and ends of the choices, and what else is said once."""
    texts, said = {}, {}
    *events, end = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    for event in map(json.loads, events):
        for choice in event.get("choices", [event]):
            delta, index = choice.get("delta", choice), choice.get("index")
            for name in ("content", "text"):
                texts[index, name] = texts.get((index, name), "") + (delta.get(name) or "")
            for call in delta.get("tool_calls", []):
                for name, piece in call["function"].items():
                    place = index, call["index"], name
                    texts[place] = texts.get(place, "") + piece
            for name in ("finish_reason", "stop_reason"):
                said[index, name] = choice.get(name) or said.get((index, name))
        said.update({name: event[name] for name in ("usage", "error") if event.get(name)})
    return repr((sorted(texts.items(), key=repr), sorted(said.items(), key=repr), end)).encode()
