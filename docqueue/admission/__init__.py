"""The rules of admission: each says what holds a waiting item and promotes it when the rule allows.

A rule is a function `(using, now) -> promoted` that finds by itself whatever an event missed; the promoter duty runs
all for which somebody waits, about every two seconds. Under a snapshot that somebody holds for long it takes longer,
and is run less often: what only the clock announces has a duty of its own besides, `due`.
"""

from docqueue.admission import concurrency, dependencies, due, fair, limits, ordering
from docqueue.states import WaitReason

RULES = {
    WaitReason.DEPENDENCY: dependencies.promote_all,
    WaitReason.ORDERING: ordering.promote_all,
    WaitReason.CONCURRENCY: concurrency.promote_all,
    WaitReason.LIMITED: limits.ensure_all,
    WaitReason.FAIR_SHARE: fair.promote_all,
}
"""By the reason to wait that it ends, in the order of the gates."""

__all__ = ["RULES", "due"]
