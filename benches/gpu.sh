#!/usr/bin/env bash
# Checks and measures the code for GPUs. Two halves, with a folder between them:
#
#   benches/gpu.sh build FOLDER   anywhere: compiles circuits for sm_80 and sm_90, in single precision and in bf16, refuses kernels that spill
#                                 and code for tensor cores that has no instruction for them, makes data and what is expected of it,
#                                 and puts all that a GPU machine needs into FOLDER
#   benches/gpu.sh run FOLDER     on a machine with a GPU and its driver: compares every circuit with what is expected, with poisoned
#                                 memory and odd sizes, then prints a table of times; beside PyTorch if python3 has it.
#                                 Elsewhere: compares likelihoods of the kernels for processors, and prints the floors of the GPU's; the
#                                 kernels for GPUs run on processors in `cargo test --test gpu --test gpu_matches_reference`
#
# `build` needs target/release/danaus and ptxas (see README); it looks at machine code if nvdisasm is on the PATH (`pip install
# nvidia-cuda-nvdisasm`), and at the text it is made from otherwise.
set -euo pipefail

verb=${1:-}
folder=${2:-}
[[ -n $folder && ($verb == build || $verb == run) ]] || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# Name, program, settings: small circuits that have all kernels between them, with odd sizes.
checks=(
    "dense hmm.pc --set T=40 --set H=70"
    "wide hmm.pc --set T=21 --set H=300"
    "monarch monarch_hmm.pc --set T=40 --set A=6 --set B=9"
    "square monarch_hmm.pc --set T=33 --set A=40 --set B=40"
    "tree quad_tree.pc --set K=13"
    "graph quad_graph.pc --set N=5 --set K=7 --set V=4"
    "rat rat.pc --set N=13 --set K=5"
    "tucker tucker.pc"
    "mixture mixture.pc"
    "bayes naive_bayes.pc"
)
# Name, program, settings, operations of the transition for a step and sample.
times=(
    "dense-1024 2097152 hmm.pc --set H=1024"
    "monarch-4096 1048576 monarch_hmm.pc --set A=64 --set B=64"
    "monarch-16384 8388608 monarch_hmm.pc --set A=128 --set B=128"
    "monarch-65536 67108864 monarch_hmm.pc --set A=256 --set B=256"
    "monarch-262144 536870912 monarch_hmm.pc --set A=512 --set B=512"
)
rows=77
# Those whose sums have fewer than 8 inputs or outputs, which tensor cores are not for.
small="graph rat tucker mixture bayes"

# Rows of random values, some missing, for the variables that `danaus inspect` lists.
random_rows() {
    python3 - "$1" "$2" "$rows" <<'PYTHON'
import json, random, struct, subprocess, sys
summary = json.loads(subprocess.run(["target/release/danaus", "inspect", "--json", sys.argv[1]], capture_output=True, check=True).stdout)
sizes = [array["values"] for array in summary["variable_arrays"] for _ in range(array["count"])]
random.seed(1)
rows = int(sys.argv[3])
cells = [random.randrange(size) if random.random() < 0.8 else -1 for _ in range(rows) for size in sizes]
header = str({"descr": "<i4", "fortran_order": False, "shape": (rows, len(sizes))}).encode()
header += b" " * (-(len(header) + 11) % 64) + b"\n"
with open(sys.argv[2], "wb") as out:
    out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(cells)}i", *cells))
PYTHON
}

# Refuses kernels that spill, and says what uses most registers.
no_spills() {
    target/release/danaus inspect --json "$1" | python3 -c '
import json, sys
kernels = [kernel for target in json.load(sys.stdin)["gpu"] for kernel in target["kernels"] if kernel["registers"]]
assert kernels, "there is no machine code"
spilled = [kernel["entry"] for kernel in kernels if kernel["spill_stores"] or kernel["spill_loads"]]
assert not spilled, f"kernels spill: {spilled}"
most = max(kernel["registers"] for kernel in kernels)
print(f"{len(kernels)} kernels, at most {most} registers, no spills")'
}

