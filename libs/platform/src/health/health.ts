import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { packageRoot } from '#kernel';
import { Database } from '../database/database.js';

export const SERVICE_NAME = 'roundhouse';
export const VERSION = (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
  .version;

/** Readiness checks; libs add theirs at start. */
@Injectable()
export class Health {
  private readonly checks = new Map<string, () => Promise<boolean>>();
  private readonly parts = new Map<string, () => object>();
  private draining = false;

  constructor(private readonly db: Database) {
    this.addCheck('database', () => this.isDatabaseUp());
  }

  addCheck(name: string, check: () => Promise<boolean>): void {
    this.checks.set(name, check);
  }

  /** What a lib has to say of itself, beside what decides whether the server is healthy. Answers at once. */
  addPart(name: string, describe: () => object): void {
    this.parts.set(name, describe);
  }

  describeParts(): Record<string, object> {
    return Object.fromEntries([...this.parts].map(([name, describe]) => [name, describe()]));
  }

  /** From now on the process answers that it is not ready, so that load balancers take it out. */
  drain(): void {
    this.draining = true;
  }

  async failingChecks(): Promise<string[]> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, check]) => ((await check().catch(() => false)) ? null : name)),
    );
    return [...(this.draining ? ['draining'] : []), ...results.filter((name) => name !== null)];
  }

  async isDatabaseUp(): Promise<boolean> {
    return this.db.ping().then(
      () => true,
      () => false,
    );
  }
}
