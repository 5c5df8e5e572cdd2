#!/usr/bin/env bash
# Compiles TypeScript strictly into a folder: `tests/validators/typescript.sh FOLDER FILE…`.
# Ends with 77 where there is no compiler: `npm install --prefix target/validators typescript`.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH="$PWD/target/validators/node_modules/.bin:$PATH"
if ! command -v tsc >/dev/null 2>&1; then
  echo "tsc is not installed" >&2
  exit 77
fi
folder=$1
shift
tsc --strict --noUncheckedIndexedAccess --target es2022 --module es2022 --moduleResolution bundler --outDir "$folder" "$@"
echo '{ "type": "module" }' > "$folder/package.json"