# Every kernel for tensor cores must have an instruction for them: HMMA in machine code, or wmma.mma in the text.
uses_tensor_cores() {
    python3 - "$1" "$(command -v nvdisasm || true)" <<'PYTHON'
import json, re, subprocess, sys, tempfile
path, disassembler = sys.argv[1:]
summary = json.loads(subprocess.run(["target/release/danaus", "inspect", "--json", path], capture_output=True, check=True).stdout)
wanted = {kernel["entry"] for target in summary["gpu"] for kernel in target["kernels"] if kernel["precision"] != "f32"}
assert wanted, "no kernel is for tensor cores"
file, found = open(path, "rb").read(), set()
images = [match.start() for match in re.finditer(rb"\x7fELF", file)]
if disassembler:
    for at, end in zip(images, images[1:] + [len(file)]):
        with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
            cubin.write(file[at:end])
            cubin.flush()
            said = subprocess.run([disassembler, "-c", cubin.name], capture_output=True, text=True).stdout
        if re.search(r"\bHMMA\b", said):
            found.update(re.findall(r"\.text\.(\w+)", said))
else:
    for text in re.findall(rb"\.entry (\w+)(.*?)\x00", file, re.DOTALL):
        if b"wmma.mma" in text[1]:
            found.add(text[0].decode())
missing = wanted - found
assert not missing, f"no instruction for tensor cores in {sorted(missing)}"
print(f"{len(wanted)} kernels multiply on tensor cores, by their {'machine code' if disassembler else 'text'}")
PYTHON
}

# Compiles a circuit in both precisions, and checks its code.
compile_both() {
    local name=$1 program=$2 said
    shift 2
    for precision in f32 bf16; do
        target/release/danaus compile "examples/$program" "$@" --target cpu,cuda:sm_80,cuda:sm_90 --precision "$precision" \
            -o "$folder/$name.$precision.pcb"
        said=$(no_spills "$folder/$name.$precision.pcb")
        echo "$name, $precision: $said"
    done
    [[ " $small " == *" $name "* ]] || uses_tensor_cores "$folder/$name.bf16.pcb"
}

build() {
    mkdir -p "$folder"
    # Built alone it has no kernels for processors in it.
    cargo build --release --package danaus-cuda
    strip -o "$folder/danaus-gpu" target/release/danaus-gpu
    printf 'optimizer = "em"\nbatch = "full"\nepochs = 2\nseed = 7\n' >"$folder/em.toml"
    local name program settings
    for line in "${checks[@]}"; do
        read -r name program settings <<<"$line"
        # shellcheck disable=SC2086
        compile_both "$name" "$program" $settings
        random_rows "$folder/$name.f32.pcb" "$folder/$name.npy"
        # shellcheck disable=SC2086
        target/release/danaus query ll "examples/$program" $settings --seed 7 --data "$folder/$name.npy" --reference >"$folder/$name.expected"
        # shellcheck disable=SC2086
        target/release/danaus train "examples/$program" $settings --seed 7 --data "$folder/$name.npy" --config "$folder/em.toml" \
            -o "$folder/$name.trained" >/dev/null 2>&1
    done
    for line in "${times[@]}"; do
        read -r name _ program settings <<<"$line"
        # shellcheck disable=SC2086
        compile_both "$name" "$program" $settings
        target/release/danaus inspect "$folder/$name.bf16.pcb" --batch 256 >"$folder/$name.inspected"
    done
    rows=1024 random_rows "$folder/monarch-4096.f32.pcb" "$folder/times.npy"
    cp "$0" benches/gpu_peers.py "$folder"
}

# The largest difference, relative to the value or to one nat, and what is allowed; infinities must be the same.
compare() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import math, sys
found, expected = ([float(line.split()[1]) for line in open(name)] for name in sys.argv[1:3])
allowed = float(sys.argv[3])
assert len(found) == len(expected), f"{len(found)} rows, expected {len(expected)}"
worst = 0.0
for row, (a, b) in enumerate(zip(found, expected)):
    error = (0.0 if a == b else math.inf) if math.isinf(a) or math.isinf(b) else abs(a - b) / max(1.0, abs(b))
    assert error <= allowed, f"row {row} is {a}, expected {b}"
    worst = max(worst, error)
print(f"{worst:.1e}")
PYTHON
}

