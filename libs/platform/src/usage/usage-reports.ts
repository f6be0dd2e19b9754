import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';

/** Members of `GET /v1/usage` that a lib answers for. */
export type UsageReport = (caller: Principal) => Promise<Readonly<Record<string, unknown>>>;

/** What libs add to the usage of an account; each registers while the application is built. */
@Injectable()
export class UsageReports {
  private readonly reports: UsageReport[] = [];

  register(report: UsageReport): void {
    this.reports.push(report);
  }

  async of(caller: Principal): Promise<Readonly<Record<string, unknown>>> {
    const parts = await Promise.all(this.reports.map((report) => report(caller)));
    return Object.assign({}, ...parts) as Record<string, unknown>;
  }
}
