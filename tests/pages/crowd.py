"""People with each set of permissions that the tests ask with: made once, as making them takes longer than asking."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from http.cookies import SimpleCookie

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.test.client import ClientHandler

from tests.pages.addresses import APPS
from tests.pages.may import NOBODY, Needs


def named(alternatives: str) -> list[str]:
    """The names of these permissions, which are written "a|b" where one of them is enough."""
    return [one if "." in one else f"docqueue.{one}" for one in alternatives.split("|")]


HANDLER = ClientHandler(enforce_csrf_checks=False)


def fresh_client() -> Client:
    """A client of nobody. All share one handler: a new one makes the middleware anew, and lists the static files."""
    client = Client()
    client.handler = HANDLER
    return client


class Crowd:
    """Users, committed, and clients in their hands; `go` deletes them."""

    def __init__(self) -> None:
        rows = Permission.objects.filter(content_type__app_label__in=APPS).select_related("content_type")
        self.known = {f"{one.content_type.app_label}.{one.codename}": one for one in rows}
        self._cookies: dict[tuple[frozenset[str], bool, bool], SimpleCookie] = {}
        self._users: list[User] = []

    def meet(self, needs: Needs) -> None:
        """Make whoever a page with these needs is asked by."""
        for _ in itertools.chain(self.who_may_not(needs), self.who_may(needs), self.strangers()):
            pass

    def client(self, *permissions: str, staff: bool = True, superuser: bool = False) -> Client:
        """A new client of somebody with these permissions and no others."""
        key = (frozenset(permissions), staff, superuser)
        if key not in self._cookies:
            name = f"caller{len(self._users)}"
            user = User.objects.create(username=name, is_staff=staff, is_superuser=superuser)
            user.user_permissions.set([self.known[one] for one in permissions])
            client = Client()
            client.force_login(user)
            self._users.append(user)
            self._cookies[key] = client.cookies
        client = fresh_client()
        client.cookies = SimpleCookie(self._cookies[key].output(header="", sep=";"))
        return client

    def strangers(self) -> Iterator[tuple[str, Client]]:
        """Who does not get into the admin at all."""
        yield "nobody", fresh_client()
        yield "no staff", self.client(*self.known, staff=False)

    def who_may_not(self, needs: Needs) -> Iterator[tuple[str, Client]]:
        """Staff with all permissions but one of those that it takes; where nobody may, a superuser."""
        if needs is NOBODY:
            yield "superuser", self.client(superuser=True)
        for alternatives in needs or ():
            lacking = set(named(alternatives))
            assert lacking <= self.known.keys(), lacking
            yield f"all but {alternatives}", self.client(*(self.known.keys() - lacking))

    def who_may(self, needs: Needs) -> Iterator[tuple[str, Client]]:
        """Staff that has what it takes and nothing else, whichever of the alternatives."""
        if needs is not NOBODY:
            for chosen in itertools.product(*map(named, needs)):
                yield " and ".join(chosen), self.client(*set(chosen))

    def go(self) -> None:
        """Delete them all."""
        User.objects.filter(pk__in=[user.pk for user in self._users]).delete()
