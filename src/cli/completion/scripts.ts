/**
 * The code that shells run at TAB. They pass the line as one word, which stays data: there is no `eval`, and nothing
 * that was typed or that comes back is expanded. Exit code 10 asks for names of files.
 */
import type { Shell } from "./shell-candidate.js";

export const filesExitCode = 10;

export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# Completion of iscep in bash: source <(iscep completion bash)
_iscep() {
  local out line code
  COMPREPLY=()
  out=$(command iscep __complete bash "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
  code=$?
  if [[ $code -eq ${filesExitCode} ]]; then
    compopt -o default 2>/dev/null
    return
  fi
  while IFS= read -r line; do
    [[ -n $line ]] && COMPREPLY+=("$line")
  done <<<"$out"
}
complete -F _iscep iscep
`,
  zsh: `#compdef iscep
# Completion of iscep in zsh: source <(iscep completion zsh)
_iscep() {
  local out line code
  local -a values descriptions
  out="$(command iscep __complete zsh "\${(j: :)words[1,CURRENT-1]} \${PREFIX}" 2>/dev/null </dev/null)"
  code=$?
  if (( code == ${filesExitCode} )); then
    _files
    return
  fi
  for line in "\${(@f)out}"; do
    [[ -n $line ]] || continue
    values+=("\${line%%$'\\t'*}")
    descriptions+=("\${line/$'\\t'/  -- }")
  done
  (( $#values )) && compadd -l -d descriptions -- "\${values[@]}"
}
if [[ "\${funcstack[1]}" == _iscep ]]; then
  _iscep "$@"
else
  compdef _iscep iscep
fi
`,
  fish: `# Completion of iscep in fish: iscep completion fish | source
function __iscep_complete
    set -l line (commandline -cp | string collect)
    command iscep __complete fish "$line" 2>/dev/null </dev/null
    if test $status -eq ${filesExitCode}
        __fish_complete_path (commandline -ct)
    end
end
complete -c iscep -f -a '(__iscep_complete)'
`,
};
