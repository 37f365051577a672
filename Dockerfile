# syntax=docker/dockerfile:1

# The whole service on one machine, as `cargo run` has it: real handlers, embedded DynamoDB engine, no authorization.
#
#     docker build -t audit-log .
#     docker run --rm -p 127.0.0.1:5001:5001 -v audit-log:/data audit-log
#
# Publish it on 127.0.0.1, as above, unless everyone who can reach the machine may read and write the log.

FROM rust:1.95-slim-bookworm AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
# Fat LTO and a single codegen unit pay on Lambda, at each cold start. Here they would only cost nine minutes of build.
ENV CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
# The image has gcc, which is all that aws-lc-sys and SQLite are built with on amd64 and arm64; no cmake.
# `touch`: cargo trusts modification times, and those of another checkout may be older than what the cache was built from.
# `cp`: a cache mount is no part of the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=audit-log-target-$TARGETARCH,target=/src/target,sharing=locked \
    find functions cli -name '*.rs' -exec touch {} + \
    && cargo build --release --locked -p audit-log-cli \
    && cp target/release/audit-log /usr/local/bin/audit-log
# Made here, because the last stage runs nothing: an empty volume takes its owner from the folder it covers.
RUN mkdir /data

# The build's distribution, hence a glibc that the binary knows. Not distroless: without a shell the health check below
# would need a client in the binary.
FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/audit-log /usr/local/bin/audit-log
COPY template.yaml /usr/share/audit-log/template.yaml
COPY --from=build --chown=10001:10001 /data /data
# By number, so that Kubernetes' runAsNonRoot can tell.
USER 10001:10001
VOLUME /data
EXPOSE 5001
# bash is in the image and curl is not. One event's page goes through gateway, function and engine.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --start-interval=1s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5001 && printf 'GET /events?per_page=1 HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
# The binary itself is process 1 and handles SIGTERM: `docker stop` lets it finish what it has begun.
ENTRYPOINT ["audit-log"]
# 0.0.0.0 within the container, or no published port would reach it.
CMD ["--host", "0.0.0.0", "--data", "/data", "--template", "/usr/share/audit-log/template.yaml"]
