# syntax=docker/dockerfile:1

# The service on one machine, as `cargo run` starts it: real handlers, an embedded DynamoDB engine, no authorization.
#
#     docker build -t audit-log .
#     docker run --rm -p 127.0.0.1:5001:5001 -v audit-log:/data audit-log
#
# Publish the port on 127.0.0.1, as above, unless everyone who can reach the machine may read and write the log.

FROM rust:1.95-slim-bookworm AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
# The image has gcc and no cmake. On amd64 and arm64, aws-lc-sys and SQLite need only gcc.
# `touch` is needed because cargo trusts modification times. Those of another checkout may be older than the files that
# the cache was built from. `cp` is needed because a cache mount is not part of the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,id=audit-log-target-$TARGETARCH,target=/src/target,sharing=locked \
    find functions cli client -name '*.rs' -exec touch {} + \
    && cargo build --profile command --locked -p audit-log-cli \
    && cp target/command/audit-log /usr/local/bin/audit-log
# An empty volume takes its owner from the folder that it covers. The folder is created here, because the last stage
# runs no command.
RUN mkdir /data

# The distribution of the build, so that glibc fits the binary. A distroless image has no shell, so the health check
# below would need a client in the binary.
FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/audit-log /usr/local/bin/audit-log
# `audit-log verify` of a log on AWS needs them.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY template.yaml /usr/share/audit-log/template.yaml
COPY --from=build --chown=10001:10001 /data /data
# The user is a number, so that Kubernetes' runAsNonRoot can check it.
USER 10001:10001
VOLUME /data
EXPOSE 5001
# bash is in the image, and curl is not. A page of one event passes through the gateway, a function and the engine.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --start-interval=1s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5001 && printf 'GET /events?per_page=1 HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
# The binary itself is process 1 and handles SIGTERM, so `docker stop` lets it complete the requests in progress.
ENTRYPOINT ["audit-log"]
# It binds 0.0.0.0 within the container, because a published port would not reach it otherwise.
CMD ["--host", "0.0.0.0", "--data", "/data", "--template", "/usr/share/audit-log/template.yaml"]
