"""Small templates that exercise the language itself, and a generator of random ones."""

import random

CONTEXT = {
    "s": "Hello, Wörld! 你好 ß",
    "e": "",
    "sp": "  a b\tc\n",
    "lines": "one\ntwo\r\n\nthree\x0bfour",
    "n": 7,
    "m": -3,
    "z": 0,
    "f": 2.5,
    "big": 1e16,
    "small": 1e-7,
    "t": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["b", "A", "c", "a"],
    "mixed": [1, "a", None, 2.0, True, [1], {"k": 1}],
    "d": {"b": 1, "A": 2, "items": 3, "x y": "q", "n": None},
    "users": [
        {"name": "Bob", "age": 30, "tags": ["x"], "on": True},
        {"name": "alice", "age": 25, "tags": [], "on": False, "mail": "a@b"},
        {"name": "Carl", "age": 30, "tags": ["y", "z"], "on": True, "mail": None},
    ],
    "nested": {"a": {"b": [{"c": "deep"}]}},
    "el": [],
    "ed": {},
    "html": "<b>&'\"</b>",
}

EXPRESSIONS = r"""
s
s|length
s|upper
s|lower
s|title
s.title()
s|capitalize
s.swapcase()
s[0]
s[-1]
s[7:12]
s[::-1]
s[::2]
s[10:2:-2]
s[100]
s[100:]
s['x']
s.x is defined
s|reverse
s|list
s|first
s|last
s|wordcount
s|replace('l', 'L')
s|replace('l', 'L', 1)
s|replace('', '-')
s.replace('', '-', 3)
s.split()
s.split(' ')
s.split(' ', 1)
s.rsplit(' ', 1)
s.rsplit(None, 2)
s.split(maxsplit=1)
s.split('')
sp.split()
sp.strip() ~ '|'
sp.lstrip() ~ '|'
sp.rstrip() ~ '|'
sp.strip(' a') ~ '|'
sp|trim
s|trim('H!')
lines.splitlines()
lines.splitlines(true)
lines|indent
lines|indent(2, true)
lines|indent('> ', blank=true)
lines|indent(width=1, first=True, blank=True)
s.partition(',')
s.rpartition('l')
s.find('l')
s.find('l', 4)
s.rfind('l')
s.find('你')
s.index('zz')
s.count('l')
s.count('')
s.startswith('Hell')
s.startswith(('x', 'H'))
s.startswith(['x'])
s.endswith('ß')
s.endswith('l', 0, 4)
s.center(30) ~ '|'
'ab'.ljust(5, '*')
'ab'.rjust(5, '*')
'-5'.zfill(4)
'a\tb'.expandtabs(4)
s.encode
s.isupper()
'ABC'.isupper()
'a1'.isalnum()
'12'.isdigit()
'  '.isspace()
''.isspace()
'Ab Cd'.istitle()
'abc'.removeprefix('a')
'abc'.removesuffix('c')
', '.join(words)
', '.join(l)
l|join(', ')
l|join
users|join(', ', attribute='name')
mixed
mixed|string
mixed|tojson
mixed|tojson(indent=2)
d|tojson
d|tojson(indent=4)
d|tojson(sort_keys=true)
d|tojson(separators=(',', ':'))
d|tojson(ensure_ascii=true)
s|tojson(ensure_ascii=true)
html|tojson
users|tojson(indent=1)
{1: 2, none: 3, true: 4, 1.5: 5}|tojson
{(1,2): 3}|tojson
undefined_name|tojson
el|tojson(indent=2) ~ ed|tojson(indent=2)
[big, small, 1.0, 100.0, 1e22, 123456789012345678.0, 0.1, 1e15, 1e-4, 1e-5, -0.0]
[big, small]|tojson
1/3
7/2
6/2
7//2
-7//2
7//-2
7%3
-7%3
7%-3
7.5//2
-7.5//2
7.5%2
-7.5%2
2**10
2**-1
2**0.5
-2**2
2**3**2
0**-1
1/0
1//0
1%0
1.0/0
n+m
n+f
n-f
n*f
n*'ab'
'ab'*3
[1,2]*2
'ab'*-1
l+[4]
(1,2)+(3,)
s+1
1+s
'a'+'b'~1~none~true
1~2
t+1
t+t
-t
+t
-s
not s
not e
n>5 and f<3
e or 'x'
e and 'x'
nil or z or 'last'
1 < 2 < 3
1 < 2 > 3
1 == 1.0
t == 1
'a' < 'b'
[1,2] < [1,3]
(1,2) < (1,2,3)
1 < 'a'
nil < 1
nil == undefined_name
undefined_name == other_undefined
undefined_name < 1
undefined_name + 1
undefined_name
undefined_name.x
undefined_name['x']
undefined_name()
undefined_name|length
undefined_name|list
undefined_name|upper
undefined_name|default('d')
undefined_name|d
e|default('d')
e|default('d', true)
e|default('d', boolean=true)
nil|default('d')
nil|d('x', true)
nil.x
nil.x.y
nil['x']
n.x
n.real
l.x
l.append
l.append(1)
d.update({})
d.pop('b')
l[0]
l[-1]
l[9]
l['a']
l[1:]
l[:-1]
l[::-1]
l[t]
l[1.0]
l[::0]
l['a':]
nil[1:]
d['b']
d.b
d.items
d['items']
d.items()|list
d.items()
d.keys()
d.values()|list
d.keys()|list
d|list
d|length
d|dictsort
d|dictsort(true)
d|dictsort(by='value')
d.get('b')
d.get('zz')
d.get('zz', 'y')
d.get()
d['x y']
d['zz']
d.zz
d[[1]]
d|items|list
nil|items|list
undefined_name|items|list
'b' in d
'zz' not in d
'ell' in s
1 in l
1.0 in l
'1' in l
1 in s
none in mixed
[1] in mixed
'a' in undefined_name
undefined_name in s
'a' in 5
[1] in d
range(5)
range(5)|list
range(1, 10, 3)|list
range(5, 0, -2)|list
range(3)[1]
range(10)[2:5]
range(10)[::-1]|list
range(0)|length
range(1000000)
range(1.5)
dict(a=1, b=2)
dict([('a', 1)], c=3)
dict(1)
namespace(a=1).a
namespace(a=1).b
namespace(a=1)['a']
namespace(_a=1)
namespace({'q': 1}).q
namespace(undefined_name)
dict(undefined_name)
cycler('a','b').next()
joiner('|')()
lipsum
l|sort
l|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
mixed|sort
users|sort(attribute='name')|map(attribute='name')|list
users|sort(attribute='age,name')|map(attribute='name')|list
users|sort(attribute='mail')
words|unique|list
['a','A','b']|unique|list
['a','A','b']|unique(case_sensitive=true)|list
[[1],[1]]|unique|list
l|sum
l|sum(start=10)
users|sum(attribute='age')
words|sum
l|min
l|max
words|min
words|max(case_sensitive=true)
el|min
el|max is defined
mixed|max
users|max(attribute='age')
l|reverse|list
l|reverse
(l|reverse)|length
el|first
el|last
el|first is defined
(users|map(attribute='name'))|last
users|map(attribute='name')|list
users|map(attribute='mail')|list
users|map(attribute='mail', default='-')|list
users|map(attribute='tags.0')|list
users|map(attribute='tags.0', default='none')|list
words|map('upper')|list
words|map('upper')|join
l|map('string')|list
l|map('nofilter')|list
l|map|list
words|map('replace', 'a', 'x')|join(',')
users|selectattr('on')|map(attribute='name')|list
users|rejectattr('on')|map(attribute='name')|list
users|selectattr('age', 'equalto', 30)|map(attribute='name')|list
users|selectattr('age', '>', 26)|list|length
users|selectattr('mail', 'defined')|list|length
users|selectattr('mail', 'none')|list|length
users|selectattr('on')|length
(users|selectattr('nothing')) is true
(users|selectattr('nothing')) and 'generators are true'
users|selectattr('on')|first
users|selectattr('zz.yy')|list
l|select('odd')|list
l|reject('odd')|list
l|select('divisibleby', 3)|list
l|select('in', [1,2])|list
mixed|select|list
mixed|select('string')|list
l|select('notest')|list
users|groupby('age')
users|groupby('age')|map(attribute='grouper')|list
users|groupby('age')|map(attribute='list')|map('length')|list
users|groupby('mail', default='~')|list|length
words|groupby(0)
l|batch(2)|list
l|batch(2, 'x')|list
range(7)|slice(3)|list
range(7)|slice(3, 'x')|list
l|slice(0)|list
2.5|round
3.5|round
2.675|round(2)
-2.5|round
7|round
7|round(-1)
1234.567|round(-2)
2.1|round(0, 'ceil')
2.9|round(0, 'floor')
2.14|round(1, 'ceil')
nil|round
'42'|int
'42.9'|int
'x'|int
'x'|int(5)
'0x1f'|int(base=16)
'1f'|int(0, 16)
'1_000'|int
' 12 '|int
nil|int
f|int
t|int
undefined_name|int
'1e3'|int
'inf'|int
'nan'|int
'2.5'|float
'x'|float
'x'|float(1)
n|float
nil|float
undefined_name|float
'1e400'|float
m|abs
-2.5|abs
s|abs
true|abs
n|string ~ f|string
nil|string
html|e
html|escape
html|safe
html|safe|length
(html|safe) + '<i>'
html|striptags
'a <b>x</b>  y &amp; z'|striptags
s|urlencode
'a b/c?d=é'|urlencode
{'a b': 'c/d', 'e': 1}|urlencode
'%s is %d'|format('x', 3)
'%(a)s'|format(a=1)
'%5.2f|%-5s|%05d|%x|%e|%g'|format(3.14159, 'ab', 42, 255, 12345.678, 0.0001)
'%s %s' % ('a', 1)
'%s' % 1
'%r' % 'a'
'%s' % [1, 'a']
'%d' % 3.9
'%d' % 'a'
'%s %s' % 'a'
'%s' % ('a', 'b')
'100%%' % ()
'%c' % 65
'%+d % d' % (3, 4)
'{}-{}'.format(1, 'a')
'{0}{1}{0}'.format('a', 'b')
'{a}'.format(a=1)
'{a.b}'.format(a={'b': 1})
'{a[b]}'.format(a={'b': 1})
'{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd')
'{:05d} {:,} {:.2f} {:e} {:%} {:x} {:#x} {:b}'.format(42, 1234567, 3.14159, 12345.6789, 0.25, 255, 255, 5)
'{!r}'.format('a')
'{{}}'.format()
'{'.format()
'{}'.format()
'{:d}'.format('a')
'{0.__class__}'.format(1)
s.__class__
s['__class__']
s|attr('__class__')
d|attr('b')
d|attr('items')
().__class__.__bases__
'abc' is string
1 is string
1 is number
t is number
t is integer
1 is integer
1.0 is float
t is boolean
d is mapping
l is mapping
l is sequence
s is sequence
1 is sequence
range(3) is sequence
(l|map('string')) is sequence
l is iterable
1 is iterable
undefined_name is iterable
(l|map('string')) is iterable
d.items() is iterable
d.items() is sequence
range is callable
s is callable
s.upper is callable
nil is none
undefined_name is none
nil is not none
undefined_name is undefined
nil is defined
1 is odd
2 is even
9 is divisibleby 3
9 is divisibleby(2)
'a' is lower
'A' is upper
'1' is lower
1 is sameas 1
t is sameas true
l is sameas l
[1] is sameas [1]
3 is eq 3
3 is ne 4
3 is lt 4
3 is greaterthan 2
1 is in [1]
1 is in(l)
'upper' is filter
'nope' is filter
'odd' is test
t is true
1 is true
no is false
z is false
html is escaped
(html|safe) is escaped
s is nosuchtest
s|nosuchfilter
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
