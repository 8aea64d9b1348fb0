#!/usr/bin/env bash
# The recipe of spec/recipe.md, at a size that takes a minute or two: two small dense hidden Markov models are
# trained, multiplied, and trained on as one Monarch model; and a dense model is projected and trained on.
#
#   examples/recipe.sh TEXTFILE [FOLDER]
#
# What is written stays in FOLDER (recipe-out if it is not given). DANAUS names the command.
set -euo pipefail

if [[ $# -lt 1 || $# -gt 2 ]]; then
    echo "usage: examples/recipe.sh TEXTFILE [FOLDER]" >&2
    exit 2
fi
text=$1
out=${2:-recipe-out}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
danaus=${DANAUS:-}
if [[ -z "$danaus" ]]; then
    danaus=$here/../target/release/danaus
    [[ -x "$danaus" ]] || danaus=danaus
fi

# At most so many bytes of the text are used; the last twentieth is for testing, the one before for validation.
most=400000
# States of the factors, and of the dense model that is projected: 16 * 16.
small=16 large=32 dense=256

mkdir -p "$out"
head -c "$most" "$text" >"$out/all.txt"
size=$(($(wc -c <"$out/all.txt")))
part=$((size / 20))
if [[ $part -lt 1000 ]]; then
    echo "recipe: $text is too short: 20000 bytes are the least" >&2
    exit 2
fi
head -c $((size - 2 * part)) "$out/all.txt" >"$out/train.txt"
head -c $((size - part)) "$out/all.txt" | tail -c "$part" >"$out/valid.txt"
tail -c "$part" "$out/all.txt" >"$out/test.txt"

# Says what is run, then runs it.
show() {
    printf '\n$ %s\n' "${*/#"$danaus"/danaus}"
    "$@"
}
# train NAME SCHEDULE MODEL [OPTIONS]
train() {
    local name=$1 schedule=$2
    shift 2
    show "$danaus" train "$@" --text lower --data "$out/train.txt" --valid "$out/valid.txt" \
        --optimizer em --batch 256 --epochs 6 --schedule "$schedule" -o "$out/$name.safetensors"
}
# evaluate NAME MODEL [OPTIONS]
evaluate() {
    local name=$1
    shift
    show "$danaus" eval "$@" --params "$out/$name.safetensors" --text lower --data "$out/test.txt"
}

hmm=$here/hmm.pc
sizes=(--set T=64 --set A=$small --set B=$large)
product=("$here/product_hmm.pc" "${sizes[@]}")

echo "== Two small dense models, their product, and the product trained on"
train a "1.0->0.0" "$hmm" --set T=64 --set H=$small --seed 1
train b "1.0->0.0" "$hmm" --set T=64 --set H=$large --seed 2
evaluate b "$hmm" --set T=64 --set H=$large
show "$danaus" multiply "${product[@]}" --params "$out/a.safetensors" --params "$out/b.safetensors" -o "$out/start.safetensors"
evaluate start "${product[@]}"
train product "1.0->0.0" "${product[@]}" --params "$out/start.safetensors"
evaluate product "${product[@]}"

echo
echo "== The same model, every block from a random start"
train random "1.0->0.0" "$here/monarch_hmm.pc" "${sizes[@]}" --seed 3
evaluate random "$here/monarch_hmm.pc" "${sizes[@]}"

echo
echo "== A dense model, projected and trained on"
monarch=("$hmm" --set T=64 --set H=$dense --monarch 16x16)
train dense "1.0->0.0" "$hmm" --set T=64 --set H=$dense --seed 4
evaluate dense "$hmm" --set T=64 --set H=$dense
show "$danaus" lower "${monarch[@]}" --params "$out/dense.safetensors" -o "$out/lowered.safetensors"
evaluate lowered "${monarch[@]}"
train monarch "0.5->0.0" "${monarch[@]}" --params "$out/lowered.safetensors"
evaluate monarch "${monarch[@]}"
