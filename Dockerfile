# The site and the workers, one image: `web` is the default command, the worker of docker-compose.yml gives its own.
FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/deploy.txt requirements/
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/deploy.txt

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 VAR_DIR=/data STATIC_ROOT=/app/static LOG_FORMAT=json
RUN useradd --system --create-home --uid 10001 docqueue && install -d -o docqueue -g docqueue /data
WORKDIR /app
COPY --from=build /venv /venv
COPY manage.py ./
COPY config config
COPY docqueue docqueue
COPY ingestion ingestion
COPY templates templates
# Needs settings, but neither a database nor a real key.
RUN PRODUCTION=true SECRET_KEY=build ALLOWED_HOSTS=build DATABASE_URL=postgresql://build/build \
    python manage.py collectstatic --noinput --verbosity 0
USER docqueue
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", "--workers", "2", "--threads", "8", \
     "--timeout", "120", "--no-control-socket"]
