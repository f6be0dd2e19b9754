import type { SpooledBlob } from '#kernel';
import { type OutwardRules, outwardSet } from '../conversation/secrets/outward.js';
import type { PatternSet } from '../conversation/secrets/pattern-set.js';
import { redactText } from '../conversation/secrets/redact.js';
import type { Screen } from '../conversation/secrets/stream/text-stream.js';
import { CEILINGS } from './archive-limits.js';
import { inflate } from './inflate.js';
import { screenFor, withHead } from './member-screen.js';
import { type Member, members } from './members.js';
import { Repack } from './repack.js';

export interface RedactionTask {
  readonly spoolFolder: string;
  readonly rules: OutwardRules | null;
  /** Whether it is written anew in any case. */
  readonly always: boolean;
}

/** What was accepted once is read again, whatever plan its owner has by now. */
const LIMITS = { archiveBytes: Infinity, memberBytes: CEILINGS.memberBytes, canUpgrade: false };

/**
 * Writes a stored archive anew without the secrets in it, for strangers. What cannot be searched (binaries) and what is
 * called by a secret is left out. Null when there was nothing to take away: the archive may be given out as it is. Equal
 * archives become equal bytes. Blocks its thread while it searches: meant for a worker.
 */
export async function redactArchive(
  source: AsyncIterable<Uint8Array>,
  { spoolFolder, rules, always }: RedactionTask,
): Promise<SpooledBlob | null> {
  const repack = await Repack.create(spoolFolder);
  const pass = new RedactionPass(repack, outwardSet(rules));
  try {
    for await (const member of members(inflate(source), LIMITS)) await pass.take(member);
    if (always || pass.hasChanged) return await repack.finish();
    await repack.discard();
    return null;
  } catch (error) {
    await repack.discard();
    throw error;
  }
}

class RedactionPass {
  hasChanged = false;
  private readonly options;

  constructor(
    private readonly repack: Repack,
    private readonly secrets: PatternSet,
  ) {
    this.options = { set: secrets, note: () => void (this.hasChanged = true) };
  }

  /** Reads the member to its end in any case: the next one comes after it. */
  async take(member: Member): Promise<void> {
    const isNamedBySecret = redactText(member.path, this.secrets).findings.length > 0;
    let screen: Screen | null | undefined = isNamedBySecret ? null : undefined;
    for await (const chunk of withHead(member.content)) {
      if (screen === undefined) screen = screenFor(member.path, chunk, this.options);
      if (screen !== null) await this.repack.write(screen.push(chunk));
    }
    if (screen === null) {
      this.hasChanged = true;
      return;
    }
    if (screen) await this.repack.write(screen.end());
    await this.repack.endMember(member, () => undefined);
  }
}
