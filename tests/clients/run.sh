#!/usr/bin/env bash
# Usage: run.sh NAME SOURCE_FOLDER AUTOGLM. Runs one client's tests, in the environment that ./test makes; those of "libraries"
# in a larger one, which `tools/dev clients` makes.
set -euo pipefail
name=$1 environment=venv-clients made_by=./test import=$1
if [ "$name" = libraries ]; then environment=venv-libraries made_by="tools/dev clients" import=litellm; fi
python=$2/build/$environment/bin/python
if ! "$python" -c "import $import" 2>/dev/null; then
  echo "$name: not installed: $made_by makes build/$environment"
  exit 77
fi
exec "$python" "$2/tests/clients/${name}_test.py" "$3"
