# syntax=docker/dockerfile:1
# Digests are those of the images for all platforms. Raise them and the versions below together, by hand.
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm@sha256:d29f48a31a8b408ed19272ca1e7b10ebae13b240a27e862d3d4217c528e2e0c3
ARG NODE_IMAGE=node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d

# The wheel, so that no later stage sees the tree it is built from.
FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY handlers handlers
COPY runner runner
COPY infra infra
RUN hatchling build --target wheel --directory /wheel

# An environment that is copied as it is: every dependency comes as a wheel, so that no stage needs a compiler.
FROM ${PYTHON_IMAGE} AS environment
COPY requirements/image.txt /tmp/
RUN python -m venv /opt/orch \
    && /opt/orch/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/image.txt
COPY --from=wheel /wheel /wheel
RUN /opt/orch/bin/pip install --no-cache-dir --no-deps --no-index /wheel/*.whl \
    && /opt/orch/bin/pip check \
    && /opt/orch/bin/pip uninstall --yes setuptools pip

# The agents' CLIs, each with its version; `--build-arg AGENTS=` leaves them out.
FROM ${NODE_IMAGE} AS agents
ARG AGENTS="@anthropic-ai/claude-code@2.1.330 @openai/codex@0.169.0 opencode-ai@1.18.33"
# hadolint ignore=DL3016,SC2086
RUN mkdir -p /opt/agents/bin \
    && cp /usr/local/bin/node /opt/agents/bin/ \
    && for agent in $AGENTS; do \
        case "$agent" in \
            ?*@[0-9]*.[0-9]*.[0-9]*) ;; \
            *) echo "name a version, as in opencode-ai@1.18.33: $agent" >&2; exit 1 ;; \
        esac; \
    done \
    && if [ -n "$AGENTS" ]; then \
        npm install --global --prefix /opt/agents --no-audit --no-fund --loglevel=error $AGENTS; \
    fi

# Web, worker and all commands.
FROM ${PYTHON_IMAGE} AS app
LABEL org.opencontainers.image.title="Orch" \
      org.opencontainers.image.description="Turns labelled GitHub issues into merged pull requests" \
      org.opencontainers.image.licenses="Apache-2.0"
# /state may be passed through, as the way to the workspaces of agents that are users of their own.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 orch \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin orch \
    && install --directory --owner=orch --group=orch --mode=0711 /state
COPY --from=environment /opt/orch /opt/orch
# PYTHONSAFEPATH: a module is never taken from the working directory, which may be an agent's.
ENV PATH=/opt/orch/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORCH_STATE_DIR=/state \
    ORCH_HOST=0.0.0.0 \
    ORCH_PORT=8080 \
    ORCH_LOG_JSON=true
WORKDIR /home/orch
USER 10001:10001
VOLUME /state
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['ORCH_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["tini", "-s", "--", "orch"]
CMD ["serve", "--no-runner"]

# A runner. Where there are no user namespaces, start it as root: each run then gets a user of its own.
FROM app AS runner
# hadolint ignore=DL3002
USER 0:0
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap git \
    && rm -rf /var/lib/apt/lists/*
COPY --from=agents /opt/agents /opt/agents
ENV PATH=/opt/orch/bin:/opt/agents/bin:/usr/local/bin:/usr/bin:/bin
USER 10001:10001
HEALTHCHECK NONE
CMD ["runner"]
