"""`python -m bench [drain] [upload]`: run these benchmarks, or all."""

from __future__ import annotations

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"


def main(names: list[str]) -> int:
    """Run the benchmarks of these names. Returns an exit status."""
    import django

    django.setup()
    from django.core.management import call_command

    from bench import drain, upload
    from bench.machine import describe

    known = {"drain": drain.main, "upload": upload.main}
    unknown = set(names) - set(known)
    if unknown:
        print(f"There is no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(known)}.", file=sys.stderr)
        return 2
    call_command("migrate", verbosity=0)
    print(describe())
    for name in names or known:
        known[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
