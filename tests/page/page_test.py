#!/usr/bin/env python3
"""Drives the chat page in headless Chromium, against the service over a scripted model.

Usage: page_test.py PAGE_SERVER [FOLDER_FOR_SCREENSHOTS [CASE...]]. Exit status 77: no Chromium here.
"""
import json
import pathlib
import shutil
import sys
import tempfile
import time

from browser import Browser
from endings import endings, endings_of_the_service
from servers import Proxy, Server
from steps import (ANSWER, IDLE, INPUT, LAST_ANSWER, N_TURNS, PROBLEM, ask, click, expect, expect_equal,
                   wait_until)


def chat(browser, program, pictures):
    server = Server(program, "--pause-us", "30000")
    browser.open(server.url)
    browser.screenshot(pictures / "welcome.png")
    browser.type_and_send("Who are you?")
    # It is a stream: a part of the answer is there before the whole.
    browser.wait_for(f"{LAST_ANSWER}.startsWith('Hello') && !{LAST_ANSWER}.includes('model.')")
    browser.wait_for(f"{IDLE} && {LAST_ANSWER}.includes('model.')")
    expect_equal(browser.value(LAST_ANSWER), ANSWER, "the answer's text, not as HTML")
    expect("tokens/s" in browser.value("document.getElementById('speed').textContent"), "a speed is shown")
    expect_equal(browser.value("document.querySelectorAll('.user .bubble').length"), 1, "the question is shown")
    expect_equal(browser.take_problems(), [], "the console is clean")
    click(browser, "settings-toggle")
    browser.screenshot(pictures / "answer.png")
    browser.value("""(() => { const e = document.getElementById('temperature'); e.value = '-1';
                     e.dispatchEvent(new Event('change')); })()""")
    browser.type_and_send("And now?")
    browser.wait_for(f"{PROBLEM}.includes('temperature')")
    expect_equal(browser.value(INPUT), "And now?", "the question is not lost")
    browser.value("localStorage.clear()")
    click(browser, "clear")
    expect_equal(browser.value(N_TURNS), 0, "clear removes the conversation")
    server.end()


def key(browser, program, pictures):
    """A server that asks for a key: the page asks for it, keeps it for the tab alone, and works with it."""
    server = Server(program, "--api-key", "a-key-in-clear")
    browser.open(server.url)
    browser.wait_for("!document.getElementById('key-row').hidden")
    expect_equal(browser.value("document.activeElement.id"), "key", "the keyboard is in the key's field")
    expect("API key" in browser.value("document.getElementById('welcome').textContent"), "a key is asked for")
    browser.screenshot(pictures / "key.png")
    enter = """(() => { const e = document.getElementById('key'); e.value = '%s';
                e.dispatchEvent(new Event('change')); })()"""
    browser.value(enter % "a-wrong-key")
    time.sleep(0.5)  # for the page to have tried it
    browser.type_and_send("Who are you?")
    browser.wait_for(f"{PROBLEM}.includes('not valid')")
    browser.value(enter % "a-key-in-clear")
    browser.wait_for("document.getElementById('model').textContent === 'tiny-fake'")
    expect_equal(browser.value(INPUT), "Who are you?", "the question is not lost")
    browser.type_and_send("")
    browser.wait_for(f"{IDLE} && {LAST_ANSWER}.includes('model.')")
    expect_equal(browser.value("JSON.stringify(localStorage).includes('a-key')"), False, "the key is kept for the tab alone")
    browser.open(server.url)
    browser.wait_for("document.getElementById('model').textContent === 'tiny-fake'")
    browser.value("sessionStorage.clear(); localStorage.clear()")
    browser.take_problems()
    server.end()


def stop(browser, program, pictures):
    """By the button and by the keyboard: nothing comes after, the server is told, and what came stays."""
    for way in ("document.getElementById('stop').click()", None):
        server = Server(program, "--endless")
        browser.open(server.url)
        browser.type_and_send("Go on for ever")
        browser.wait_for(f"{LAST_ANSWER}.length > 20")
        browser.value(way) if way else browser.press("Escape")
        browser.wait_for(IDLE)
        length = browser.value(f"{LAST_ANSWER}.length")
        expect("stopped" in browser.value("[...document.querySelectorAll('.note')].pop().textContent"),
               "stopped is said")
        expect_equal(browser.value("document.activeElement.id"), "input", "the keyboard is back in the field")
        time.sleep(0.3)
        expect_equal(browser.value(f"{LAST_ANSWER}.length"), length, "nothing comes after stop")
        expect_equal(server.end(), 1, "the server cancelled the answer")


