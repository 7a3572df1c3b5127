"""What the cases of the chat page's test share: how the page is read and used."""
import time

from browser import LIMIT_S

ANSWER = "Hello from the <b>scripted</b> model. "  # page_server's own
LAST_ANSWER = "([...document.querySelectorAll('.assistant .bubble')].pop()?.textContent || '')"
PROBLEM = "([...document.querySelectorAll('.error .bubble')].pop()?.textContent || '')"
IDLE = "document.getElementById('stop').hidden"
N_TURNS = "document.querySelectorAll('.turn').length"
INPUT = "document.getElementById('input').value"
RETRY = "[...document.querySelectorAll('.retry')].pop().click()"


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def expect_equal(found, expected, what):
    expect(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def click(browser, name):
    browser.value(f"document.getElementById('{name}').click()")


def wait_until(reached):
    deadline = time.monotonic() + LIMIT_S
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)
    return reached()


def ask(browser, question):
    """Asks, and waits for the end of the answer."""
    n_asked = browser.value(N_TURNS)
    browser.type_and_send(question)
    browser.wait_for(f"{IDLE} && {N_TURNS} > {n_asked}")
