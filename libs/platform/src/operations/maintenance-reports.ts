import { Injectable } from '@nestjs/common';

/** What a part of the server has yet to catch up with, as numbers and times an operator understands. */
export type MaintenanceReport = Readonly<Record<string, number | string | null>>;

/** The libs' answers to "what is behind?"; each registers its own at start. */
@Injectable()
export class MaintenanceReports {
  private readonly sources = new Map<string, () => Promise<MaintenanceReport>>();

  add(name: string, source: () => Promise<MaintenanceReport>): void {
    this.sources.set(name, source);
  }

  async collect(): Promise<Record<string, MaintenanceReport>> {
    const reports: Record<string, MaintenanceReport> = {};
    for (const [name, source] of this.sources) reports[name] = await source();
    return reports;
  }
}