# The same for parameters, relative to the largest of their row of 16.
compare_parameters() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import json, struct, sys
allowed = float(sys.argv[3])
def tensors(name):
    data = open(name, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    for key in sorted(key for key in header if key != "__metadata__"):
        begin, end = header[key]["data_offsets"]
        yield key, struct.unpack(f"<{(end - begin) // 4}f", data[8 + length + begin : 8 + length + end])
worst = 0.0
for (key, found), (_, expected) in zip(tensors(sys.argv[1]), tensors(sys.argv[2])):
    assert len(found) == len(expected), key
    for first in range(0, len(found), 16):
        pairs = list(zip(found[first : first + 16], expected[first : first + 16]))
        scale = max(1e-3, *(abs(b) for _, b in pairs if abs(b) != float("inf")))
        for a, b in pairs:
            error = 0.0 if a == b else abs(a - b) / scale
            assert error <= allowed, f"{key}: {a}, expected {b}"
            worst = max(worst, error)
print(f"{worst:.1e}")
PYTHON
}

# Likelihoods and two updates of every circuit in a precision, by the GPU or the processor.
check_all() {
    local program=$1 precision=$2 name settings found status=0 likelihoods parameters model
    found=$(mktemp)
    # In bf16 the logarithm of each sum may be off by 2^-7. No path of these circuits has more than 80 sums; values are of tens of nats.
    [[ $precision == bf16 ]] && likelihoods=2e-2 parameters=5e-2 || likelihoods=1e-5 parameters=1e-4
    for line in "${checks[@]}"; do
        read -r name _ settings <<<"$line"
        local errors=() model="$folder/$name.$precision.pcb"
        for batch in 1 13 $rows; do
            case $program in
                danaus-gpu) likelihoods_by=("$folder/danaus-gpu" ll "$model" --poison) ;;
                *) likelihoods_by=(target/release/danaus query ll "$model") ;;
            esac
            if "${likelihoods_by[@]}" --seed 7 --data "$folder/$name.npy" --batch "$batch" >"$found"; then
                errors+=("$(compare "$found" "$folder/$name.expected" "$likelihoods")") || status=1
            else
                status=1
            fi
        done
        case $program in
            danaus-gpu) train_by=("$folder/danaus-gpu" train "$model" --poison --batch 13) ;;
            # What is expected of training was computed by the processor: comparing it with itself would say nothing.
            *) printf '%-9s %-4s %s\n' "$name" "$precision" "${errors[*]}"; continue ;;
        esac
        if "${train_by[@]}" --seed 7 --data "$folder/$name.npy" --config "$folder/em.toml" -o "$found" >/dev/null 2>&1; then
            errors+=("$(compare_parameters "$found" "$folder/$name.trained" "$parameters")") || status=1
        else
            status=1
        fi
        printf '%-9s %-4s %s\n' "$name" "$precision" "${errors[*]}"
    done
    rm -f "$found"
    return $status
}

run() {
    local name operations status=0
    echo "circuit   largest error in batches of 1, 13, $rows; of parameters after two updates"
    if ! ls /dev/nvidia[0-9]* >/dev/null 2>&1; then
        echo "there is no GPU: kernels for processors are compared, likelihoods only; none of the code for GPUs runs"
        check_all danaus f32 || { echo "some circuits are wrong" >&2; exit 1; }
        echo "floors by the data sheet, not measured:"
        for line in "${times[@]}"; do
            read -r name _ <<<"$line"
            echo "$name: $(grep -h '^Kernels of cuda:sm_90' "$folder/$name.inspected")"
        done
        return
    fi
    for precision in f32 bf16; do check_all danaus-gpu $precision || status=1; done
    [[ $status -eq 0 ]] || { echo "some circuits are wrong; nothing is timed" >&2; exit 1; }
    echo
    echo "model           operands   batch   what      ms (least, median)   TFLOP/s (median); T = 256, evidence and results included"
    for line in "${times[@]}"; do
        read -r name operations _ <<<"$line"
        for precision in f32 bf16; do
            for batch in 64 256 1024; do
                # A step has three products for each of the forward pass.
                "$folder/danaus-gpu" time "$folder/$name.$precision.pcb" --seed 7 --data "$folder/times.npy" --batch "$batch" --times 20 |
                    awk -v name="$name" -v precision="$precision" -v batch="$batch" -v operations="$operations" \
                        '{ n = ($1 == "step" ? 3 : 1); printf "%-15s %-8s %7d   %-7s %9.3f %9.3f   %8.2f\n", name, precision, batch, $1, $2, $3, n * operations * 255 * batch / $3 / 1e9 }' ||
                    echo "$name with $batch rows was not timed"
            done
        done
    done
    if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        python3 "$folder/gpu_peers.py"
    else
        echo "skipped: python3 has no PyTorch with a GPU, so there are no peers"
    fi
}

"$verb"
