import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { iscep } from "../support/iscep.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { output } from "../support/help-output.js";

describe("help", () => {
  test("iscep", async () => {
    expect(await output(["--help"])).toMatchInlineSnapshot(`
      "Usage: iscep VERB [options]

      Call predefined commands inside another service, safely and live.

      Options:
        -V, --version  print the version
        -h, --help     display help for command

      Verbs:
        init           write a starter iscep.yaml, tokens file, key and certificate
        serve          serve the commands of an iscep.yaml or of modules
        check          check an iscep.yaml and the files that it names, and start
                       nothing
        call           call a command of a server
        ls             list the commands that a server offers
        runs           list runs; show, follow or cancel one
        login          give a server a name, and keep its address and your token
        servers        list the servers that have a name; forget one
        mcp            offer a server's commands to an assistant as tools (MCP)
        instances      list the instances of a service on a broker
        ping           measure round trips to a server
        tokens         add, remove, list, rotate and import tokens
        cert           make a key and a self-signed certificate, or show a pin
        completion     print the script that completes command lines of iscep in a
                       shell
        help [verb]    show the help of a verb

      Environment: ISCEP_URL, ISCEP_SERVER, ISCEP_TOKEN, ISCEP_TOKEN_FILE, ISCEP_CA_FILE, ISCEP_CERT_FILE,
      ISCEP_KEY_FILE, ISCEP_TIMEOUT, ISCEP_TOKENS_FILE, ISCEP_NATS_CREDENTIALS, ISCEP_NATS_NKEY, ISCEP_CONFIG, ISCEP_LOG_LEVEL,
      ISCEP_DEBUG (adds the causes of an error), NO_COLOR, TRACEPARENT.

      Exit codes: 0 done, 1 or the command's own, 64 usage, 65 bad arguments,
      69 cannot connect or listen, 70 internal, 75 busy, 76 lost or not this protocol,
      77 not allowed, 124 timeout, 130 cancelled, 128+n killed by signal n.
      "
    `);
    expect(await output(["help"])).toBe(await output(["--help"]));
  });

  test("iscep init", async () => {
    expect(await output(["init", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep init [options] [folder]

      Write a starter iscep.yaml, tokens file, key and certificate.

      Arguments:
        folder      where to write them; made if it does not exist (default: ".")

      Options:
        --json      print one JSON value, and nothing else, on standard output
        -h, --help  display help for command

      Existing files are never overwritten. To serve what it wrote: cd FOLDER && iscep serve
      "
    `);
  });

  test("iscep serve", async () => {
    expect(await output(["serve", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep serve [options] [files...]

      Serve the commands of an iscep.yaml or of modules.

      Arguments:
        files                       iscep.yaml, or modules that export commands

      Options:
        --host <host>               address to listen on (default: 127.0.0.1)
        --port <number>             port; 0 picks a free one (default: 8989)
        --unix <path>               listen on a unix socket instead
        --tokens-path <file>        the tokens file, like tokens.json; without it,
                                    only this machine may call
        --tls-cert <file>           certificate
        --tls-key <file>            key of the certificate
        --no-tls                    cleartext
        --no-auth                   everybody who can connect may call
        --allow-cleartext           allow --no-tls on addresses that others can reach
        --http                      HTTP on the same places, as \`http: true\` in the
                                    file
        --nats <url>                a broker over which callers come too:
                                    nats://HOST:4222
        --name <name>               the service there, of which this server is an
                                    instance
        --logs <folder>             folder for access.log, error.log and commands.log
        --max-connections <number>  connections at once
        --threads <number>          worker threads for commands that ask for one
        --grace <duration>          how long runs may go on after SIGTERM: 30s, 10m
                                    (default: 10s)
        --debug                     show everything that happens, on standard error
                                    (ISCEP_LOG_LEVEL=debug)
        --quiet                     show nothing on standard error, not even errors of
                                    requests (ISCEP_LOG_LEVEL=quiet)
        --json                      print the address as {"event":"listening","url":…}
        -h, --help                  display help for command

      FILE is an iscep.yaml, or a module (.js, .mjs, .ts) that exports commands. Without one, it is the file that
      ISCEP_CONFIG names, or ./iscep.yaml. Options win over the file. On TCP, TLS is on. Without --tls-cert and --tls-key, the
      first start makes a key. The printed address contains its pin.

      When the server is ready, it prints one line on standard output: listening on iscep://127.0.0.1:8989?pin=…
      SIGTERM and Ctrl-C let runs go on for 10 s, or for --grace, then end them, and exit with 0 at most 6 s after that. A
      second one kills all runs and exits at once. The commands of iscep.yaml are read again when the file changes, and at
      SIGHUP, which also reads the certificate. Changed tokens are read at once.
      "
    `);
    expect(await output(["help", "serve"])).toBe(await output(["serve", "-h"]));
  });

  test("iscep check", async () => {
    expect(await output(["check", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep check [options] [files...]

      Check an iscep.yaml and the files that it names, and start nothing.

      Arguments:
        files                       iscep.yaml, or modules that export commands

      Options:
        --host <host>               address to listen on (default: 127.0.0.1)
        --port <number>             port; 0 picks a free one (default: 8989)
        --unix <path>               listen on a unix socket instead
        --tokens-path <file>        the tokens file, like tokens.json; without it,
                                    only this machine may call
        --tls-cert <file>           certificate
        --tls-key <file>            key of the certificate
        --no-tls                    cleartext
        --no-auth                   everybody who can connect may call
        --allow-cleartext           allow --no-tls on addresses that others can reach
        --http                      HTTP on the same places, as \`http: true\` in the
                                    file
        --nats <url>                a broker over which callers come too:
                                    nats://HOST:4222
        --name <name>               the service there, of which this server is an
                                    instance
        --logs <folder>             folder for access.log, error.log and commands.log
        --max-connections <number>  connections at once
        --threads <number>          worker threads for commands that ask for one
        --grace <duration>          how long runs may go on after SIGTERM: 30s, 10m
                                    (default: 10s)
        --json                      print
                                    {"ok":…,"findings":[{"level":…,"about":…,"message":…}]},
                                    and nothing else
        -h, --help                  display help for command

      Says what \`iscep serve\` with the same files and options would find, but starts nothing and makes no file. It checks
      that the files can be read, modules load, programs exist, key, certificate and tokens are good and closed to others,
      and folders can be written. It does not check whether a port is free, because the server may be running.

      The exit code is 0 when all is well, and 64 when something is wrong. A warning is not a fault.
      "
    `);
  });

  test("iscep call", async () => {
    expect(await output(["call", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep call [options] COMMAND [--ARGUMENT VALUE …]

      Call a command of a server.

      Arguments:
        command                  name of the command
        arguments                its arguments

      Options:
        --url <address>          address of the server (ISCEP_URL; default:
                                 iscep://127.0.0.1:8989)
        --server <name>          name that \`iscep login\` gave to a server
                                 (ISCEP_SERVER)
        --token <token>          your token; ISCEP_TOKEN or --token-file is better,
                                 because others can see the arguments of a process
        --token-file <file>      file with the token, readable only by its owner
                                 (ISCEP_TOKEN_FILE)
        --ca <file>              certificate of the server, or of the authority that
                                 signed it (ISCEP_CA_FILE)
        --pin <pin>              pin of the server's certificate: sha256:…; may be
                                 repeated
        --client-cert <file>     certificate to show to a server that asks for one
                                 (ISCEP_CERT_FILE)
        --client-key <file>      key of that certificate, open to its owner only
                                 (ISCEP_KEY_FILE)
        --timeout <duration>     how long a call may take: 30s, 10m (ISCEP_TIMEOUT)
        --allow-cleartext        allow cleartext (iscep+tcp://) to other machines
        --protocol <version>     version of the protocol (default: what the server
                                 speaks) (choices: "1", "2")
        --json                   print one JSON value, and nothing else, on standard
                                 output
        --quiet                  no warnings, and no progress
        --args <json>            all arguments as one JSON object: JSON, @FILE, or -
                                 for standard input
        --raw                    do not change control characters in the output on a
                                 terminal
        --stdin                  send standard input to the command, even from a
                                 terminal
        --no-stdin               send no standard input, not even from a pipe or file
        --again                  run an earlier run once more: COMMAND is its id, and
                                 arguments behind it replace its own
        --detach                 print the id of the run, and do not wait for it; see
                                 \`iscep runs\`
        --durable                let the call wait in the queue of a broker (nats://)
                                 until an instance takes it
        --to <instance>          call this instance of a service (nats://); see \`iscep
                                 instances\`
        --all                    call all instances of a service (nats://), and print
                                 a table of their outcomes
        --yes                    do not ask before a command that wants to be
                                 confirmed
        --keep-running           let the run go on when nobody reads its output any
                                 more
        --idempotency-key <key>  join the run that an earlier call with this key has
                                 started
        -h, --help               display help for command

      Write an argument as --NAME VALUE or --NAME=VALUE, and a flag as --NAME or --no-NAME. Repeat it for a list. The server
      knows the types. Options of iscep come before COMMAND. They may also come after it, if the command has no argument of
      that name. Behind a single --, everything belongs to the command.
      \`iscep call COMMAND --help\` shows the arguments of that command.

      Output is shown as it comes, on the same streams as in the command, and then the value of a function. The exit code
      is the command's own. Ctrl-C cancels the run and waits for its end; a second one exits at once. When the reader of
      the output goes away, as head does, the run is cancelled too, and the exit code is 141.

      \`iscep call --again RUN --world end\` runs an earlier run once more, here with another world. Its arguments were kept if
      its command has log_args: true. Secrets are never kept, so they are asked for again.

      A pipe or file as standard input is sent to a command that takes it (stdin: true in its definition): iscep call restore
      < dump.sql. For any other command nothing is read, so a loop or a script keeps its own standard input.

      With --all, each line of output has the instance's name in front, and the exit code is 0 only if all completed. An instance
      that says nothing is in the table as lost or timeout.

      With --durable, the call waits at the broker (which needs JetStream) also while no instance is there, and goes on without
      you: Ctrl-C ends only the watching. --detach prints the id of the run as soon as the broker has the call, and \`iscep runs
      attach RUN\` follows it. --timeout bounds the run, and not the time that it waits.

      A command with \`confirm\` in its definition asks on the terminal before it runs. Without a terminal it is refused, unless
      --yes says that it is meant.
      "
    `);
  });

  test("iscep ls", async () => {
    expect(await output(["ls", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep ls [options]

      List the commands that a server offers.

      Options:
        --url <address>       address of the server (ISCEP_URL; default:
                              iscep://127.0.0.1:8989)
        --server <name>       name that \`iscep login\` gave to a server (ISCEP_SERVER)
        --token <token>       your token; ISCEP_TOKEN or --token-file is better,
                              because others can see the arguments of a process
        --token-file <file>   file with the token, readable only by its owner
                              (ISCEP_TOKEN_FILE)
        --ca <file>           certificate of the server, or of the authority that
                              signed it (ISCEP_CA_FILE)
        --pin <pin>           pin of the server's certificate: sha256:…; may be
                              repeated
        --client-cert <file>  certificate to show to a server that asks for one
                              (ISCEP_CERT_FILE)
        --client-key <file>   key of that certificate, open to its owner only
                              (ISCEP_KEY_FILE)
        --timeout <duration>  how long a call may take: 30s, 10m (ISCEP_TIMEOUT)
        --allow-cleartext     allow cleartext (iscep+tcp://) to other machines
        --protocol <version>  version of the protocol (default: what the server
                              speaks) (choices: "1", "2")
        --json                print one JSON value, and nothing else, on standard
                              output
        --quiet               no warnings, and no progress
        -h, --help            display help for command
      "
    `);
  });
});

test("the version is the package's", async () => {
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  expect(await output(["--version"])).toBe(`${version}\n`);
});

describe("words that are no verb", () => {
  test.each<[string[], string]>([
    [["srve"], "iscep: unknown command 'srve'; did you mean serve?\n"],
    [["help", "srve"], "iscep: unknown command 'srve'; did you mean serve?\n"],
    [["frobnicate"], "iscep: unknown command 'frobnicate'\n"],
    [["--frobnicate"], "iscep: unknown option '--frobnicate'\n"],
  ])("%j", async (words, message) => {
    const ended = await iscep(words, { folder: temporaryFolder() });
    expect(ended).toEqual({ code: 64, signal: null, stdout: "", stderr: message });
  });

  test("with --json, the error is JSON on standard output", async () => {
    const ended = await iscep(["srve", "--json"], { folder: temporaryFolder() });
    expect(ended).toMatchObject({ code: 64, stderr: "" });
    expect(JSON.parse(ended.stdout)).toEqual({
      error: { code: "usage", message: "unknown command 'srve'; did you mean serve?" },
    });
  });

  test("none at all shows the help on standard error", async () => {
    const { code, stdout, stderr } = await iscep([], { folder: temporaryFolder() });
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toMatch(/^Usage: iscep VERB/);
  });
});
