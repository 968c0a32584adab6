"""The rules of admission: each says what holds a waiting item and promotes it when the rule allows.

A rule is a function `(using, now) -> promoted` that finds by itself whatever an event missed; the promoter duty runs
them all, at least every two seconds.
"""

from docqueue.admission import due, ordering

RULES = (due.promote_all, ordering.promote_all)
