"""Conversations that between them reach what chat templates distinguish."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'Weather of a city, "now" or later.\nTwo lines; <b>&\'quotes\'</b>.',
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "城市名 é"},
                "days": {"type": "integer", "minimum": 1, "default": 3},
                "unit": {"type": ["string", "null"], "enum": ["C", "F"]},
                "where": {
                    "type": "object",
                    "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                    "required": ["lat"],
                },
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        },
        "return": {"type": "string"},
    },
}
NOTHING = {
    "type": "function",
    "function": {"name": "ping", "description": "", "parameters": {"type": "object", "properties": {}}},
}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, identifier="call_00001"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(content, **more):
    return {"role": "tool", "content": content, **more}


ARGUMENTS = {"city": "北京", "days": 2, "exact": True, "none": None, "f": 0.1, "nested": {"a": [1, 2.5, "x"]}}
CALLED = call("get_weather", ARGUMENTS)
TOLD = '{"temp": 21.5, "sky": "clear"}'

MESSAGES = {
    "user": [user("你好，world <|x|> {{ 1 }} {% raw %}")],
    "system": [system("You are a helpful assistant."), user("Hi")],
    "turns": [
        system("  Be brief.\n"),
        user("Hi"),
        assistant("Hello there"),
        user("  spaces kept?  \n"),
        assistant("Yes.\n\n"),
        user("ok\r\nline"),
    ],
    "no_user": [system("Only a system message.")],
    "assistant_first": [assistant("I begin."), user("no")],
    "assistant_last": [user("1+1?"), assistant("2")],
    "two_users": [user("a"), user("b")],
    "two_assistants": [user("a"), assistant("b"), assistant("c"), user("d")],
    "system_late": [user("a"), system("late"), assistant("b"), user("c")],
    "two_systems": [system("a"), system("b"), user("c")],
    "developer": [{"role": "developer", "content": "dev"}, user("a")],
    "unknown_role": [user("a"), {"role": "observation", "content": "b"}, user("c")],
    "empty": [user("")],
    "blank": [system(""), user("   "), assistant(""), user("\n")],
    "none": [user("a"), assistant(None), user("b")],
    "missing": [user("a"), {"role": "assistant"}, user("b")],
    "no_messages": [],
    "think": [user("1+1=?"), assistant("<think>\nadd\n</think>\n\n2"), user("and 2+2?")],
    "reasoning": [
        user("1+1=?"),
        assistant("2", reasoning_content="add them\n", thinking="add them\n"),
        user("and 2+2?"),
        assistant("4", reasoning_content="", thinking=""),
        user("3+3?"),
    ],
    "parts": [
        system([{"type": "text", "text": "sys"}]),
        user([{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]),
        assistant([{"type": "text", "text": "three"}]),
        user([{"type": "text", "text": "é漢"}]),
    ],
    "empty_parts": [user([])],
    "image": [user([{"type": "image"}, {"type": "text", "text": "what is this?"}])],
    "image_url": [
        user([{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}])
    ],
    "emoji": [user("👩‍👩‍👧 İstanbul ΑΣ ß ﬁ \u200b\u3000 end"), assistant("ok 😀"), user("\u00a0nbsp\u00a0")],
    "called": [
        user("weather?"),
        assistant("", tool_calls=[CALLED]),
        tool(TOLD, name="get_weather", tool_call_id="call_00001"),
        assistant("Sunny."),
        user("thanks"),
    ],
    "called_none": [
        user("weather?"),
        assistant(None, tool_calls=[CALLED]),
        tool(TOLD, name="get_weather", tool_call_id="call_00001"),
    ],
    "called_text": [
        system("s"),
        user("weather?"),
        assistant("I look.", tool_calls=[CALLED], reasoning_content="hm", thinking="hm"),
        tool(TOLD, tool_call_id="call_00001", name="get_weather"),
        assistant("<think>so</think>It is fine."),
        user("more"),
    ],
    "called_twice": [
        user("weather?"),
        assistant("", tool_calls=[CALLED, call("ping", {}, "call_00002")]),
        tool(TOLD, tool_call_id="call_00001", name="get_weather"),
        tool("pong", tool_call_id="call_00002", name="ping"),
        user("and?"),
    ],
    "called_string": [
        user("weather?"),
        assistant("", tool_calls=[call("get_weather", '{"city": "Rome"}')]),
        tool("ok", tool_call_id="call_00001"),
    ],
    "called_short_id": [user("a"), assistant("", tool_calls=[call("ping", {}, "abcdefghi")]), tool("x", tool_call_id="abcdefghi")],
    "tool_parts": [
        user("a"),
        assistant("", tool_calls=[CALLED]),
        tool([{"type": "text", "text": "r1"}, {"type": "text", "text": "r2"}], tool_call_id="call_00001"),
    ],
    "tool_object": [user("a"), assistant("", tool_calls=[CALLED]), tool({"a": 1, "b": [1.0, 1e20]}, tool_call_id="call_00001")],
    "tool_first": [tool("x", tool_call_id="1"), user("a")],
    "empty_calls": [user("a"), assistant("b", tool_calls=[]), user("c")],
    "long": [m for i in range(12) for m in (user(f"q{i}"), assistant(f"a{i}", reasoning_content=f"r{i}"))] + [user("z")],
}

TOOLS = {"untold": ..., "none": None, "empty": [], "one": [WEATHER], "two": [WEATHER, NOTHING]}

OPTIONS = [
    {},
    {"add_generation_prompt": False},
    {"enable_thinking": True},
    {"enable_thinking": False},
    {"thinking": True},
    {"reasoning_effort": "high", "builtin_tools": ["python", "browser"], "model_identity": "You are X."},
    {"documents": [{"title": "T", "text": "a document", "heading": "H", "body": "B"}], "date_string": "26 Jul 2024"},
    {"clear_thinking": False, "preserve_thinking": True, "keep_past_thinking": True, "tools_in_user_message": False},
    {"python_tool": True, "custom_tools": [WEATHER], "xml_tools": [NOTHING], "tool_choice": "auto", "date_string": "1"},
]


def contexts():
    """Every conversation with each set of tools, and with each set of options; not all pairs."""
    base = {"bos_token": "<BOS>", "eos_token": "<EOS>", "unk_token": "<UNK>", "pad_token": "<PAD>"}

    def made(messages, tools, options):
        context = {**base, "messages": messages, "add_generation_prompt": True, **options}
        if tools is not ...:
            context["tools"] = tools
        return context

    for name, messages in MESSAGES.items():
        for tools_name, tools in TOOLS.items():
            yield f"{name}/tools={tools_name}", made(messages, tools, {})
        for i, options in enumerate(OPTIONS[1:], 1):
            yield f"{name}/options{i}", made(messages, None, options)
            yield f"{name}/options{i}+tools", made(messages, [WEATHER], options)
