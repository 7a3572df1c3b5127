"""A generator of random expressions, statements and wounded templates; the same seed makes the same ones."""

ATOMS = """s e sp n m z f t no nil l words d users nested el ed html big undefined_name 1 0 -1 2.5 'a' 'xyz' "q" ''
[] {} () [1,2] ('a',1) {'a':1} true none range(4) users[0] d.b nested.a s[0] l[-1] 10 'A b c' 3""".split()
FILTERS = """length upper lower title capitalize trim first last join list reverse sort unique string int float abs round
tojson default('x') d('y',true) sum min max items dictsort safe e escape wordcount batch(2) slice(2) map('string') map('upper')
map(attribute='name') select reject select('string') selectattr('name') rejectattr('on') groupby('age') replace('a','b')
indent indent(2,true) truncate(9) center(9) urlencode striptags format(1) join(',') join('-',attribute='name') sort(reverse=true)
tojson(indent=2) round(1) int(7) attr('b') count""".split()
METHODS = """upper() lower() strip() lstrip() rstrip() split() split('a') split(',',1) rsplit('b') splitlines() title() capitalize()
startswith('a') endswith('z') replace('a','b') find('a') count('a') index('a') join(['x','y']) items() keys() values() get('a')
get('b',3) copy() isdigit() isalpha() isupper() format(1,2) zfill(5) partition('b') name age x 0 items""".split()
TESTS = """defined undefined none string number integer float boolean mapping sequence iterable true false odd even lower upper
callable eq(1) ne(2) lt(3) gt(1) in([1,2]) divisibleby(2) sameas(none) escaped""".split()
OPERATORS = "+ - * / // % ** ~ == != < <= > >= in and or".split() + ["not in"]


def random_expression(rng, depth=3):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(ATOMS)
    kind = rng.randrange(9)
    inner = random_expression(rng, depth - 1)
    if kind <= 1:
        return f"{inner}|{rng.choice(FILTERS)}"
    if kind <= 3:
        return f"{inner}.{rng.choice(METHODS)}"
    if kind == 4:
        return f"({inner} {rng.choice(OPERATORS)} {random_expression(rng, depth - 1)})"
    if kind == 5:
        return f"({inner} is {rng.choice(['', 'not '])}{rng.choice(TESTS)})"
    if kind == 6:
        index = rng.choice(["0", "-1", "1:", ":2", "::-1", "'a'", "'name'", "1:3", "-2:", "::2", random_expression(rng, 0)])
        return f"{inner}[{index}]"
    if kind == 7:
        return f"({inner} if {random_expression(rng, depth - 1)} else {random_expression(rng, depth - 1)})"
    return rng.choice([f"[{inner}, {rng.choice(ATOMS)}]", f"({inner},)", f"{{'k': {inner}}}", f"not {inner}", f"-{inner}"])


def random_statement(rng, depth=2):
    kind = rng.randrange(8) if depth else 7
    space = lambda: rng.choice(["", "", "-", "+"]) if kind < 7 else rng.choice(["", "", "-"])
    o, c = "{%" + space(), rng.choice(["", "", "-", "+"]) + "%}"
    text = rng.choice(["", " ", "\n", "  \n ", "x", "\n  y ", " z\n"])
    body = lambda: "".join(random_statement(rng, depth - 1) for _ in range(rng.randrange(1, 3)))
    value = lambda: random_expression(rng, 2)
    if kind == 0:
        return f"{text}{o} if {value()} {c}{body()}{o} else {c}{body()}{o} endif {c}"
    if kind == 1:
        show = rng.choice(["{{ loop.index }}", "{{ loop.last }}", "{{ x }}", "{{ loop.length }}", "{{ loop.nextitem }}"])
        return f"{text}{o} for x in {value()} {c}{show}{body()}{o} endfor {c}"
    if kind == 2:
        return f"{text}{o} set {rng.choice(['v', 's', 'n', 'l'])} = {value()} {c}"
    if kind == 3:
        return f"{text}{o} set v {c}{body()}{o} endset {c}{{{{ v }}}}"
    if kind == 4:
        return f"{text}{o} macro g(a, b=2) {c}{{{{ a }}}}{{{{ b }}}}{body()}{o} endmacro {c}{{{{ g({value()}) }}}}"
    if kind == 5:
        return f"{text}{o} filter {rng.choice(['upper', 'trim', 'length', 'indent'])} {c}{body()}{o} endfilter {c}"
    if kind == 6:
        return f"{text}{{#{space()} c {rng.choice(['', '-', '+'])}#}}{text}"
    return f"{text}{{{{{space() if kind == 7 else ''} {value()} {rng.choice(['', '-'])}}}}}{rng.choice(['', ' ', chr(10)])}"


def mutated(rng, source):
    """A real template with one to three small wounds."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(source) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            source = source[:at] + source[at + rng.randrange(1, 8):]
        elif kind == 1:
            source = source[:at] + rng.choice(["{%", "%}", "{{", "}}", "-", "'", "(", ")", "[", "|", ".", " if ", "\n", "é", "{#"]) + source[at:]
        elif kind == 2:
            other = rng.randrange(len(source) + 1)
            source = source[:at] + source[other:other + 12] + source[at:]
        else:
            source = source[:at]
    return source
