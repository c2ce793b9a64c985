# The live shop as an image: docs/containers.md says how to start it, alone or with databases.
FROM python:3.13.12-slim-trixie AS base
ENV PYTHONUNBUFFERED=1

# What builds stays behind in this stage: only /venv goes on.
FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY LICENSE README.md pyproject.toml requirements.txt ./
# The versions that the course was measured with; pip wants no extras in constraints.
RUN sed 's/\[[a-z]*\]//' requirements.txt > constraints.txt \
    && pip install --constraint constraints.txt hatchling
COPY data/shop data/shop
COPY data/vectors data/vectors
COPY recsys_lab recsys_lab
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --only-binary :all: --constraint constraints.txt \
    "$(echo /wheels/recsys_lab-*.whl)[shop,vectors,models,live]"

FROM base AS shop
# implicit learns with OpenMP, which the slim image lacks. Debian removes replaced versions: one that is pinned would
# break the next build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 shop \
    && useradd --uid 10001 --gid shop --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shop \
    && install --directory --owner shop --group shop --mode 700 /shop
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /shop
EXPOSE 8000
# As Ctrl+C: the shop answers what it has begun, closes its files, and ends with 0.
STOPSIGNAL SIGINT
ENTRYPOINT ["python", "-m", "recsys_lab", "shop", "--host", "0.0.0.0", "--folder", "/shop"]
