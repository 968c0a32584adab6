"""The rules of admission: each says what holds a waiting item and promotes it when the rule allows.

A rule is a function `(using, now) -> promoted` that finds by itself whatever an event missed; the promoter duty runs
them all, about every two seconds. Under a snapshot that somebody holds for long it takes longer, and is run less often:
what only the clock announces has a duty of its own besides, `due`.
"""

from docqueue.admission import concurrency, dependencies, due, fair, limits, ordering

RULES = (
    due.promote_all,
    dependencies.promote_all,
    ordering.promote_all,
    concurrency.promote_all,
    limits.ensure_all,
    fair.promote_all,
)
