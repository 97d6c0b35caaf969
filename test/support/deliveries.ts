/**
 * Deliveries of webhooks as they come over the wire, with their signatures. The body of the push has the shape that GitHub
 * documents. The secrets and the two short examples are those of the documents of GitHub and of Standard Webhooks.
 */

export interface RecordedDelivery {
  readonly secret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const githubSecret = "It's a Secret to Everybody";

/** "Testing the webhook payload validation" in GitHub's documents. */
export const githubVector: RecordedDelivery = {
  secret: githubSecret,
  headers: {
    "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
  },
  body: "Hello, World!",
};

export const githubPush: RecordedDelivery = {
  secret: githubSecret,
  headers: {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/044aadd",
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "x-github-event": "push",
    "x-github-hook-id": "292430182",
    "x-github-hook-installation-target-id": "186853002",
    "x-github-hook-installation-target-type": "repository",
    "x-hub-signature-256": "sha256=cf42420cbd4c2773aad72450f64064459de47e9ada1192cf4a690c96a0a0e732",
  },
  body: [
    '{"ref":"refs/heads/main","before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"0d1a26e67d8f5eaf1f6ba5c5',
    '7fc3c7d91ac0fd1c","repository":{"id":186853002,"name":"service","full_name":"octo-org/service","private":false',
    ',"default_branch":"main"},"pusher":{"name":"octocat","email":"octocat@example.org"},"sender":{"login":"octocat',
    '","id":1,"type":"User"},"created":false,"deleted":false,"forced":false,"base_ref":null,"compare":"https://gith',
    'ub.example/octo-org/service/compare/6113728f27ae...0d1a26e67d8f","commits":[{"id":"0d1a26e67d8f5eaf1f6ba5c57fc',
    '3c7d91ac0fd1c","distinct":true,"message":"Mend the build \u2013 at last","timestamp":"2026-08-01T12:00:00Z","added"',
    ':[],"removed":[],"modified":["build.sh"]}],"head_commit":{"id":"0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c","mes',
    'sage":"Mend the build \u2013 at last"}}',
  ].join(""),
};

/** "Signature scheme" in the specification of Standard Webhooks. */
export const standardVector: RecordedDelivery = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  headers: {
    "content-type": "application/json",
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  },
  body: '{"test": 2432232314}',
};
