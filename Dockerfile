# decom in a container: one static program on a base without a shell or libraries.
#
#   docker build -t decom .
#   docker run --rm --read-only -v decom-audit:/var/lib/decom decom --version
#
# It builds for the platform that it is asked for (docker buildx build --platform linux/amd64,linux/arm64).
# Both bases are arguments, for a mirror, or to pin them: a tag moves with security updates, a digest
# does not, so for a build that gives the same again pass them as NAME:TAG@sha256:….
# A static decom that is built already takes the place of the first stage by --build-context build=FOLDER,
# with the program in FOLDER/image/bin and an empty folder FOLDER/image/volume/decom.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
# glibc goes into the program, and its resolver with it, which since glibc 2.34 loads nothing for files
# and DNS. The target is named so that the flag does not reach build scripts and macros, which are
# loaded by the compiler.
ENV RUSTFLAGS="-C target-feature=+crt-static"
# The dependencies alone, before decom's own code: this layer changes with these files only. The benchmark
# that Cargo.toml names has to be there, and stays empty.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches/micro \
    && echo '//! Empty.' >src/lib.rs \
    && printf '//! Empty.\nfn main() {}\n' >src/main.rs \
    && cp src/main.rs benches/micro/ \
    && cargo build --profile dist --locked --target host-tuple \
    && rm -r src
COPY config config
COPY src src
# The files that are copied are older than what was just built from empty ones: without the touch,
# cargo would take that for decom.
RUN touch src/lib.rs src/main.rs \
    && cargo build --profile dist --locked --target host-tuple \
    && install -D target/*/dist/decom /image/bin/decom \
    && mkdir -p /image/volume/decom

FROM ${RUNTIME_IMAGE}
# After FROM an argument has to be named again.
ARG RUNTIME_IMAGE
ARG VERSION=0.2.0
ARG REVISION=
LABEL org.opencontainers.image.title="decom" \
      org.opencontainers.image.description="Audited bulk deletion of Databrain datasources, resumable and provable" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/decom/
COPY config/container.toml /etc/decom/decom.toml
COPY --from=build /image/bin/decom /usr/local/bin/decom
# A volume that is made new here takes over the owner of this folder.
COPY --from=build --chown=65532:65532 /image/volume /var/lib
ENV DECOM_CONFIG=/etc/decom/decom.toml
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
# The audit log is made in the current folder where nothing else is said: on the volume.
WORKDIR /var/lib/decom
VOLUME ["/var/lib/decom"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/decom"]
CMD ["--help"]
