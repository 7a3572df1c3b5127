"""Expressions over values: strings, numbers, undefined things, lists, mappings, ranges, global functions."""

VALUES = r"""
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
""".strip("\n").split("\n")
