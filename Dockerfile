# InfoVAE Lab on the CPU: docker build -t infovae . && docker run -v "$PWD/runs:/work/outputs" infovae train data=digits
# For a GPU, build with --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128, and run with --gpus all.
FROM python:3.13-slim AS wheel
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY --from=wheel /wheels /wheels
COPY constraints.txt /wheels/
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c /wheels/constraints.txt /wheels/*.whl \
    && rm -r /wheels \
    && useradd --create-home --uid 1000 user \
    && install --directory --owner=user /work
USER 1000
WORKDIR /work
ENTRYPOINT ["infovae"]
CMD ["doctor"]
