import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Audit, Database, Events, Idempotency, type Principal } from '#platform';
import { SKILL_DELETED, SKILL_UPLOADED } from '../sandboxes.events.js';
import { frontMatter } from '../workbench/front-matter.js';
import { PathTurns } from '../workspace/path-turns.js';
import {
  assertSkillName,
  isSkillName,
  newSkillVersion,
  type Skill,
  SKILL_FILE,
  skillNotFound,
  SKILLS_OF_ACCOUNT,
  tooManySkills,
} from './skill.js';
import { type ReceivedArchive, SkillDirectories } from './skill-directories.js';
import { SkillSweep } from './skill-sweep.js';
import { SkillsRepository } from './skills.repository.js';

const MAX_DESCRIPTION = 1_024;
/** Of SKILL.md: its front matter comes first. */
const READ_BYTES = 16_384;

export interface SkillUpload<Body> {
  readonly content: Readable;
  /** Told what has arrived, before it changes anything: a repeated request ends there. */
  received(digest: Buffer): Promise<void>;
  /** As it is answered. */
  render(skill: Skill): Body;
}

/** Skills of an account: directories of instructions that new sandboxes are made with (sandbox-sessions.md §B7). */
@Injectable()
export class SkillsService {
  /** Archives are unpacked one at a time of each account: the threads that inflate are the whole server's. */
  private readonly turns = new PathTurns();

  constructor(
    private readonly db: Database,
    private readonly skills: SkillsRepository,
    private readonly directories: SkillDirectories,
    private readonly sweep: SkillSweep,
    private readonly events: Events,
    private readonly audit: Audit,
    private readonly idempotency: Idempotency,
    private readonly clock: Clock,
  ) {}

  /** By name. */
  list(caller: Principal): Promise<Skill[]> {
    return this.skills.list(caller.accountId);
  }

  /** Errors: `not_found`. */
  async get(caller: Principal, name: string): Promise<Skill> {
    const skill = isSkillName(name) ? await this.skills.find(caller.accountId, name) : null;
    if (!skill) throw skillNotFound();
    return skill;
  }

  /**
   * What the archive holds becomes the skill, whole or not at all; sessions that exist keep what they have. The archive
   * that the skill came in once more changes nothing. Errors: `invalid_input` for the name; `bad_request`,
   * `payload_too_large` for the archive; `conflict` (`skills.limit`).
   */
  async upload<Body>(caller: Principal, name: string, upload: SkillUpload<Body>): Promise<Body> {
    assertSkillName(name);
    const received = await this.directories.receive(caller.accountId, upload.content);
    try {
      await upload.received(Buffer.from(received.digest, 'hex'));
      return await this.turns.take(caller.accountId, async () => {
        const current = await this.skills.find(caller.accountId, name);
        return current?.archiveDigest === received.digest
          ? this.db.transaction(() => this.settle(upload.render(current)))
          : this.install(caller, name, received, upload);
      });
    } finally {
      await this.directories.discard(received);
    }
  }

  /** Sessions that have it keep it. Errors: `not_found`, also the second time. */
  async delete(caller: Principal, name: string): Promise<void> {
    const { accountId } = caller;
    await this.db.transaction(async (tx) => {
      if (!isSkillName(name) || !(await this.skills.delete(accountId, name))) throw skillNotFound();
      await this.record(caller, name, { event: SKILL_DELETED, action: 'skill.delete' }, {});
      tx.afterCommit(() => this.sweep.wake(accountId));
    });
  }

  private async install<Body>(
    caller: Principal,
    name: string,
    received: ReceivedArchive,
    { render }: Pick<SkillUpload<Body>, 'render'>,
  ): Promise<Body> {
    const { accountId } = caller;
    const staged = await this.directories.unpack(received);
    const description = await descriptionIn(join(staged.content, SKILL_FILE));
    const version = newSkillVersion();
    await this.directories.install(accountId, version, staged);
    try {
      return await this.db.transaction(async (tx) => {
        await this.skills.lockAccount(accountId);
        const before = await this.skills.find(accountId, name);
        if (!before && (await this.skills.count(accountId)) >= SKILLS_OF_ACCOUNT) throw tooManySkills();
        const now = this.clock.date();
        const { files, totalBytes, skillMdBytes } = staged;
        const facts = { name, description, files, totalBytes, skillMdBytes, archiveDigest: received.digest };
        const skill = { ...facts, createdAt: before?.createdAt ?? now, updatedAt: now };
        await this.skills.put(accountId, version, skill);
        const what = { event: SKILL_UPLOADED, action: 'skill.upload' };
        await this.record(caller, name, what, { version_id: version });
        tx.afterCommit(() => this.sweep.wake(accountId));
        return this.settle(render(skill));
      });
    } catch (error) {
      // After any other failure the row may be there all the same; what nothing refers to, the sweep takes away.
      if (error instanceof DomainError) await this.directories.remove(accountId, version);
      throw error;
    }
  }

  private async settle<Body>(body: Body): Promise<Body> {
    await this.idempotency.settle(201, body);
    return body;
  }

  private async record(
    caller: Principal,
    name: string,
    { event, action }: { readonly event: string; readonly action: string },
    facts: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const subject = { accountId: caller.accountId, kind: 'skill', id: name };
    await this.events.record(event, subject, facts);
    await this.audit.record(caller, action, subject, facts);
  }
}

async function descriptionIn(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, 0);
    const { description = '' } = frontMatter(buffer.toString('utf8', 0, bytesRead));
    // The database takes no NUL.
    return description.replaceAll('\0', '').slice(0, MAX_DESCRIPTION).toWellFormed();
  } finally {
    await file.close();
  }
}
