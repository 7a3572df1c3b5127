"""The language's own forms: literals, conditions, access, precedence; statements; what is refused."""

SYNTAX = r"""
'yes' if n else 'no'
'yes' if z
('yes' if z) is defined
1 if z else 2 if z else 3
[1, [2, 'x'], {'a': (1,)}, (), (1,), none, true, 'it\'s', "q\"", 'both\'"', '\n\t\x01é\u200b\\']
'a' 'b' "c"
'\u4f60\x41\101\q'
"line\
join"
1_000 + 0x10 + 0b11 + 0o7
1e3
1.5e-3
.5
5.
x.0
l.0
l.0.real
users.0.name
users[0]['tags'][0]
nested.a.b[0].c
nested['a'].b.0['c']
loop
raise_exception('boom ' ~ n)
raise_exception()
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y %H:%M:%S %A %j %f %z%Z%%|')
dict
9223372036854775807
s.join
l.index(1)
l.index(99)
l.count(1)
l.copy()
d.copy() == d
[3,1] == [3,1]
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
(1,2) == [1,2]
'a' == 1
[1,2,3][1:][0]
{'a': 1}['a']
{'a': 1}.a
{'a': 1, 'a': 2}
{[1]: 2}
[1,]
{'a': 1,}
(1,)
()
1,2
l|map('round', 1)|list
n.bit_length()
f.is_integer()
s|center(40)
'a b c d e f g'|truncate(8)
'a b c d e f g h i j k l m n o p'|truncate(12)
'abcdefghijklmnopqrstuvwxyz'|truncate(10, true)
'abcdefghijklmnopqrstuvwxyz'|truncate(10, true, '..', 0)
1000000|filesizeformat
1024|filesizeformat(true)
1|filesizeformat
s is defined and n is defined
not undefined_name is defined
n is not divisibleby 2
l|length > 2 and users|length == 3
'a' in 'abc' and not 'z' in 'abc'
s|upper|lower|length + 1
-1|abs
-(1|abs)
2 * l|length
'ΑΣ ΣΑΣ.'.lower()
'ŉß'.upper()
'ﬁx'.title()
'İ'.lower()|length
'ǆ'.capitalize()
's'.upper(1)
s.upper
range(3)|sum
range(3)|first
range(3)|last
'abc'|map('upper')|list
d|map('upper')|list
'cba'|sort
'a,b'.split(',')|map('trim')|list
users[0].items()|list
users[0]|length
users|first
(users|last).name
caller
varargs
""".strip("\n").split("\n")

# What jinja2 renders and we refuse: integers over 64 bits, complex numbers, references to blocks.
REFUSED = [
    "(-8)**(1/3)",
    "self",
    "9223372036854775807 + 1",
    "99999999999999999999",
    "10 ** 30",
    "s.format_map({'a': 1})",
    "s|pprint",
    "s|wordwrap(3)",
    "'http://a.b'|urlize",
    "{'a': 1}|xmlattr",
    "lipsum()",
]

