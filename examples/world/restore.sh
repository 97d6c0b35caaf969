#!/usr/bin/env bash
# restore.sh WORLD: makes worlds/WORLD of an archive on standard input, such as export.sh and backup.js write it.
# A world is there when it is whole, or not at all.
set -euo pipefail
world=$1
if [ -e "worlds/$world" ]; then
  echo "there is a world $world already" >&2
  exit 2
fi
unpacked=$(mktemp -d "worlds/.restoring-XXXXXX")
trap 'rm -rf "$unpacked"' EXIT
trap 'exit 143' TERM

# Names as they are unpacked, for whoever watches.
tar -xzvf - --no-same-owner -C "$unpacked" >&2
# One folder, with a world in it; whatever its name is in the archive.
names=("$unpacked"/*)
if [ ${#names[@]} != 1 ] || [ ! -f "${names[0]}/level.json" ]; then
  echo "this is no archive of a world" >&2
  exit 65
fi
files=$(find "${names[0]}" -type f | wc -l)
mv -T "${names[0]}" "worlds/$world"
echo "restored $files files"
