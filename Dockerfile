# uderia-bench with the extras store and dask. HEALTHCHECK is a field of the Docker format: "buildah build --format docker".
# Renew the digest with: skopeo inspect --format '{{.Digest}}' docker://docker.io/library/python:3.13-slim
ARG BASE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/uderia-bench
COPY requirements/build.txt requirements/image.txt requirements/
RUN /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
    && /opt/build/bin/pip --python /opt/uderia-bench install --require-hashes --only-binary :all: -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY uderia_bench uderia_bench
COPY corpora corpora
COPY configs configs
# Without an index: all that the wheel needs is installed already, from the pinned requirements.
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/build/bin/pip --python /opt/uderia-bench install --no-index --no-deps /dist/*.whl

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="uderia-bench" \
      org.opencontainers.image.description="Load and comparison runner for Uderia agent profiles" \
      org.opencontainers.image.source="https://github.com/uderia-bench/uderia-bench" \
      org.opencontainers.image.documentation="https://github.com/uderia-bench/uderia-bench/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/uderia-bench /opt/uderia-bench
# Only /tmp is written to: temporary files, the cache of runs in stores, and the heartbeat of a worker.
ENV PATH=/opt/uderia-bench/bin:$PATH \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    UDERIA_BENCH_HEARTBEAT=/tmp/uderia-bench.heartbeat
WORKDIR /bench
USER 65532:65532
# SIGTERM, once: a soft stop. Trials in flight have 30 s (grace) to finish.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 CMD ["uderia-bench", "healthcheck"]
ENTRYPOINT ["uderia-bench"]
CMD ["--help"]
