import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import type { Principal } from '#platform';
import { CodingSessionsRepository } from '../coding-sessions/coding-sessions.repository.js';
import { CodingSessionsService } from '../coding-sessions/coding-sessions.service.js';
import { type CheckoutDiff, MAX_PATCH_BYTES } from './checkout-diff.js';
import { WITHOUT_GENERATED } from './generated-files.js';
import { readCheckoutDiff } from './git-output-thread.js';
import { SandboxGit } from './sandbox-git.js';
import { type Workbench, Workbenches } from './workbenches.js';

/**
 * Compares the files as they are with where the work began: with the default branch of the remote at the point where
 * this one left it, else with the last commit. Files git does not know yet stand in a copy of the index, so that a file
 * that was moved is seen as moved; the repository itself is not written to.
 */
const COMPARE = `
needRepository
head=$(git rev-parse -q --verify 'HEAD^{commit}') || head=$(git hash-object -t tree /dev/null)
base=$head name=HEAD
for ref in $(git symbolic-ref -q refs/remotes/origin/HEAD) refs/remotes/origin/main refs/remotes/origin/master; do
  tip=$(git rev-parse -q --verify "$ref^{commit}") || continue
  base=$(git merge-base "$head" "$tip" 2> /dev/null) || base=$tip
  name=\${ref#refs/remotes/}
  break
done
printf '%s' "$name" | emit 1024
run git status --porcelain=v2 -z --no-renames --untracked-files=all --ignore-submodules=dirty | emit 1048576
index=$(git rev-parse --git-path index)
[ ! -e "$index" ] || cp "$index" /tmp/index
export GIT_INDEX_FILE=/tmp/index
git update-index -q --refresh > /dev/null 2>&1
empty=$(git hash-object -t blob /dev/null)
git ls-files -z --others --exclude-standard | head -c 1048576 |
  sed -z "/\\\\/\\$/d; s/^/100644 $empty 0	/" | git update-index -z --index-info
compare() { run git diff-index -M -l500 --no-ext-diff --no-textconv --ignore-submodules=dirty "$@"; }
compare -z --raw --numstat "$base" -- | emit 2097152
compare -p --src-prefix=a/ --dst-prefix=b/ "$base" -- . "$@" | emit ${MAX_PATCH_BYTES}
[ "$base" = "$head" ] || compare -p --src-prefix=a/ --dst-prefix=b/ "$head" -- . "$@" | emit ${MAX_PATCH_BYTES}
`;

export interface CachedDiff {
  readonly diff: Readonly<Record<string, unknown>>;
  readonly at: Date;
}

/** What a session has changed in its checkout, and the last answer to that (sandbox-sessions.md §A11.3). */
@Injectable()
export class CheckoutDiffService {
  /** A second question while the first is being answered gets the same answer. */
  private readonly underWay = new Map<string, Promise<CheckoutDiff>>();

  constructor(
    private readonly workbenches: Workbenches,
    private readonly sessions: CodingSessionsService,
    private readonly repository: CodingSessionsRepository,
    private readonly git: SandboxGit,
    private readonly clock: Clock,
  ) {}

  /** The diff as of now; stored with the session. Errors: those of Workbenches and SandboxGit. */
  live(caller: Principal, sessionId: string): Promise<CheckoutDiff> {
    return this.workbenches.use(caller, sessionId, (workbench) => {
      const running = this.underWay.get(sessionId);
      if (running) return running;
      const diff = this.compare(workbench).finally(() => this.underWay.delete(sessionId));
      this.underWay.set(sessionId, diff);
      return diff;
    });
  }

  /** The last diff there was, also of a sandbox that is not up. Errors: `not_found` without one. */
  async cached(caller: Principal, sessionId: string): Promise<CachedDiff> {
    const { cachedDiff: diff, cachedDiffAt: at } = await this.sessions.get(caller, sessionId);
    if (diff === null || at === null) throw new DomainError('not_found', 'No cached diff available');
    return { diff, at };
  }

  private async compare({ session, place }: Workbench): Promise<CheckoutDiff> {
    const startedAt = this.clock.date();
    const parts = await this.git.parts(place, { script: COMPARE, args: WITHOUT_GENERATED });
    const [baseRef, status, changes, patch, localPatch = null] = parts;
    if (!baseRef || !status || !changes || !patch) throw new Error('the script emits four parts or five');
    const diff = await readCheckoutDiff({ baseRef, status, changes, patch, localPatch });
    await this.repository.storeDiff(session.id, diff, startedAt);
    return diff;
  }
}
