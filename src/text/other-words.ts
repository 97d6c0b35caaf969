/**
 * The names that other tools use for our keys and options. The value is our name, or a sentence when a name is not
 * enough.
 */
export type OtherWords = Readonly<Record<string, string>>;

/** Hints for a command and its definition. `run` and the others are the same in TypeScript and in iscep.yaml. */
export const wordsForCommands: OtherWords = {
  ...called("run", "cmd command commands exec execute program script action handler entrypoint"),
  ...called("args", "argument arguments arg params param parameter parameters inputs input options"),
  ...called("description", "desc help summary title about"),
  ...called("folder", "cwd dir directory workdir working_dir working_directory workingdirectory path"),
  ...called("environment", "env envs variables vars"),
  ...called("user", "as run_as runas uid username"),
  ...called("schedule", "cron every interval"),
  ...called("concurrency", "parallel max_parallel lock mutex"),
  shell: 'there is no shell; a command of one is written as run: [sh, -c, "…"]',
};

/** Hints for the definition in TypeScript. */
export const wordsForDefinitions: OtherWords = {
  ...wordsForCommands,
  ...called("timeoutMs", "timeout timeout_ms"),
  ...called("maxOutputBytes", "max_output maxoutput"),
  ...called("whenOutputIsFull", "when_output_is_full"),
  ...called("argumentVariables", "argument_variables"),
  ...called("successCodes", "success_codes"),
  ...called("readOnly", "read_only readonly"),
  ...called("hiddenFrom", "hidden_from hide_from hidden"),
  timezone: 'it belongs to the schedule: { cron: "0 3 * * *", timeZone: "Europe/Berlin" }',
};

/** Hints for a command in iscep.yaml. */
export const wordsForYamlCommands: OtherWords = {
  ...wordsForCommands,
  ...called("timeout", "timeout_ms timeoutms"),
  ...called("read_only", "readonly"),
  ...called("hidden_from", "hiddenfrom hide_from hidden"),
  ...called("max_output", "maxoutput maxoutputbytes max_output_bytes"),
  time_zone: 'it belongs to the schedule: { cron: "0 3 * * *", time_zone: Europe/Berlin }',
};

/** Hints for the top of iscep.yaml. */
export const wordsForFile: OtherWords = {
  ...called("listen", "port host address addresses bind server"),
  ...called("commands", "scripts command jobs tasks"),
  ...called("tokens", "token auth users secrets"),
  ...called("logs", "log logging"),
  ...called("state", "state_dir state_folder data"),
  ...called("tls", "ssl https cert certificate key"),
  ...called("modules", "import imports plugins functions"),
};

export const wordsForArguments: OtherWords = {
  ...called("choices", "values enum options one_of oneof allowed"),
  ...called("pattern", "regex regexp match matches"),
  ...called("description", "desc help summary title about"),
  ...called("minimum", "min"),
  ...called("maximum", "max"),
  ...called("items", "item of element elements"),
  ...called("base", "folder dir directory root"),
  required: "an argument is required unless it has a default or `optional: true`",
};

export const wordsForTypes: OtherWords = {
  ...called("string", "str text regex"),
  ...called("integer", "int long"),
  ...called("number", "float double decimal"),
  ...called("boolean", "bool flag"),
  ...called("list", "array strings"),
  ...called("path", "file folder directory filename"),
  ...called("enum", "choice select"),
  ...called("secret", "password token"),
};

export function called(name: string, words: string): OtherWords {
  return Object.fromEntries(words.split(" ").map((word) => [word, name]));
}
