// Made from /openapi.json by test/support/openapi-types.ts. A test holds it against the server.
export interface paths {
  "/commands": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Commands"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/commands/{command}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path: { command: string }; cookie?: never };
      requestBody?: never;
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Command"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/runs": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: {
        query?: {
          command?: string;
          status?: "running" | "completed" | "failed" | "killed" | "timeout" | "cancelled" | "rejected" | "lost";
          owner?: string;
          since?: string;
          all?: boolean;
          limit?: number;
          cursor?: string;
        };
        header?: never;
        path?: never;
        cookie?: never;
      };
      requestBody?: never;
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["RunsPage"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/runs/{run}": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: { Prefer?: string }; path: { run: string }; cookie?: never };
      requestBody?: never;
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": components["schemas"]["Run"] } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete: {
      parameters: { query?: never; header?: never; path: { run: string }; cookie?: never };
      requestBody?: never;
      responses: {
        204: { headers: { [name: string]: unknown }; content: { [mediaType: string]: never } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/runs/{run}/events": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: {
        query?: { offset?: number };
        header?: { "Last-Event-ID"?: string };
        path: { run: string };
        cookie?: never;
      };
      requestBody?: never;
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/event-stream": string } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/runs/{run}/output": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: {
        query?: { channel?: "stdout" | "stderr"; follow?: boolean; offset?: number };
        header?: { Range?: string };
        path: { run: string };
        cookie?: never;
      };
      requestBody?: never;
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        206: { headers: { [name: string]: unknown }; content: { "application/octet-stream": unknown } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/runs/{run}/stdin": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get?: never;
    put?: never;
    post: {
      parameters: {
        query?: { writer?: string; offset?: number; end?: boolean };
        header?: never;
        path: { run: string };
        cookie?: never;
      };
      requestBody?: { content: { "application/octet-stream": unknown } };
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "application/json": { offset: number } } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/runs/{run}/terminal": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get?: never;
    put: {
      parameters: { query?: never; header?: never; path: { run: string }; cookie?: never };
      requestBody: { content: { "application/json": { columns: number; rows: number } } };
      responses: {
        204: { headers: { [name: string]: unknown }; content: { [mediaType: string]: never } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/schedules": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Schedules"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/session": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Session"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody: { content: { "application/json": { token: string } } };
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Session"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    delete: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        204: { headers: { [name: string]: unknown }; content: { [mediaType: string]: never } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/livez": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/plain": string } };
        "5XX": { headers: { [name: string]: unknown }; content: { "text/plain": string } };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/readyz": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/plain": string } };
        "5XX": { headers: { [name: string]: unknown }; content: { "text/plain": string } };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/metrics": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get: {
      parameters: { query?: never; header?: never; path?: never; cookie?: never };
      requestBody?: never;
      responses: {
        200: { headers: { [name: string]: unknown }; content: { "text/plain": string } };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    put?: never;
    post?: never;
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/commands/add": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get?: never;
    put?: never;
    post: {
      parameters: {
        query?: never;
        header?: { Prefer?: string; "Idempotency-Key"?: string };
        path?: never;
        cookie?: never;
      };
      requestBody: { content: { "application/json": components["schemas"]["add.args"] } };
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: {
            "application/json": components["schemas"]["Outcome"] & { run?: string; status: "completed" };
            "text/event-stream": string;
          };
        };
        202: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Started"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/commands/report": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get?: never;
    put?: never;
    post: {
      parameters: {
        query?: never;
        header?: { Prefer?: string; "Idempotency-Key"?: string };
        path?: never;
        cookie?: never;
      };
      requestBody?: { content: { "application/json": components["schemas"]["report.args"] } };
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: {
            "application/json": components["schemas"]["Outcome"] & {
              run?: string;
              status: "completed";
              value?: components["schemas"]["report.value"];
            };
            "text/event-stream": string;
          };
        };
        202: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Started"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
  "/commands/save.file": {
    parameters: { query?: never; header?: never; path?: never; cookie?: never };
    get?: never;
    put?: never;
    post: {
      parameters: {
        query?: { stdin?: "open"; columns?: number; rows?: number; term?: string };
        header?: { Prefer?: string; "Idempotency-Key"?: string };
        path?: never;
        cookie?: never;
      };
      requestBody?: {
        content: {
          "application/json": components["schemas"]["save.file.args"];
          "application/octet-stream": unknown;
          "multipart/form-data": { args?: components["schemas"]["save.file.args"]; stdin?: string };
        };
      };
      responses: {
        200: {
          headers: { [name: string]: unknown };
          content: {
            "application/json": components["schemas"]["Outcome"] & { run?: string; status: "completed" };
            "text/event-stream": string;
          };
        };
        202: {
          headers: { [name: string]: unknown };
          content: { "application/json": components["schemas"]["Started"] };
        };
        default: {
          headers: { [name: string]: unknown };
          content: { "application/problem+json": components["schemas"]["Problem"] };
        };
      };
    };
    delete?: never;
    options?: never;
    head?: never;
    patch?: never;
    trace?: never;
  };
}
export interface components {
  schemas: {
    ErrorView: { code: components["schemas"]["ErrorCode"]; message: string; action?: string };
    ErrorCode:
      | "usage"
      | "configuration"
      | "invalid_arguments"
      | "too_large"
      | "connect_failed"
      | "not_trusted"
      | "listen_failed"
      | "closed"
      | "busy"
      | "lost"
      | "protocol"
      | "unauthorized"
      | "command_not_found"
      | "run_not_found"
      | "output_gone"
      | "value_gone"
      | "timeout"
      | "cancelled"
      | "killed"
      | "failed"
      | "internal";
    Problem: {
      type: string;
      title: string;
      status: number;
      detail: string;
      code: components["schemas"]["ErrorCode"];
      action?: string;
      run?: string;
      outcome?: components["schemas"]["Outcome"];
      offset?: number;
      start?: number;
    };
    Outcome: {
      status: "completed" | "failed" | "killed" | "timeout" | "cancelled" | "rejected" | "lost";
      value?: unknown;
      valueError?: components["schemas"]["ErrorView"];
      error?: components["schemas"]["ErrorView"];
      exitCode?: number;
      signal?: string;
      truncated?: true;
      masked?: true;
    };
    Started: { run: string; status: "running" };
    RunRecord: {
      run: string;
      command: string;
      owner: string;
      startedAtMs: number;
      endedAtMs?: number;
      status: "running" | "completed" | "failed" | "killed" | "timeout" | "cancelled" | "rejected" | "lost";
      code?: string;
      exitCode?: number;
      signal?: string;
      outputBytes: number;
      arguments?: Record<string, unknown>;
      argumentsOmitted?: string[];
      truncated?: true;
      masked?: true;
    };
    Run: {
      run: string;
      command: string;
      owner: string;
      startedAtMs: number;
      endedAtMs?: number;
      status: "running" | "completed" | "failed" | "killed" | "timeout" | "cancelled" | "rejected" | "lost";
      code?: string;
      exitCode?: number;
      signal?: string;
      outputBytes: number;
      arguments?: Record<string, unknown>;
      argumentsOmitted?: string[];
      truncated?: true;
      masked?: true;
      value?: unknown;
      valueError?: components["schemas"]["ErrorView"];
      error?: components["schemas"]["ErrorView"];
      input?: { offset: number };
    };
    RunsPage: { runs: components["schemas"]["RunRecord"][]; next: string | null };
    Command: {
      name: string;
      description: string;
      kind: "function" | "script";
      args: Record<string, unknown>;
      result?: Record<string, unknown>;
      timeoutMs?: number;
    };
    Commands: { commands: components["schemas"]["Command"][] };
    Schedule: {
      command: string;
      cron: string;
      timeZone: string;
      args: Record<string, unknown>;
      nextMs: number[];
      nextAtMs: number | null;
      last?: components["schemas"]["RunRecord"];
    };
    Schedules: { schedules: components["schemas"]["Schedule"][] };
    Session: {
      owner: string;
      tokenId: string | null;
      expiresAtMs?: number;
      open: boolean;
      scopes?: string[];
      rights?: { scope: string; says: string }[];
      commands?: { command: string; why: string }[];
    };
    "add.args": { a: number; b: number };
    "report.args": {};
    "report.value": { lines: number };
    "save.file.args": {};
  };
}
