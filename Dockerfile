# A reward server: `docker build -t assay . && docker compose up`, with weights on the CPU.
# For a GPU: `docker build -t assay:cuda --build-arg TORCH_FROM= .`, for the usual torch brings CUDA's libraries,
# and `docker run --gpus all ... assay:cuda`; the host needs NVIDIA's driver and container toolkit alone.
FROM python:3.11-slim AS build
ARG TORCH_FROM="--index-url https://download.pytorch.org/whl/cpu"
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY src src
RUN python -m venv /opt/assay \
 && /opt/assay/bin/pip install --no-cache-dir $TORCH_FROM "$(grep -oE '^torch==[0-9.]+' requirements.lock)" \
 && /opt/assay/bin/pip install --no-cache-dir -c requirements.lock '.[train,server,openai,math]'

FROM python:3.11-slim
COPY --from=build /opt/assay /opt/assay
RUN useradd --create-home --uid 10001 assay
USER 10001
WORKDIR /home/assay
ENV PATH=/opt/assay/bin:$PATH HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
EXPOSE 8765
HEALTHCHECK --start-period=120s --interval=10s --timeout=5s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["assay", "serve", "--host", "0.0.0.0", "--port", "8765"]
CMD ["/models/rm", "--keys", "/run/secrets/assay_keys"]
