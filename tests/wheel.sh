#!/usr/bin/env bash
# Build the wheel, install it with its dependencies in a clean environment, and run it from elsewhere:
# an editable install hides files that the wheel lacks.
set -euo pipefail
python=$(readlink -f "$(dirname "$1")")/python
root=$PWD
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$python" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || { tail -20 "$work/build.log"; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q -c "$root/constraints.txt" "$work"/dist/*.whl
cd "$work"
export TWIN_HOME="$work/home"
"$work/venv/bin/twin" --help >/dev/null   # the first run compiles
"$work/venv/bin/python" - "$work/venv/bin/twin" <<'P'
import subprocess, sys, time
took = []
for _ in range(5):
    began = time.perf_counter()
    subprocess.run([sys.argv[1], "--help"], check=True, stdout=subprocess.DEVNULL)
    took.append(time.perf_counter() - began)
print(f"twin --help: {min(took):.2f} s (goal 0.5)")
sys.exit(min(took) > 0.5)
P
"$work/venv/bin/python" -c "from training_pipeline.recipe import load; load('quick'); load('standard')"
"$work/venv/bin/twin" status --json >/dev/null
echo "wheel: $(basename "$work"/dist/*.whl) works in a clean environment"
