"""Expressions with filters, formatting and tests."""

FILTERS = r"""
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
""".strip("\n").split("\n")
