#!/usr/bin/env bash
# restore.sh WORLD: makes worlds/WORLD from an archive on standard input, such as export.sh and backup.js write it.
# The world appears when it is complete, or not at all.
set -euo pipefail
world=$1
if [ -e "worlds/$world" ]; then
  echo "there is a world $world already" >&2
  exit 2
fi
unpacked=$(mktemp -d "worlds/.restoring-XXXXXX")
trap 'rm -rf "$unpacked"' EXIT
trap 'exit 143' TERM

# A follower of the run sees the names as they are unpacked.
tar -xzvf - --no-same-owner -C "$unpacked" >&2
# The archive must have one folder, with a world in it. The name of the folder does not matter.
names=("$unpacked"/*)
if [ ${#names[@]} != 1 ] || [ ! -f "${names[0]}/level.json" ]; then
  echo "this is no archive of a world" >&2
  exit 65
fi
files=$(find "${names[0]}" -type f | wc -l)
mv -T "${names[0]}" "worlds/$world"
echo "restored $files files"
