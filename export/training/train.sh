#!/bin/sh
# The whole recipe: trains, exports the Hugging Face folder, scores it, writes goldens and the plot.
# Run it again to go on after an interruption; raise HOURS to train a finished run further.
#
#   export/training/train.sh [HOURS [OPTION...]]   default 1.3 hours on 2 cores, into runs/nano and onnx-models/nano/hf; options as in train.py
#   RUN=runs/more export/training/train.sh 8 --init ../../onnx-models/nano/hf --difficulty 0.3
#                                                  a new run from the shipped weights
#   export/training/train.sh --smoke               half a minute; a tiny model in runs/smoke, to see that everything works
set -eu
cd "$(dirname "$0")"
. ./env.sh

if [ "${1:-}" = "--smoke" ]; then
    rm -rf runs/smoke runs/smoke-deeper
    "$PYTHON" train.py --run runs/smoke --hours 0.003 --smoke --eval-samples 14
    "$PYTHON" make_eval_set.py --output runs/smoke/ocr --scale 0.02
    "$PYTHON" make_eval_sets.py --output runs/smoke/eval --count 2
    output=runs/smoke/hf data="runs/smoke/ocr runs/smoke/eval" goldens=runs/smoke/goldens plot=runs/smoke/training.png run=runs/smoke
else
    run=${RUN:-runs/nano} hours=${1:-1.3}
    [ $# -eq 0 ] || shift
    "$PYTHON" train.py --run "$run" --hours "$hours" "$@"
    output=../../onnx-models/nano/hf data="../../tests/data/ocr ../../tests/data/eval" goldens=../../tests/data/nano-goldens
    plot=../../onnx-models/nano/training.png
fi

"$PYTHON" export_hf.py --run "$run" --output "$output"
for folder in $data; do "$PYTHON" evaluate.py --model "$output" --data "$folder"; done
"$PYTHON" make_goldens.py --model "$output" --output "$goldens"
"$PYTHON" plot.py --run "$run" --output "$plot"

if [ "$run" = runs/smoke ]; then                    # a new run from a folder's weights, with a layer more
    "$PYTHON" train.py --run runs/smoke-deeper --init runs/smoke/hf --layers 6 --hours 0.001 --decay-start 1 --difficulty 0.5 --eval-samples 14
fi
