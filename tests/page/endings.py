"""Cases of the chat page's test: how answers end, and what the page says of it."""
import json

from servers import Proxy, Server, cut, cut_before, in_place
from steps import ANSWER, IDLE, INPUT, LAST_ANSWER, N_TURNS, PROBLEM, RETRY, ask, expect, expect_equal

PLAIN = b"HTTP/1.1 %s\r\nContent-Type: %s\r\n\r\n%s"
EVENTS = b"text/event-stream; charset=utf-8"
PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"part"},"finish_reason":null}]}\n\n'
LENGTH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"%s"}]}\n\n'
DONE = b"data: [DONE]\n\n"
CUT = "The answer was cut off: the connection ended"
LOST = "No answer came: the connection to the server was lost"
# Name: fault, the words of the page, what is there of the answer (None: whatever came of the server's).
ENDINGS = {
    "the connection ends within the answer": (cut("close", 1500), CUT, None),
    "the connection is reset within the answer": (cut("reset", 1500), CUT, None),
    "the connection ends before [DONE]": (cut_before("close", b"data: [DONE]"), CUT, ANSWER),
    "the connection ends within [DONE]": (cut_before("close", b"]\n\n"), CUT, None),
    "the connection ends after the first event": (cut_before("close", b'"content":"H"'), LOST, ""),
    "no answer at all": (lambda got: (b"", "close"), LOST, ""),
    "a reset in place of an answer": (lambda got: (b"", "reset"), LOST, ""),
    "a page of a proxy": (in_place(PLAIN % (b"200 OK", b"text/html", b"<p>Log in</p>")), LOST, ""),
    "an error page of a proxy": (in_place(PLAIN % (b"504 Gateway Timeout", b"text/html", b"<p>slow</p>")),
                                 "The server refused (504).", ""),
    "a refusal": (in_place(PLAIN % (b"503 Busy", b"application/json", b'{"error":{"message":"too <b>many"}}')),
                  "too <b>many", ""),
    "an error within the stream": (
        in_place(PLAIN % (b"200 OK", EVENTS, PIECE + b'data: {"error":{"message":"out of <i>paper"}}\n\n' + DONE)),
        "out of <i>paper", "part"),
    "an error at once": (in_place(PLAIN % (b"200 OK", EVENTS, b'data: {"error":{"message":"no"}}\n\n')), "no", ""),
    "what is no JSON": (in_place(PLAIN % (b"200 OK", EVENTS, PIECE + b'data: {"choi\n\n' + DONE)), CUT, "part"),
    "[DONE] without a reason": (in_place(PLAIN % (b"200 OK", EVENTS, PIECE + DONE)), CUT, "part"),
    "the token limit": (in_place(PLAIN % (b"200 OK", EVENTS, PIECE + LENGTH % b"length" + DONE)),
                        "cut off at the token limit", "part"),
    "another reason": (in_place(PLAIN % (b"200 OK", EVENTS, PIECE + LENGTH % b"content_filter" + DONE)),
                       "content_filter", "part"),
    "a whole answer": (None, "", ANSWER),
    "line ends of Windows, comments, split bytes": (
        in_place(PLAIN % (b"200 OK", EVENTS, b": ping\r\n\r\n" +
                          (PIECE + b": ping\n\n" + LENGTH % b"stop" + b"event: x\ndata:[DONE]\n\n")
                          .replace(b"\n", b"\r\n"))), "", "part"),
}


def endings(browser, program, pictures):
    """How an answer ended is told; the same question can be asked again, and what failed is then forgotten."""
    for name, (fault, words, left) in ENDINGS.items():
        proxy = Proxy(Server(program, "--pause-us", "100"))
        browser.open(proxy.url)
        proxy.fault = fault
        ask(browser, "What?")
        shown, part = browser.value(PROBLEM), browser.value(LAST_ANSWER)
        if words == CUT and part == "":
            words = LOST  # a reset may take with it what had come
        expect(words in shown and bool(words) == bool(shown), f"{name}: {shown!r}")
        expect_equal(browser.value("document.querySelectorAll('#messages :is(b, i, p:not(#welcome))').length"), 0,
                     f"{name}: words are no HTML")
        if left is None:
            expect(ANSWER.startswith(part), f"{name}: a part of the answer, found {part!r}")
        else:
            expect_equal(part, left, f"{name}: the answer")
        expect_equal(browser.value(INPUT), "" if part else "What?", f"{name}: an unanswered question is not lost")
        if name == "an error within the stream":
            browser.screenshot(pictures / "error.png")
        proxy.fault = None
        n_failed = len(proxy.bodies)
        browser.value(RETRY)
        browser.wait_for(f"{IDLE} && {LAST_ANSWER} === {json.dumps(ANSWER)}")
        expect_equal(browser.value(f"[{N_TURNS}, {INPUT}, {PROBLEM}]"), [1, "", ""], f"{name}: one turn after retry")
        ask(browser, "More?")
        expect_equal(proxy.messages(), [[("user", "What?")]] * (n_failed + 1) +
                     [[("user", "What?"), ("assistant", ANSWER), ("user", "More?")]],
                     f"{name}: what the model is told")
        proxy.end()
    # The console tells of refusals and broken connections; of faults in the page it must not.
    expect_equal([p for p in browser.take_problems() if "exceptionDetails" in p], [], "no script failed")


def endings_of_the_service(browser, program, pictures):
    """The same without a proxy: the service's own errors, limits, and its sudden end."""
    def limit(n):
        browser.value(f"document.getElementById('max-tokens').value = '{n}'")
    cases = {"error": (["--error", "the disk is <full>"], lambda: None, "the disk is <full>"),
             "length": (["--endless"], lambda: limit(20), "cut off at the token limit"),
             "length in thoughts": (["--thinking", "--answer", "<think>" + "so " * 100], lambda: limit(20),
                                    "cut off at the token limit"),
             "killed": (["--endless"], None, CUT)}
    for name, (flags, before, words) in cases.items():
        server = Server(program, *flags)
        browser.open(server.url)
        if before:
            before()
        browser.type_and_send("What?")
        if before is None:
            browser.wait_for(f"{LAST_ANSWER}.length > 20")
            server.kill()
        browser.wait_for(f"{N_TURNS} === 1 && {IDLE}")
        expect(words in browser.value(PROBLEM), f"{name}: {browser.value(PROBLEM)!r}")
        expect_equal(browser.value("document.querySelectorAll('.retry').length"), 1, f"{name}: a new try is offered")
        server.end()
    browser.take_problems()
