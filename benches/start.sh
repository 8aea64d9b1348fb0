#!/bin/sh
# How long a command takes when its kernels are compiled, and when they are there from before: one row of each circuit, so that nearly all
# of it is the start. Prints seconds: all of the first run, all of the second, and what kernels took of each.
#
#     benches/start.sh [DANAUS]
set -eu
danaus=${1:-target/release/danaus}
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
export DANAUS_CACHE="$folder/kernels"

seconds() {
    begin=$(date +%s%N)
    "$@" >"$folder/out" 2>"$folder/err"
    end=$(date +%s%N)
    kernels=$(awk '/^all kernels/ { print $3, $4 }' "$folder/err")
    awk -v ns=$((end - begin)) -v kernels="$kernels" 'BEGIN { printf "%.2f (%s)\t", ns / 1e9, kernels ? kernels : "-" }'
}

row() {
    what=$1
    shift
    printf '%s\t' "$what"
    seconds "$@"
    seconds "$@"
    printf '\n'
}

printf '\tfirst, s (kernels)\tsecond, s (kernels)\n'
awk 'BEGIN { for (i = 0; i < 784; i++) printf "%s%d", i ? "," : "", i * 37 % 256; print "" }' >"$folder/image.csv"
awk 'BEGIN { for (i = 0; i < 256; i++) printf "%s%d", i ? "," : "", i * 5 % 27; print "" }' >"$folder/text.csv"
row "query ll, Monarch HMM 64x64" "$danaus" query ll examples/monarch_hmm.pc --set A=64 --set B=64 --seed 1 --data "$folder/text.csv"
row "bench, Monarch HMM 64x64" "$danaus" bench examples/monarch_hmm.pc --set A=64 --set B=64 --batch 1 --repeat 1 --timings
row "bench, quad graph K=32" "$danaus" bench examples/quad_graph.pc --set K=32 --batch 1 --repeat 1 --timings
row "train, quad graph K=32" "$danaus" train examples/quad_graph.pc --set K=32 --data "$folder/image.csv" --epochs 1 --timings \
    -o "$folder/out.safetensors"
row "train, Monarch HMM 64x64" "$danaus" train examples/monarch_hmm.pc --set A=64 --set B=64 --data "$folder/text.csv" --epochs 1 --timings \
    -o "$folder/out.safetensors"
