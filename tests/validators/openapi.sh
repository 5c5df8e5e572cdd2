#!/usr/bin/env bash
# Checks OpenAPI documents with PyPI's openapi-spec-validator, which nobody here wrote: `tests/validators/openapi.sh FILE…`.
# Ends with 77 where it is not installed: `python3 -m pip install openapi-spec-validator`.
set -euo pipefail
if ! python3 -c 'import openapi_spec_validator' 2>/dev/null; then
  echo "openapi-spec-validator is not installed" >&2
  exit 77
fi
for file in "$@"; do
  python3 -m openapi_spec_validator "$file"
done
