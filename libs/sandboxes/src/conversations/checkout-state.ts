import type { CheckoutState } from './conversation.js';

/**
 * Where HEAD stands, and what made commits: the log of HEAD's moves with their times, and the newest commits that a branch
 * still has. An entry of that log is one line: commit, `HEAD@{seconds}`, what was done.
 */
export const SHOW_STATE = `
needRepository
git config --get remote.origin.url | emit 2048
git symbolic-ref -q --short HEAD | emit 1024
git rev-parse -q --verify 'HEAD^{commit}' | emit 100
git log -g --no-show-signature --no-color --no-patch --max-count=1000 --date=unix --format='%H %gd %gs' HEAD -- \\
  2> /dev/null | emit 262144
git rev-list --max-count=1000 HEAD --branches -- 2> /dev/null | emit 65536
`;

const COMMIT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const ENTRY = /^([0-9a-f]+) HEAD@\{(\d+)\} (.*)$/;
/** As git says of a move that it made a commit: not of a checkout, a reset, a pull that only follows. */
const MADE =
  /^(?:commit\b|cherry-pick|revert|am\b|rebase.*\((?:pick|reword|edit|squash|fixup|continue)\)|(?:merge|pull)\b.*: Merge made)/;

/** Of what the script has shown; commits made before `since` are left out. */
export function toCheckoutState(parts: readonly Buffer[], since: Date): CheckoutState {
  const [remote = '', branch = '', head = '', moves = '', kept = ''] = parts.map((part) =>
    part.toString('utf8').replaceAll('\0', '').trim(),
  );
  const reachable = new Set(kept.split('\n'));
  const first = Math.floor(since.getTime() / 1_000);
  const made = moves.split('\n').flatMap((line) => {
    const [, id = '', at = '', what = ''] = ENTRY.exec(line) ?? [];
    return MADE.test(what) && Number(at) >= first && reachable.has(id) && COMMIT_ID.test(id) ? [id] : [];
  });
  return {
    remote: publicRemote(remote),
    branch: branch.slice(0, 255) || null,
    commit: COMMIT_ID.test(head) ? head : null,
    commits: [...new Set(made)],
  };
}

/** Addresses may hold tokens: before the host, or behind a question mark. */
function publicRemote(remote: string): string | null {
  return remote.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1').replace(/[?#].*$/s, '') || null;
}