# While an answer runs: what the user does, then asks "New?". Each is one task of the page's script, so that
# nothing else runs between its parts.
SEND_NEW = "document.getElementById('input').value = 'New?'; document.getElementById('form').requestSubmit();"
LEAVING = {
    "new chat": "document.getElementById('clear').click()",
    "new chat, asking at once": f"document.getElementById('clear').click(); {SEND_NEW}",
    "new chat twice": f"document.getElementById('clear').click(); {SEND_NEW}"
                      f"document.getElementById('clear').click(); {SEND_NEW}",
    "stop and new chat": "document.getElementById('stop').click(); document.getElementById('clear').click()",
    "reload": "location.reload()",
}
# Where the old answer is at that time.
MOMENTS = {
    "before it begins": (["--endless"], lambda got: (b"", "hold"), "true"),
    "in the thoughts": (["--thinking", "--answer", "<think>" + "so " * 30000], None,
                        "document.querySelector('.thoughts')?.textContent.length > 20"),
    "in the answer": (["--endless", "--answer", "old text "], None, f"{LAST_ANSWER}.length > 20"),
}


def leave(browser, program, pictures):
    """An answer belongs to the conversation that it was asked in."""
    for moment, (flags, fault, reached) in MOMENTS.items():
        for way, script in LEAVING.items():
            what = f"{way} {moment}"
            proxy = Proxy(Server(program, *flags, "--pause-us", "1000"))
            proxy.fault = fault
            browser.open(proxy.url)
            browser.type_and_send("Old?")
            browser.wait_for(f"!{IDLE} && {reached}")
            expect(wait_until(lambda: proxy.bodies), f"{what}: the old question is asked")
            proxy.fault = None
            browser.value(script)
            if way == "reload":
                browser.wait_for(f"{N_TURNS} === 0 && document.getElementById('model')?.textContent !== ''")
            if SEND_NEW not in script:
                expect_equal(browser.value(f"[{N_TURNS}, {IDLE}, document.getElementById('speed').textContent]"),
                             [0, True, ""], f"{what}: an empty page")
                browser.type_and_send("New?")
            browser.wait_for("document.querySelector('.thoughts')?.textContent.length > 20 || "
                             f"{LAST_ANSWER}.length > 20")
            expect_equal(browser.value(f"[{N_TURNS}, {IDLE}]"), [1, False], f"{what}: only the new answer runs")
            click(browser, "stop")
            kept = browser.value(LAST_ANSWER)
            browser.type_and_send("Newer?")
            browser.wait_for(f"{N_TURNS} === 2 && {LAST_ANSWER}.length + "
                             "([...document.querySelectorAll('.thoughts')][1]?.textContent.length || 0) > 20")
            asked = proxy.messages()
            expect(wait_until(lambda: proxy.n_running == 1), f"{what}: the server is told that nobody waits")
            click(browser, "clear")
            expect_equal(asked[0], [("user", "Old?")], what)
            for request in asked[1:-1]:
                expect_equal(request, [("user", "New?")], f"{what}: the new question goes alone")
            expect_equal(asked[-1], [("user", "New?"), ("assistant", kept), ("user", "Newer?")],
                         f"{what}: nothing of the old answer in the history")
            proxy.end()
    expect_equal([p for p in browser.take_problems() if "exception" in p], [], "no script failed")


def send_while_running(browser, program, pictures):
    """A second send waits in the field; after stop, the next answer leaves the stopped one as it was."""
    proxy = Proxy(Server(program, "--endless"))
    browser.open(proxy.url)
    browser.type_and_send("First?")
    browser.wait_for(f"{LAST_ANSWER}.length > 20")
    browser.type_and_send("Second?")
    expect_equal(browser.value(f"[{N_TURNS}, {INPUT}]"), [1, "Second?"], "the second question waits")
    browser.value("document.getElementById('stop').click(); document.getElementById('form').requestSubmit()")
    first = browser.value("document.querySelector('.assistant .bubble').textContent")
    browser.wait_for(f"{N_TURNS} === 2 && {LAST_ANSWER}.length > 20")
    expect_equal(browser.value("document.querySelector('.assistant .bubble').textContent"), first,
                 "the stopped answer stays as it was")
    click(browser, "stop")
    expect_equal(proxy.messages(), [[("user", "First?")],
                                    [("user", "First?"), ("assistant", first), ("user", "Second?")]],
                 "what the model is told")
    expect_equal(browser.value("document.querySelectorAll('.retry').length"), 1, "only the last can be asked again")
    proxy.end()


