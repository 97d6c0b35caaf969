import { Argument } from "commander";
import { completionScripts } from "../completion/scripts.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { shells, type Shell } from "../completion/shell-candidate.js";
import { print } from "../terminal/streams.js";

const explanation = `
For this shell only, or in its start file for good:
  bash (~/.bashrc)                    source <(iscep completion bash)
  zsh (~/.zshrc, behind compinit)     source <(iscep completion zsh)
  fish (~/.config/fish/config.fish)   iscep completion fish | source

It completes verbs, options, commands, their arguments and choices. The server is asked for the last three, by the
options of the line and the environment, and its answer is kept for a minute in XDG_CACHE_HOME/iscep.`;

export const define: DefineVerb = (command) => {
  command
    .addArgument(new Argument("<shell>", "the shell that it is for").choices(shells))
    .addHelpText("after", explanation)
    .action((shell: Shell) => print(completionScripts[shell]));
};
