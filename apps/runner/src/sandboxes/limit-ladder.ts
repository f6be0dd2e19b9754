import { DomainError } from '#kernel';
import type { LimitLevel } from '#sandboxes';
import { openCgroupV1 } from './cgroup-v1.js';
import { openCgroupV2 } from './cgroup-v2.js';
import { type LimitGroups, NoLimitGroups } from './limit-groups.js';

/** Best first. */
const LADDER: readonly (readonly [LimitLevel, () => Promise<LimitGroups | null>])[] = [
  ['cgroup-v2', openCgroupV2],
  ['cgroup-v1', openCgroupV1],
  ['supervised', () => Promise.resolve(new NoLimitGroups())],
];

/** The best level that the machine offers, or the one asked for. Errors: `unavailable` where that is not offered. */
export async function openLimitGroups(asked?: LimitLevel): Promise<LimitGroups> {
  for (const [level, open] of LADDER) {
    const groups = asked === undefined || asked === level ? await open() : null;
    if (groups) return groups;
  }
  throw new DomainError('unavailable', `This machine does not offer limits by ${asked}`);
}
