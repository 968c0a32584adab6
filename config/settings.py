"""Django settings. What differs between installations comes from the environment: docs/settings.md."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from config import logging as log_setup
from config.documents_place import documents_storage
from config.environment import SCOPES, groups, kept_secret, throttle_rate
from config.paths import BASE_DIR, postgres_dir, var_dir
from config.postgres_place import PORT, ROLE, locate

_environment = {group.prefix: group for group in groups()}
_env = _environment[""].all()
VAR_DIR = var_dir()

# Who we are and whom we answer
PRODUCTION: bool = _env["PRODUCTION"]
DEBUG: bool = _env["DEBUG"]
ALLOWED_HOSTS = list(_env["ALLOWED_HOSTS"])
CSRF_TRUSTED_ORIGINS = list(_env["CSRF_TRUSTED_ORIGINS"])
if PRODUCTION:
    _missing = [name for name in ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL") if not os.environ.get(name)]
    if _missing:
        raise ImproperlyConfigured(f"PRODUCTION is set, so {', '.join(_missing)} must be set too.")
    if DEBUG:
        raise ImproperlyConfigured("PRODUCTION and DEBUG exclude each other.")
SECRET_KEY: str = _env["SECRET_KEY"] or kept_secret(VAR_DIR / "secret_key")

INSTALLED_APPS = [
    "docqueue",
    "ingestion",
    "ingestion.resumable",  # may be left out: uploads that can be resumed are gone then, and all else works
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.csp.ContentSecurityPolicyMiddleware",  # above what serves static files: pictures are pages, too
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.UserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Not every Django has a django-prometheus that supports it: see requirements/.
HTTP_METRICS = importlib.util.find_spec("django_prometheus") is not None
if HTTP_METRICS:
    INSTALLED_APPS.append("django_prometheus")
    MIDDLEWARE.insert(0, "django_prometheus.middleware.PrometheusBeforeMiddleware")
    MIDDLEWARE.append("django_prometheus.middleware.PrometheusAfterMiddleware")
    PROMETHEUS_EXPORT_MIGRATIONS = False

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    """DATABASE_URL's, else the embedded one, which the first connection starts."""
    if _env["DATABASE_URL"]:
        return dict(environ.Env.db_url_config(_env["DATABASE_URL"]))
    place = locate(postgres_dir())
    found = {"ENGINE": "config.embedded_backend", "NAME": _env["EMBEDDED_POSTGRES_DATABASE"], "USER": ROLE}
    return found | {"HOST": str(place.socket_dir), "PORT": PORT}


DATABASES = {"default": _database() | {"CONN_MAX_AGE": _env["DATABASE_CONN_MAX_AGE"], "CONN_HEALTH_CHECKS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The two apps. Unknown names and bad values are found by their system checks.
DOCQUEUE = _environment["DOCQUEUE_"].given()
INGESTION = _environment["INGESTION_"].given() if "INGESTION_" in _environment else {}

# Files
STATIC_URL = "static/"
STATIC_ROOT = Path(_env["STATIC_ROOT"] or VAR_DIR / "static")
WHITENOISE_USE_FINDERS = not PRODUCTION  # without collectstatic, files are served from where they lie
if not PRODUCTION:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # empty then, but whitenoise wants it to be there
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": VAR_DIR / "media"},
    },
    "documents": documents_storage(_env["DOCUMENTS_URL"], VAR_DIR / "documents"),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
# Uploads on their way lie where documents are written: on the disk whose room is looked at, and where the sweep
# finds what killed web processes left. With documents in S3 too: each host has a folder of its own for them.
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "documents" / "parts"
for _folder in (FILE_UPLOAD_TEMP_DIR.parent, FILE_UPLOAD_TEMP_DIR):
    _folder.mkdir(mode=0o700, parents=True, exist_ok=True)

# What processes keep for a while: today, how often each caller has asked
CACHES = {"default": environ.Env.cache_url_config(_env["CACHE_URL"])}

# Who may come in
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "login"
LOGIN_REDIRECT_URL = "/"
PASSWORD_RESET_TIMEOUT = 24 * 3600  # also how long a one-time login link is good for
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "docqueue.api.problems.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": ["docqueue.api.throttles.RequestThrottle"],
    "DEFAULT_THROTTLE_RATES": {scope: throttle_rate(_env, scope) for scope in SCOPES},
    # whose word is taken for where a request comes from: the proxy's, or nobody's
    "NUM_PROXIES": 1 if _env["TRUSTED_PROXY"] else 0,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "docqueue",
    "DESCRIPTION": "Documents through a durable queue. Log in, or send `Authorization: Token …`.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [f"rest_framework.permissions.{'IsAuthenticated' if PRODUCTION else 'AllowAny'}"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "docqueue.api.openapi.common_answers",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["config.openapi.with_heads"],
    "ENUM_NAME_OVERRIDES": {
        "ItemStatus": "docqueue.states.Status",
        "WaitReason": "docqueue.states.WaitReason",
        "WorkerKind": "docqueue.models.worker.Worker.Kind",
        "AttemptOutcome": "docqueue.models.worker.Attempt.Outcome",
        "IntakeStatus": "ingestion.models.choices.IntakeStatus",
        "FileOutcome": "ingestion.models.choices.Outcome",
        "FileStage": "ingestion.models.choices.Stage",
        "IntakeKind": "ingestion.models.choices.IntakeKind",
        "TextStatus": "ingestion.models.choices.TextStatus",
    },
    # served from the package, so the page works without the internet
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# What browsers are told
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # asked over plain HTTP from inside
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _env["TRUSTED_PROXY"] else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING_CONFIG = None  # ours sets up structlog and the standard library together
log_setup.configure(level=_env["LOG_LEVEL"], style=_env["LOG_FORMAT"])
