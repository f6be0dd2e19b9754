import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { describeIdempotency, SCOPES, VERSION } from '#platform';
import { describeErrors } from './errors.js';
import { addNamespaceForms, nameWildcards } from './repo-paths.js';

const ABOUT = `The self-hosted home base for AI coding agents.

**Credentials.** Every kind of key is taken in \`x-api-key\`, in \`Authorization: Bearer\` and, by git, as the password of
Basic. A pinned session id (\`X-Session-Id\`) may stand in for the key. Each operation names the scopes it needs in
\`x-required-scopes\`; \`*\` means an unrestricted user key.

**Idempotency.** Mutating operations take an \`Idempotency-Key\` header: the first answer is replayed to repetitions.

**Limits.** Answers carry \`X-RateLimit-Limit\`, \`-Remaining\` and \`-Reset\`; a 429 adds \`Retry-After\` in seconds.`;

/** The OpenAPI document of the running application: what is served, linted and committed under openapi/. */
export function buildDocument(app: INestApplication): OpenAPIObject {
  const settings = new DocumentBuilder()
    .setTitle('Roundhouse API')
    .setDescription(ABOUT)
    .setVersion(VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'This server')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'x-api-key', description: 'Any key' }, 'apiKey')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'Any key' }, 'bearer')
    .addBasicAuth({ type: 'http', scheme: 'basic', description: 'Any key as the password; the user name is ignored' }, 'basic')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-Session-Id', description: 'A pinned session' }, 'pinnedSession')
    .addExtension('x-scopes', SCOPES)
    .build();
  const document = SwaggerModule.createDocument(app, settings, { operationIdFactory: (_, method) => method });
  return uniqueIds(sorted(addNamespaceForms(nameWildcards(describeErrors(describeIdempotency(document))))));
}

/** Paths and schemas in alphabetical order: the committed file must not depend on the order of imports. */
function sorted(document: OpenAPIObject): OpenAPIObject {
  const byName = <T>(record: Record<string, T>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    ...document,
    tags: tagsOf(document),
    paths: byName(document.paths),
    components: { ...document.components, schemas: byName(document.components?.schemas ?? {}) },
  };
}

/** A handler that answers on two paths is two operations: the later path's id says so. */
function uniqueIds(document: OpenAPIObject): OpenAPIObject {
  const seen = new Set<string>();
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item as Record<string, { operationId?: string }>)) {
      if (operation.operationId === undefined) continue;
      if (seen.has(operation.operationId)) operation.operationId += 'Alias';
      seen.add(operation.operationId);
    }
  }
  return document;
}

const TAGS: Readonly<Record<string, string>> = {
  Administration: 'Platform administrators only',
  Authentication: 'Sign-up, the calling user, keys',
  Billing: 'Plans: what an account has, buying and managing one',
  'Branches and refs': 'Names of commits',
  Commits: 'Write many files at once; browse history',
  Files: 'Directories and file contents at any ref',
  Git: 'git smart HTTP: clone, fetch, push',
  Health: 'State of the server',
  'Pinned sessions': 'Pin an identity once and skip credential look-ups',
  Repositories: 'Git repositories of an account',
  'Single sign-on': 'Sign-in with OpenID Connect providers',
  Usage: 'What an account has used',
};

function tagsOf(document: OpenAPIObject): { name: string; description: string }[] {
  const used = new Set(
    Object.values(document.paths).flatMap((path) =>
      Object.values(path as Record<string, { tags?: string[] }>).flatMap((operation) => operation.tags ?? []),
    ),
  );
  return [...used].sort().map((name) => ({ name, description: TAGS[name] ?? name }));
}
