"""Who may do what: the queue's own Django permissions, and the token of the cron endpoint."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.crypto import constant_time_compare
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from docqueue.conf import get_settings

PROCESS_TOKEN_AUTH = "process_token"  # noqa: S105 - the mark of a caller, not a secret


class WrongToken(exceptions.APIException):
    """A token was sent, and it is not the one."""

    status_code = 401
    default_code = "wrong_token"
    default_detail = "The token is wrong."
    hint = (
        "Send the value of DOCQUEUE['PROCESS_TOKEN'] as `Authorization: Bearer …` or `X-Queue-Token: …`. "
        "While that setting is empty, only logged-in users may start a run."
    )
    auth_header = 'Bearer realm="docqueue"'


def given_token(request: Request) -> str | None:
    """The token that the request carries for the cron endpoint, if any."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else request.headers.get("X-Queue-Token")


class ProcessTokenAuthentication(BaseAuthentication):
    """DOCQUEUE["PROCESS_TOKEN"], compared in constant time. Stands for no user, and opens the cron endpoint only."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        token, secret = given_token(request), get_settings().PROCESS_TOKEN
        if not token or not secret:
            return None
        if not constant_time_compare(token.encode("latin-1", "replace"), secret.encode()):  # headers are bytes
            return None  # another authentication may know it; if none does, the view says WrongToken
        return AnonymousUser(), PROCESS_TOKEN_AUTH

    def authenticate_header(self, request: Request) -> str:
        return WrongToken.auth_header


class MayProcessQueue(BasePermission):
    """The process token, a staff user, or anybody with docqueue.process_queue."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.auth == PROCESS_TOKEN_AUTH:
            return True
        user = request.user
        return bool(user and user.is_authenticated and (user.is_staff or user.has_perm("docqueue.process_queue")))


class MaySeeQueue(BasePermission):
    """A staff user, or anybody with docqueue.view_queueitem."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        return bool(user and user.is_authenticated and (user.is_staff or user.has_perm("docqueue.view_queueitem")))


def has_queue_permission(codename: str) -> type[BasePermission]:
    """A permission class that asks for docqueue.`codename`."""

    class HasQueuePermission(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            user = request.user
            return bool(user and user.is_authenticated and user.has_perm(f"docqueue.{codename}"))

    HasQueuePermission.__doc__ = f"A user with docqueue.{codename}."
    return HasQueuePermission
