#!/bin/sh
# Fetches the files listed in README.md again, byte for byte as the packages
# ship them. Raise the versions here, run `sh refresh.sh`, read the diff.
set -eu

lit=3.3.3
lit_html=3.3.3
lit_element=4.2.2
reactive_element=2.1.2

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

npm install --silent --no-save --ignore-scripts --prefix "$work" \
  "lit@$lit" "lit-html@$lit_html" "lit-element@$lit_element" "@lit/reactive-element@$reactive_element"

copy() { # package directory, target directory, files
  from=$work/node_modules/$1
  to=$here/$2
  shift 2
  rm -rf "$to"
  for file in "$@"; do
    mkdir -p "$to/$(dirname "$file")"
    cp "$from/$file" "$to/$file"
  done
}

copy lit lit LICENSE index.js
copy lit-html lit-html LICENSE lit-html.js is-server.js directive.js directive-helpers.js \
  directives/live.js directives/repeat.js
copy lit-element lit-element LICENSE lit-element.js
copy @lit/reactive-element reactive-element LICENSE reactive-element.js css-tag.js
