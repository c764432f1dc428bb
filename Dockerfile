# The image of the operator, over any base that has Python 3.11 to 3.14 with its module venv:
#
#     docker build --build-arg COMMIT=$(git describe --always --dirty --abbrev=12 --exclude='*') -t salus .
#
# `make image` builds this file where there is no image registry. Of libraries and build backend nothing is taken whose hash
# does not stand in requirements.txt or requirements-build.txt (`make constraints`), and nothing is built on the way.
ARG BASE=python:3.13-slim
# Where the libraries are taken from: the stage of that name, or an image of it from a build before.
ARG LIBRARIES=libraries

# The libraries come first, and make a layer of their own: who has the image of one commit needs little for the next.
FROM ${BASE} AS libraries
# pip and the build backend have an environment of their own: the image gets neither.
RUN python3 -m venv /opt/tools && python3 -m venv --without-pip /opt/salus
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN /opt/tools/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.txt
RUN /opt/tools/bin/pip --python /opt/salus/bin/python install --no-cache-dir --no-compile \
      --require-hashes --only-binary :all: -r requirements.txt
# Compiled here, since a read-only root would have every start compile everything; by hash, since times differ. What Salus
# never imports of Kubernetes' client is 50 MB compiled, so it is left as it is.
RUN PYTHONHASHSEED=0 /opt/salus/bin/python -m compileall -q --invalidation-mode unchecked-hash \
      -x '/kubernetes/(aio/)?client/(api|models)/' /opt/salus/lib

FROM ${LIBRARIES} AS chosen-libraries

FROM chosen-libraries AS build
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY operator operator
ARG COMMIT=""
RUN SALUS_COMMIT="${COMMIT}" /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist .
RUN /opt/tools/bin/pip --python /opt/salus/bin/python install --no-cache-dir --no-compile --no-deps --root /added /dist/*.whl \
  && PYTHONHASHSEED=0 /opt/salus/bin/python -m compileall -q --invalidation-mode unchecked-hash -s /added -p / /added

# No RUN from here on: nothing but the base and one folder, in two layers.
FROM ${BASE}
ARG COMMIT=""
ARG VERSION=""
LABEL org.opencontainers.image.title="Salus" \
      org.opencontainers.image.description="Heals services on Kubernetes: measures, decides, records, acts, and proves that it helped." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=chosen-libraries /opt/salus /opt/salus
COPY --from=build /added/opt/salus /opt/salus
# Logs leave at once, and nothing tries to write beside the modules.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/salus/bin:/usr/local/bin:/usr/bin:/bin
# By number, so that runAsNonRoot can be checked without the base's list of users.
USER 65532:65532
WORKDIR /
EXPOSE 8080
# There is no HEALTHCHECK on purpose: Kubernetes ignores it, and asks /healthz and /readyz.
ENTRYPOINT ["/opt/salus/bin/salus"]
