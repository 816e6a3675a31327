#!/bin/sh
# The whole recipe: trains, exports the Hugging Face folder, scores it, writes goldens and the plot.
# Run it again to go on after an interruption; raise HOURS to train a finished run further.
#
#   export/training/train.sh [HOURS]      default 1.3 hours on 2 cores, into runs/nano and onnx-models/nano/hf
#   export/training/train.sh --smoke      seconds; a tiny model in runs/smoke, to see that everything works
set -eu
cd "$(dirname "$0")"
. ./env.sh

if [ "${1:-}" = "--smoke" ]; then
    rm -rf runs/smoke
    "$PYTHON" train.py --run runs/smoke --hours 0.003 --smoke --eval-samples 12
    "$PYTHON" make_eval_set.py --output runs/smoke/ocr --scale 0.05
    output=runs/smoke/hf data=runs/smoke/ocr goldens=runs/smoke/goldens plot=runs/smoke/training.png run=runs/smoke
else
    nice -n 15 "$PYTHON" train.py --run runs/nano --hours "${1:-1.3}"
    output=../../onnx-models/nano/hf data=../../tests/data/ocr goldens=../../tests/data/nano-goldens
    plot=../../onnx-models/nano/training.png run=runs/nano
fi

"$PYTHON" export_hf.py --run "$run" --output "$output"
"$PYTHON" evaluate.py --model "$output" --data "$data"
"$PYTHON" make_goldens.py --model "$output" --output "$goldens"
"$PYTHON" plot.py --run "$run" --output "$plot"
