"""The view on which those of the API stand: it counts what is refused, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.exceptions import APIException, Throttled
from rest_framework.request import Request
from rest_framework.views import APIView


class ThrottledView(APIView):
    """Counts refused requests, too: who tries tokens is told to wait, and not only who has one."""

    throttle_scopes: ClassVar[Mapping[str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """As of any view. Raises `Throttled` for what would have been refused, too."""
        try:
            super().initial(request, *args, **kwargs)
        except Throttled:
            raise
        except APIException:
            self.check_throttles(request)
            raise