def thinking(browser, program, pictures):
    thoughts = "I <b>wonder</b>\n\nabout <img src=x onerror=\"window.executed = 1\">"
    proxy = Proxy(Server(program, "--thinking", "--pause-us", "20000",
                         "--answer", f"<think>{thoughts}</think>Yes & no."))
    browser.open(proxy.url)
    browser.type_and_send("Well?")
    browser.wait_for("document.querySelector('.thinking summary')?.textContent.startsWith('Thinking')")
    browser.wait_for(IDLE)
    expect_equal(browser.value("document.querySelector('.thoughts').textContent.trim()"), thoughts, "thoughts as text")
    expect_equal(browser.value(LAST_ANSWER), "Yes & no.", "the answer without thoughts")
    expect_equal(browser.value("document.querySelector('.thinking').open"), False, "thoughts are folded")
    expect(browser.value("""document.querySelector('.thinking').compareDocumentPosition(
        document.querySelector('.assistant .bubble')) & Node.DOCUMENT_POSITION_FOLLOWING"""), "above the answer")
    browser.value("document.querySelector('.thinking summary').focus()")
    browser.press("Enter")
    expect_equal(browser.value("document.querySelector('.thinking').open"), True, "the keyboard unfolds them")
    browser.screenshot(pictures / "thinking.png")
    ask(browser, "And?")
    said = proxy.bodies[1]["messages"][1]
    expect_equal(said["content"], "Yes & no.", "thoughts are no content")
    expect_equal(said["reasoning_content"].strip(), thoughts, "the template is given the thoughts")
    expect(browser.value("window.executed") is None, "nothing of a model is executed")
    proxy.end()


STAYS = {"en-US": "stays on this machine", "zh-CN": "只留在这台机器上"}
GOES = {"en-US": "goes to the server {} and nowhere else", "zh-CN": "只会发送到服务器 {}，"}
HOSTS = {"localhost": True, "127.0.0.1": True, "127.8.8.8": True, "[::1]": True, "glm.localhost": True,
         "glm.internal": False, "127.0.0.1.internal": False, "localhost.internal": False, "192.0.2.7": False}


def where_words_go(browser, program, pictures):
    """Only a page of this machine may say that words stay on it."""
    server = Server(program)
    for language in STAYS:
        browser.language(language)
        for host, here in HOSTS.items():
            browser.open(f"http://{host}:{server.port}/")
            found = browser.value("document.getElementById('welcome').textContent")
            expected = STAYS[language] if here else GOES[language].format(host)
            expect(expected in found, f"{host}, {language}: {found}")
            expect(here or STAYS[language] not in found, f"{host}, {language}: {found}")
        if language == "zh-CN":
            browser.screenshot(pictures / "elsewhere-zh.png")
    browser.language("en-US")
    server.end()


HOSTILE = """Before <script>window.executed = 1</script> <img src=x onerror="window.executed = 1">
```html
<script>window.executed = 1</script>
<img src=x onerror="window.executed = 1">
</code></pre><iframe srcdoc="<script>parent.executed = 1</script>"></iframe>
```
שלום, זה טקסט בעברית: <b>abc</b> 123.
A line from left to right, 好的, é, 🙂.
````
```
inner
```
````
[a](javascript:window.executed=1) ``not a fence`` {{nonce}}
   ```sh
   echo """ + "long " * 60 + """
   ```
```last
unclosed"""
# Fences are not shown, but those within the code between longer ones.
SHOWN = [line for i, line in enumerate(HOSTILE.split("\n")) if i not in (1, 5, 8, 12, 14, 16, 17)]