STATEMENTS = [
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a','b') }}{{ loop.changed(x > 1) }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}/{{ loop.length }}{{ loop.last }}{% else %}none{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in el %}{% else %}empty{% endfor %}",
    "{% for x in l %}{% break %}{% else %}E{% endfor %}",
    "{% for x in l %}{% continue %}{% else %}E{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if loop.last %}!{% endif %}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }};{% endfor %}",
    "{% for k, v in l %}{% endfor %}",
    "{% for k, v in [(1,2,3)] %}{% endfor %}",
    "{% for (a, b), c in [((1,2),3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for x in n %}{% endfor %}",
    "{% for x in nil %}{% endfor %}",
    "{% for x in undefined_name %}{% else %}u{% endfor %}",
    "{% for c in s %}{{ c }}.{% endfor %}",
    "{% for x in nested.a.b recursive %}{{ x.c }}{% endfor %}",
    "{% for x in [[1,[2]],[3]] recursive %}{{ loop.depth }}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in l %}{{ loop(x) }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{{ x }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in l %}{% set q = x %}{{ q }}{% endfor %}{{ q is defined }}",
    "{% set q = 0 %}{% for x in l %}{{ q }}{% set q = x %}{{ q }}{% endfor %}{{ q }}",
    "{% set ns = namespace(v=0) %}{% for x in l %}{% set ns.v = ns.v + x %}{% endfor %}{{ ns.v }}",
    "{% set ns = namespace() %}{% set ns.a.b = 1 %}",
    "{% set d.b = 1 %}",
    "{% set undefined_name.b = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}",
    "{% set a, b = [1] %}",
    "{% set x %}b{{ n }}{% endset %}{{ x|upper }}",
    "{% set x | upper | replace('B', 'c') %}b{{ n }}{% endset %}{{ x }}",
    "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}",
    "{% if n %}{% set y = 1 %}{% endif %}{{ y }}",
    "{% if z %}a{% elif n %}b{% else %}c{% endif %}",
    "{% if undefined_name %}a{% else %}c{% endif %}",
    "{% if undefined_name.x %}a{% else %}c{% endif %}",
    "{% macro f(a, b='x', c=n) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(c=3, a=1) }}{{ f() }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}",
    "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(q=2) }}",
    "{% macro f(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }}",
    "{% macro f(a=a) %}{{ a is defined }}{% endmacro %}{% set a = 1 %}{{ f() }}",
    "{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(5) }}",
    "{% macro f() %}{{ caller() }}!{% endmacro %}{% call f() %}body{{ n }}{% endcall %}",
    "{% macro f() %}{{ caller(1, 2) }}!{% endmacro %}{% call(a, b=3) f() %}{{ a }}{{ b }}{% endcall %}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}",
    "{% macro f(x) %}{{ x }}{% if x %}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(3) }}",
    "{% macro f() %}{{ q }}{% endmacro %}{% set q = 1 %}{{ f() }}{% set q = 2 %}{{ f() }}",
    "{% macro f() %}{% set q = 5 %}{% endmacro %}{{ f() }}{{ q is defined }}",
    "{% macro f() %}{{ x }}{% endmacro %}{% for x in l %}{{ f() }}{% endfor %}",
    "{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f(a, b) %}{% endmacro %}{{ f.name }}{{ f.arguments }}{{ f.catch_kwargs }}{{ f.caller }}",
    "{% macro f(a, a) %}{% endmacro %}",
    "{% macro f(a=1, b) %}{% endmacro %}",
    "{{ [1,2]|map('string')|list }}{% set g = l|map('string') %}{{ g|list }}{{ g|list }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "{% with %}{% set q = 1 %}{% endwith %}{{ q is defined }}",
    "{% filter upper %}abc{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b')|upper %}abc{% endfilter %}",
    "{% raw %}{{ x }}{% if %}{% endraw %}",
    "a\n  {% raw -%}\n  {{ x }}\n  {%- endraw %}\nb",
    "{# c #}a{#- d -#} b",
    "a\n  {# c #}\nb",
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n",
    "a\n  {%- if t -%}\n  b\n  {%- endif -%}\nc\n",
    "a\n  {%+ if t %}\n  b\n  {%+ endif +%}\nc\n\n",
    "a  {{- n -}}  b",
    "a\n{{ n }}\nb",
    "x {% if t %}y{% endif %} z",
    "   {% if t %}   {% endif %}\n\n",
    "\r\n a \r b \r\n",
    "{% generation %}a{% set q = 1 %}{% endgeneration %}{{ q is defined }}",
    "{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
    "{% block a %}x{{ n }}{% endblock %}",
    "{% for x in l %}{% block a %}[{{ x }}]{% endblock %}{% endfor %}",
    "{% for x in l %}{% block a scoped %}[{{ x }}]{% endblock %}{% endfor %}",
    "{% block a %}{% endblock %}{% block a %}{% endblock %}",
    "{% print n, s %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% if z %}{% include 'x' %}{% endif %}ok",
    "{% break %}",
    "{% unknown %}",
    "{% if t %}",
    "{% endif %}",
    "{{ n",
    "{{ }}",
    "{% %}",
    "{{ n }",
    "{# open",
    "{% raw %} open",
    "{{ 'open }}",
    "{{ (1 }}",
    "{{ 1) }}",
    "{{ [1} }}",
    "{{ ! }}",
    "{{ 1 if }}",
    "{{ a b }}",
    "{{ f(a=1, 2) }}",
    "{{ f(*l, *l) }}",
    "{{ range(*[1, 5]) | list }}{{ dict(**{'a': 1}) }}",
    "{{ dict(a=1, **{'a': 2}) }}",
    "{% set true = 1 %}",
    "{% set 1 = 1 %}",
    "{% for loop in l %}{% endfor %}",
    "{% for x in l %}{% set loop = 1 %}{% endfor %}",
    "{% if z %}{{ s|nosuch }}{% endif %}ok",
    "{% if t %}{{ s|nosuch }}{% endif %}ok",
    "{% for x in l %}{% if z %}{{ s|nosuch }}{% endif %}{% endfor %}",
    "{% for x in el %}{{ s|nosuch }}{% endfor %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}",
    "{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% for g in users|groupby('age') %}{{ g.grouper }}:{{ g.list|map(attribute='name')|join(',') }};{% endfor %}",
    "{% for a, b in users|groupby('age') %}{{ a }}:{{ b|length }};{% endfor %}",
    "{% set ns = namespace(x=1) %}{% for i in [1,2] if ns.x < 2 %}{{ i }}{% set ns.x = 5 %}{% endfor %}",
    "{{ s is defined if t else 'no' }}",
    "{% set x = 1 if t else 2 %}{{ x }}",
    "{% for x in (1, 2) %}{{ x }}{% endfor %}{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in l | sort | reverse %}{{ x }}{% endfor %}",
    "{%- set x = {'a': [1, {'b': 2}]} -%} {{ x.a[1].b }} {{- x }}",
    "{{ {'a': {'b': 1}}}}",
    "{{'}}'}}{{ '%}' }}{% if '%}' %}x{% endif %}",
    "{% set messages = users[1:] %}{{ messages|length }}{{ messages[0].name }}",
    "{% if users[0].on and users[0]['name'] == 'Bob' %}y{% endif %}",
    "{% autoescape false %}{{ html }}{% endautoescape %}",
    "{% macro g() %}{{ self }}{% endmacro %}",
    "{%for x in l%}{{x}}{%endfor%}",
    "{% if (n > 3\n  and f) %}multi{% endif %}",
    "{% set _x = 1 %}{{ _x }}",
    "{{ 'a' ~ ('b' if z) ~ 'c' }}",
    "{% call range(1) %}{% endcall %}",
    "{% call n %}{% endcall %}",
]
