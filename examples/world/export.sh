#!/usr/bin/env bash
# export.sh WORLD: writes an archive of worlds/WORLD to standard output. It tells on standard error how far it is.
set -euo pipefail
world=$1
if [ ! -e "worlds/$world/level.json" ]; then
  echo "there is no world $world" >&2
  exit 2
fi
total=$(find "worlds/$world" | wc -l)
done_so_far=0
# The archive uses standard output, so tar lists what it packs on standard error.
{ tar -czvf - -C worlds -- "$world" 2>&1 >&3 3>&- | while IFS= read -r name; do
  done_so_far=$((done_so_far + 1))
  case $name in
    "$world" | "$world"/*) printf '::progress %d%% packing %s\n' $((100 * done_so_far / total)) "$name" ;;
    *) printf '%s\n' "$name" ;;
  esac
done >&2; } 3>&1
