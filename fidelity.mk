# Fits to, and comparisons with, published measurements (see docs/model-fit.md). The data stands
# outside the repository; without it both targets say so and succeed.
DATA ?= ../shared/data
FIDELITY_ARGS ?=

fit-orin: $(B)/fit_orin  ## fit agx-orin's rates to published measurements (DATA=FOLDER)
	@$(B)/fit_orin $(DATA) devices/data/agx-orin.fit.ini

fit-power: $(B)/fit_power  ## fit both Jetsons' power to published measurements; prints the residuals (DATA=FOLDER)
	@$(B)/fit_power $(DATA) devices/data

fidelity: $(B)/fidelity  ## predicted against published measurements, one table (DATA=FOLDER FIDELITY_ARGS=--json)
	@mkdir -p $(OUT)
	@$(B)/fidelity $(DATA) --csv $(OUT)/fidelity.csv $(FIDELITY_ARGS)

# Samples of other programs' files, of the same data.
FORMATS := $(DATA)/formats
import-samples: $(B)/sparoa  ## every import on real samples: TensorRT, ONNX Runtime, tegrastats, nsys, ONNX (DATA=FOLDER)
	@if [ ! -d "$(FORMATS)" ]; then echo "import-samples: skipped, there is no $(FORMATS)"; exit 0; fi; \
	set -e; out=$(OUT)/imported; rm -rf $$out; mkdir -p $$out; s=$(B)/sparoa; \
	show() { echo; echo "$$ sparoa import $$*"; $$s import "$$@"; }; \
	show trtexec $(FORMATS)/trtexec/resnet18_fp16.exportProfile.json \
	    --layers $(FORMATS)/trtexec/resnet18_fp16.exportLayerInfo.json --model resnet18 --dtype fp16 -o $$out/resnet18; \
	show onnx $(DATA)/onnx-light/light_squeezenet.onnx -o $$out/squeezenet.graph.csv; \
	show ort $(FORMATS)/onnxruntime/ort1.30_cpu_x86_light_squeezenet_profile.json \
	    --model $(DATA)/onnx-light/light_squeezenet.onnx -o $$out/squeezenet; \
	for f in $(FORMATS)/tegrastats/*; do show tegrastats $$f -o $$out/$$(basename $$f).csv; done; \
	for f in $(FORMATS)/nsys/*.csv; do show nsys $$f -o $$out/$$(basename $$f); done; \
	echo; echo "$$ sparoa import torch (an excerpt of another model: nothing of it can be mapped)"; \
	$$s import torch $(FORMATS)/pytorch/kineto_trace_excerpt_h800.json --model resnet18 -o $$out/torch || true
