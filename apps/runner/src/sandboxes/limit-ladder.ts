import { DomainError } from '#kernel';
import type { LimitLevel } from '#sandboxes';
import { openCgroupV1 } from './cgroup-v1.js';
import { openCgroupV2 } from './cgroup-v2.js';
import { type LimitGroups, NoLimitGroups } from './limit-groups.js';

/** Best first; each says why not where the machine does not offer it. */
const LADDER: readonly (readonly [LimitLevel, () => Promise<LimitGroups | string>])[] = [
  ['cgroup-v2', () => openCgroupV2()],
  ['cgroup-v1', async () => (await openCgroupV1()) ?? 'its hierarchies are not there, or not ours to write to'],
];

/** The best level that the machine offers, or the one asked for. Errors: `unavailable` where that is not offered. */
export async function openLimitGroups(asked?: LimitLevel): Promise<LimitGroups> {
  const causes: string[] = [];
  for (const [level, open] of LADDER) {
    if (asked !== undefined && asked !== level) continue;
    const groups = await open();
    if (typeof groups !== 'string') return groups;
    causes.push(`${level}: ${groups}`);
  }
  if (asked === undefined || asked === 'supervised') return new NoLimitGroups(causes.join('; '));
  throw new DomainError('unavailable', `This machine does not offer limits by ${causes.join()}`);
}
