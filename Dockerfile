# One image with every program of Handoff; docker-compose.yml says which one a container runs. BuildKit builds it:
#
#   docker build -t handoff .                     the programs
#   docker build -t handoff-inbox --target inbox . the SMTP server with a web inbox, for trying things out
#   docker build -t handoff-fake-dooray --target fake-dooray . the Dooray! to try escalations out with

FROM swift:6.3-bookworm AS build
WORKDIR /source
COPY scripts/dependencies scripts/install-packages scripts/
RUN scripts/install-packages build && rm -rf /var/lib/apt/lists/*
COPY Package.swift ./
COPY Sources Sources
# Package.swift names paths in these two and does not load without them.
COPY Benchmarks Benchmarks
COPY Tests Tests
COPY scripts/build-release scripts/
RUN --mount=type=cache,target=/source/.build scripts/build-release /programs

FROM debian:bookworm-slim AS inbox
COPY scripts/dependencies scripts/install-packages /usr/share/handoff/scripts/
RUN /usr/share/handoff/scripts/install-packages inbox && rm -rf /var/lib/apt/lists/* \
  && useradd --system --user-group --uid 10001 --no-create-home --home-dir /nonexistent handoff
COPY --chmod=755 scripts/inbox /usr/local/bin/handoff-inbox
USER handoff
EXPOSE 1025 8025
HEALTHCHECK --interval=5s --timeout=5s --retries=12 CMD ["handoff-inbox", "--probe", "127.0.0.1:8025"]
CMD ["handoff-inbox", "--smtp", "0.0.0.0:1025", "--web", "0.0.0.0:8025"]

FROM debian:bookworm-slim AS fake-dooray
COPY scripts/dependencies scripts/install-packages /usr/share/handoff/scripts/
RUN /usr/share/handoff/scripts/install-packages dooray && rm -rf /var/lib/apt/lists/* \
  && useradd --system --user-group --uid 10001 --no-create-home --home-dir /nonexistent handoff \
  && install --directory --owner=handoff --group=handoff --mode=0700 /run/handoff /var/lib/fake-dooray
COPY --chmod=755 scripts/fake-dooray /usr/local/bin/fake-dooray
USER handoff
EXPOSE 7190 7191
HEALTHCHECK --interval=5s --timeout=5s --retries=12 CMD ["fake-dooray", "--probe", "7190"]
CMD ["fake-dooray", "--help"]

FROM debian:bookworm-slim
COPY scripts/dependencies scripts/install-packages /usr/share/handoff/scripts/
RUN /usr/share/handoff/scripts/install-packages run && rm -rf /var/lib/apt/lists/* \
  && useradd --system --user-group --uid 10001 --no-create-home --home-dir /nonexistent handoff \
  # Volumes take their first owner and mode from here: each program's secrets, what the installation keeps, mails.
  && install --directory --owner=handoff --group=handoff --mode=0700 /run/handoff /run/handoff/gateway \
    /run/handoff/tickets /run/handoff/assignment /run/handoff/mail /run/handoff/masking /run/handoff/edge \
    /run/handoff/fake-dooray \
    /var/lib/handoff /var/lib/handoff/keys /var/lib/handoff/keys/masking /var/spool/handoff \
  && install --directory --owner=handoff --group=handoff --mode=0755 /run/handoff/postgres
COPY --from=build /programs/ /usr/local/bin/
USER handoff
# The daemons' admin ports lie 100 above these; the last two are the edge's.
EXPOSE 7100 7101 7102 7103 7104 8080 8443
# Each service of docker-compose.yml asks its own daemon instead.
HEALTHCHECK --interval=30s --timeout=5s CMD ["handoff", "version"]
CMD ["handoff", "--help"]
