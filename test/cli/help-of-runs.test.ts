/** The help of what is asked of a server beside calls, and of its tokens. */
import { describe, expect, test } from "vitest";
import { output } from "../support/help-output.js";

describe("help", () => {
  test("iscep runs", async () => {
    expect(await output(["runs", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep runs [VERB] [options]

      List runs; show, follow or cancel one.

      Options:
        --url <address>         address of the server (ISCEP_URL; default:
                                iscep://127.0.0.1:8989)
        --server <name>         name that \`iscep login\` gave to a server
                                (ISCEP_SERVER)
        --token <token>         your token; ISCEP_TOKEN or --token-file is better,
                                because others can see the arguments of a process
        --token-file <file>     file with the token, readable only by its owner
                                (ISCEP_TOKEN_FILE)
        --ca <file>             certificate of the server, or of the authority that
                                signed it (ISCEP_CA_FILE)
        --pin <pin>             pin of the server's certificate: sha256:…; may be
                                repeated
        --client-cert <file>    certificate to show to a server that asks for one
                                (ISCEP_CERT_FILE)
        --client-key <file>     key of that certificate, open to its owner only
                                (ISCEP_KEY_FILE)
        --timeout <duration>    how long a call may take: 30s, 10m (ISCEP_TIMEOUT)
        --allow-cleartext       allow cleartext (iscep+tcp://) to other machines
        --protocol <version>    version of the protocol (default: what the server
                                speaks) (choices: "1", "2")
        --json                  print one JSON value, and nothing else, on standard
                                output
        --quiet                 no warnings, and no progress
        --limit <number>        list at most this many
        --all                   runs of all owners, as far as the token may see them
                                (scope runs:all)
        --command <name>        only runs of this command
        --status <status>       only runs that are running, or that ended so (choices:
                                "running", "completed", "failed", "killed", "timeout",
                                "cancelled", "rejected", "lost")
        --owner <name>          only runs of this owner; schedule has those that were
                                planned
        --since <time>          only runs that started then or later: 2h ago, or
                                2026-11-28
        -h, --help              display help for command

      Verbs:
        show [options] <run>    show what is known about a run
        attach [options] <run>  show the output of a run from its beginning, and
                                follow it to its end
        cancel [options] <run>  ask a run to stop

      Without a verb, it lists the runs of this caller that the server knows, the newest first.
      "
    `);
    expect(await output(["runs", "attach", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep runs attach [options] <run>

      Show the output of a run from its beginning, and follow it to its end.

      Arguments:
        run                   id of the run

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
        --offset <bytes>      begin after this many bytes of output (default: 0)
        --raw                 do not change control characters in the output on a
                              terminal
        -h, --help            display help for command

      The exit code is that of the run. Ctrl-C ends only the watching; \`iscep runs cancel\` ends the run.
      "
    `);
  });

  test("iscep completion", async () => {
    expect(await output(["completion", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep completion [options] <shell>

      Print the script that completes command lines of iscep in a shell.

      Arguments:
        shell       the shell that it is for (choices: "bash", "zsh", "fish")

      Options:
        -h, --help  display help for command

      Type this for the present shell, or put it into the start file of the shell:
        bash (~/.bashrc)                    source <(iscep completion bash)
        zsh (~/.zshrc, behind compinit)     source <(iscep completion zsh)
        fish (~/.config/fish/config.fish)   iscep completion fish | source

      It completes verbs, options, commands, arguments and choices. For the last three it asks the server that the line and
      the environment name, and keeps the answer for a minute in XDG_CACHE_HOME/iscep.
      "
    `);
  });

  test("iscep ping", async () => {
    expect(await output(["ping", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep ping [options]

      Measure round trips to a server.

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
        --count <number>      how many round trips (default: 1)
        -h, --help            display help for command
      "
    `);
  });

  test("iscep tokens", async () => {
    expect(await output(["tokens", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep tokens VERB [options]

      Add, remove, list, rotate and import tokens.

      Options:
        --tokens-path <file>                 the tokens file (ISCEP_TOKENS_FILE;
                                             default: "tokens.json")
        -h, --help                           display help for command

      Verbs:
        add [options] <owner>                make a token for an owner, and print it,
                                             which happens only this once
        remove [options] <owner>             remove the tokens of an owner, or the one
                                             with an id; a running server notices at
                                             once
        list [options] [owner]               show owners, ids, rights and expiry of
                                             the tokens, and never a secret
        explain [options] <owner> [command]  tell what an owner may do, and why; with
                                             COMMAND, whether they may run it
        rotate [options] <owner>             replace the token of an owner by a new
                                             one, and print it
        import [options] [file]              import the tokens of a file of the
                                             original, and keep no token in clear
      "
    `);
    expect(await output(["tokens", "add", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep tokens add [options] <owner>

      Make a token for an owner, and print it, which happens only this once.

      Arguments:
        owner                 name of the person or program that gets it

      Options:
        --tokens-path <file>  the tokens file (ISCEP_TOKENS_FILE; default:
                              "tokens.json")
        --json                print one JSON value, and nothing else, on standard
                              output
        --url [address]       print address, pin and token in one, for ISCEP_URL
                              (default address: iscep://127.0.0.1:8989)
        --cert <file>         certificate of the server, for the pin in the address
        --run <pattern>       allow only commands with such names, like backup_*, or
                              with such values: 'backup_world(world=nether*)'; may be
                              repeated
        --operator            see, follow and cancel the runs of every owner; run
                              commands only with --run
        --metrics             read the metrics of the server, as --operator may too;
                              run commands only with --run
        --no-discover         the token may not list the commands
        --certificate <file>  a client certificate instead of a token: its file, its
                              pin (sha256:…), or cn:NAME where the server trusts an
                              authority
        --expires <duration>  90d, 12h, or never
        -h, --help            display help for command
      "
    `);
  });

  test("iscep cert", async () => {
    expect(await output(["cert", "--help"])).toMatchInlineSnapshot(`
      "Usage: iscep cert [options]

      Make a key and a self-signed certificate, or show a pin.

      Options:
        --cert <file>    the certificate to write (default: "cert.pem")
        --key <file>     the key: one that is there gets a new certificate with the
                         same pin, else it is made, open to its owner only (default:
                         "key.pem")
        --host <name>    name or address of the server; may be repeated (default:
                         localhost and this machine's name)
        --days <number>  how long it is valid
        --force          overwrite existing files; clients then need the new pin
        --next           make the key to come, and print its pin (default file:
                         "next-key.pem")
        --show <file>    print the pin of an existing certificate, and make none
        --json           print one JSON value, and nothing else, on standard output
        -h, --help       display help for command

      Prints the pin, by which clients know the server: iscep://HOST:8989?pin=sha256:…
      "
    `);
  });
});
