#!/usr/bin/env bash
# A newcomer's walk, in a fresh clone: reproduce, promote, change one thing as an experiment, compare, promote it, see the running
# service answer with the new model, go back, see it answer with the old one. Stops at the first step that does not do its part.
# With WHOLE_WALK=1 each command also says no, or nothing new, where it should; without it tests of these commands alone show that.
set -euo pipefail
export PATH="$PWD/.venv/bin:$PATH" PREDICTION_API_PORT=${PREDICTION_API_PORT:-8000} DATA_API_PORT=${DATA_API_PORT:-8001}
service=http://127.0.0.1:$PREDICTION_API_PORT scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

step() { printf '\n== %s\n' "$*"; }

# Runs a command that has to fail, and to say these words.
must_fail() {
  local words=$1 said
  shift
  if said=$("$@" 2>&1); then echo "error: this should have ended with another status than 0: $*" >&2; exit 1; fi
  echo "$said"
  grep --quiet "$words" <<<"$said" || { echo "error: it should have said: $words" >&2; exit 1; }
}

# Runs a command of the whole walk.
whole() { if [ -n "${WHOLE_WALK:-}" ]; then "$@"; fi; }

# Waits until predictions, of the example of each column, come from the model with this metadata.json.
wait_for() {
  python - "$service" "$(sha256sum "$1" | cut -c1-12)" <<'PYTHON' || { tail -n 20 "$scratch/log" >&2; exit 1; }
import json, sys, time, urllib.request
service, wanted = sys.argv[1:]
ask = lambda path, body=None: json.load(urllib.request.urlopen(urllib.request.Request(
    service + path, body and json.dumps(body).encode(), {"content-type": "application/json"}), timeout=10))
end = time.monotonic() + 180
while True:
    try:
        columns = ask("/model")["schema"]["columns"]
        answer = ask("/predict", {column["name"]: column["example"] for column in columns})["model_version"]
    except OSError as error:
        answer = error
    if answer == wanted:
        break
    if time.monotonic() > end:
        sys.exit(f"error: {service} should answer with model {wanted}; it answers with {answer}")
    time.sleep(0.3)
print(f"{service} answers with model {wanted}")
PYTHON
}

nothing_runs_twice() {
  step "Reproduce the pipeline; nothing runs a second time"
  make repro
  make repro
}
whole nothing_runs_twice

step "Reproduce the pipeline with the simplest model, and make it the first champion"
sed -i.bak 's/model: hgb/model: logistic/' conf/config.yaml && rm conf/config.yaml.bak
make params repro
git commit --quiet --all --message "Begin with logistic regression"
make promote
cp data/model/metadata.json "$scratch/logistic.json"

step "Serve the champion"
# Each look at the registry loads MLflow, which takes seconds.
MODEL_URI=models:/ontime@champion MODEL_POLL_SECONDS=20 make serve >"$scratch/log" 2>&1 &
serving=$!
trap 'kill $serving 2>/dev/null; wait $serving || true; rm -r "$scratch"' EXIT
wait_for "$scratch/logistic.json"

step "Change one thing as an experiment, and compare"
dvc exp run --name boosting --set-param model=hgb
dvc metrics diff HEAD
whole must_fail "files have changed since" make promote # a model is promoted from a commit

step "Keep it: write it into conf/, and promote it"
sed -i.bak 's/model: logistic/model: hgb/' conf/config.yaml && rm conf/config.yaml.bak
make params
git commit --quiet --all --message "Boosted trees"
make repro
make diff BASE=HEAD~1
make promote
wait_for data/model/metadata.json

nothing_twice_and_nothing_worse() {
  step "Nothing is promoted twice, and nothing worse"
  make promote
  git checkout --quiet HEAD~1
  dvc checkout --quiet
  must_fail "should beat version 2, the champion" make promote
  git checkout --quiet -
  dvc checkout --quiet
}
whole nothing_twice_and_nothing_worse

step "Go back"
make rollback
wait_for "$scratch/logistic.json"

and_forth_again() {
  step "Go forth again"
  must_fail "version 1 is the first" make rollback
  make promote
  wait_for data/model/metadata.json
}
whole and_forth_again

step "Which model answered when?"
make history
whole make history AT="$(date -u +%Y-%m-%dT%H:%M:%SZ)"
changed=$(git status --porcelain)
[ -z "$changed" ] || { echo "error: git status should be clean; it says: $changed" >&2; exit 1; }
echo "The walk is done."
