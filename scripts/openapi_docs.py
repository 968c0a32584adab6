"""Write docs/openapi.yml, the API as clients are generated from it. `make docs` runs it; a test compares.

A change of the API is then a change of that file, which a reviewer sees.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/openapi.yml"


def text() -> str:
    """The OpenAPI document of the whole project."""
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiYamlRenderer

    document = SchemaGenerator().get_schema(request=None, public=True)
    rendered: bytes = OpenApiYamlRenderer().render(document, renderer_context={})
    return rendered.decode()


def main() -> int:
    """Write the page. Returns an exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    PAGE.write_text(text(), encoding="utf-8")
    print(PAGE.relative_to(PAGE.parent.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
