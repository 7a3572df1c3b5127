#!/usr/bin/env bash
# Usage: run.sh NAME SOURCE_FOLDER AUTOGLM. Runs one client's tests in the environment that ./test makes.
set -euo pipefail
python=$2/build/venv-clients/bin/python
if ! "$python" -c "import $1" 2>/dev/null; then
  echo "the client \"$1\" is not installed: ./test makes build/venv-clients"
  exit 77
fi
exec "$python" "$2/tests/clients/$1_test.py" "$3"
