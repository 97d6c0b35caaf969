import { Argument } from "commander";
import { completionScripts } from "../completion/scripts.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { shells, type Shell } from "../completion/shell-candidate.js";
import { print } from "../terminal/streams.js";

const explanation = `
Type this for the present shell, or put it into the start file of the shell:
  bash (~/.bashrc)                    source <(iscep completion bash)
  zsh (~/.zshrc, behind compinit)     source <(iscep completion zsh)
  fish (~/.config/fish/config.fish)   iscep completion fish | source

It completes verbs, options, commands, arguments and choices. For the last three it asks the server that the line and
the environment name, and keeps the answer for a minute in XDG_CACHE_HOME/iscep.`;

export const define: DefineVerb = (command) => {
  command
    .addArgument(new Argument("<shell>", "the shell that it is for").choices(shells))
    .addHelpText("after", explanation)
    .action((shell: Shell) => print(completionScripts[shell]));
};
