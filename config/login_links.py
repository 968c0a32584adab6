"""One-time login links: signed, good for a day, and worthless once used."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode


class LoginTokenGenerator(PasswordResetTokenGenerator):
    """The token covers the time of the last login, so logging in with it ends it."""

    key_salt = "config.login_links"


tokens = LoginTokenGenerator()


def login_path(user: User) -> str:
    """The path that logs `user` in, once."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("one-time-login", args=[uid, tokens.make_token(user)])


def user_for(uid: str, token: str) -> User | None:
    """Who the link is for; None when it is used up, too old or made up."""
    model = get_user_model()
    try:
        user = model.objects.get(pk=urlsafe_base64_decode(uid).decode(), is_active=True)
    except (model.DoesNotExist, ValueError, OverflowError):
        return None
    return user if tokens.check_token(user, token) else None