def hostile_text(browser, program, pictures):
    """Everything that a model writes is text, in code blocks too; each line has its own direction."""
    proxy = Proxy(Server(program, "--pause-us", "200", "--answer", HOSTILE))
    browser.open(proxy.url)
    ask(browser, HOSTILE)
    shown = browser.value("""[...document.querySelectorAll('.assistant .bubble .block')]
        .map((b) => b.textContent).join('')""")
    expect_equal(shown.split("\n"), SHOWN, "all text is shown, and fences are blocks")
    expect_equal(browser.value("document.querySelectorAll('.assistant pre').length"), 4, "code blocks")
    expect_equal(browser.value("""document.querySelectorAll(
        '#messages :is(script, img, iframe, a, b)').length"""), 0, "no element of a model's or user's making")
    expect_equal(browser.value("[...document.querySelectorAll('.user .bubble')].pop().textContent"), HOSTILE,
                 "the question's text")
    right_to_left = """(() => {
      const node = [...document.querySelectorAll('.assistant .block')].find((b) => b.textContent.includes('שלום'))
        .firstChild;
      const box = (word) => { const range = document.createRange(); const at = node.data.indexOf(word);
        range.setStart(node, at); range.setEnd(node, at + 1); return range.getBoundingClientRect().left; };
      return [box('ש') > box('123'), box('A line') < box('好')]; })()"""
    expect_equal(browser.value(right_to_left), [True, True], "each line has the direction of its first letters")
    time.sleep(0.2)
    expect(browser.value("window.executed") is None, "nothing of a model is executed")
    expect_equal(browser.take_problems(), [], "the console is clean, of refused scripts too")
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(proxy.url)
        ask(browser, "Show me")
        for width, height in ((1000, 900), (390, 780), (320, 600)):
            browser.size(width, height)
            click(browser, "settings-toggle")
            browser.screenshot(pictures / f"settings-{scheme}-{width}.png")
            expect(browser.value("document.documentElement.scrollWidth") <= width, f"settings at {width} pixels")
            click(browser, "settings-toggle")
            browser.value("document.getElementById('messages').scrollTop = 0")
            browser.screenshot(pictures / f"text-{scheme}-{width}.png")
            expect(browser.value("document.documentElement.scrollWidth") <= width,
                   f"no sideways scrolling at {width} pixels")
            expect(browser.value("""document.getElementById('messages').scrollWidth <=
                                    document.getElementById('messages').clientWidth"""),
                   f"no sideways scrolling of messages at {width} pixels")
        browser.size(1000, 700)
    browser.call("Emulation.setEmulatedMedia", features=[])
    proxy.end()


def long_answer(browser, program, pictures):
    """A very long answer comes whole; it pulls the view along only where the user is at its end."""
    unit = "A line of an answer that goes on and on.\n"
    server = Server(program, "--endless", "--pause-us", "20", "--answer", unit)
    browser.open(server.url)
    browser.value("document.getElementById('max-tokens').value = '3000'")
    ask(browser, "Long")
    at_end = """(() => { const m = document.getElementById('messages');
                 return m.scrollHeight - m.scrollTop - m.clientHeight < 60; })()"""
    expect(browser.value(at_end), "the view follows")
    browser.value("document.getElementById('max-tokens').value = '20000'")
    browser.type_and_send("Longer")
    browser.wait_for(f"{N_TURNS} === 2 && {LAST_ANSWER}.length > 500")
    browser.value("document.getElementById('messages').scrollTop = 0")
    browser.wait_for(f"{N_TURNS} === 2 && {IDLE}")
    expect(browser.value(f"{LAST_ANSWER} === {json.dumps(unit)}.repeat(500).slice(0, 20000)"), "it is whole")
    expect_equal(browser.value("document.getElementById('messages').scrollTop"), 0, "who reads above stays there")
    expect("token limit" in browser.value(PROBLEM), "the limit is told")
    browser.value("document.getElementById('max-tokens').value = ''")
    server.end()


CASES = [chat, key, stop, leave, send_while_running, thinking, endings, endings_of_the_service, where_words_go,
         hostile_text, long_answer]


def main():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("chromium is not installed: skipped")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        pictures = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else scratch)
        browser = Browser(program, scratch + "/profile")
        try:
            browser.open_page()
            browser.size(1000, 700)
            for case in CASES:
                if len(sys.argv) > 3 and case.__name__ not in sys.argv[3:]:
                    continue
                begun = time.monotonic()
                case(browser, sys.argv[1], pictures)
                print(f"{case.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
        finally:
            browser.close()
    print("the chat page works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
