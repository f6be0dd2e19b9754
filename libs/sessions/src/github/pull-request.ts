import { DomainError } from '#kernel';
import { isJsonObject, type JsonObject, type JsonValue } from '../conversation/json.js';

/** What a pull request says of where it comes from. */
export interface PullRequest {
  readonly installationId: string;
  readonly number: number;
  /** `owner/repo` of the target and of where the branch is, lowercase as sessions have them. */
  readonly remotes: readonly string[];
  readonly branch: string;
}

const ID = /^[1-9]\d{0,17}$/;

/** Errors: `bad_request` for what GitHub does not send. */
export function pullRequestOf({ installation, repository, pull_request: pull }: JsonObject): PullRequest {
  const head = isJsonObject(pull) ? pull.head : undefined;
  if (isJsonObject(installation) && isJsonObject(repository) && isJsonObject(pull) && isJsonObject(head)) {
    const installationId = String(installation.id as unknown);
    // The repository of a branch may be gone.
    const remotes = [remoteOf(repository), remoteOf(head.repo)].flatMap((remote) => remote ?? []);
    const { number } = pull;
    const { ref } = head;
    const isWhole = remotes.length > 0 && typeof number === 'number' && isText(ref);
    if (isWhole && ID.test(installationId)) return { installationId, number, remotes, branch: ref };
  }
  throw new DomainError('bad_request', 'The delivery names no pull request');
}

const isText = (value: JsonValue | undefined): value is string =>
  typeof value === 'string' && value.length <= 255 && !value.includes('\0');

const remoteOf = (repository: JsonValue | undefined): string | null =>
  isJsonObject(repository) && isText(repository.full_name) ? repository.full_name.toLowerCase() : null;
