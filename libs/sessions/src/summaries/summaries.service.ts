import { Injectable } from '@nestjs/common';
import type { Principal } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { SessionsService } from '../sessions.service.js';
import { SummariesRepository } from './summaries.repository.js';
import { SummaryReader } from './summary-reader.js';
import type { StoredSummary, SummaryListItem, SummaryListQuery } from './summary.js';

export interface SessionSummary {
  readonly session: CapturedSession;
  readonly stored: StoredSummary;
}

/** Summaries of the sessions a caller may read (sessionfs-1.md §7.12). */
@Injectable()
export class SummariesService {
  constructor(
    private readonly sessions: SessionsService,
    private readonly reader: SummaryReader,
    private readonly repository: SummariesRepository,
  ) {}

  /** That of the current version: a push makes a new one due. Errors: `not_found`, `unprocessable` without messages. */
  async get(caller: Principal, name: string): Promise<SessionSummary> {
    const session = await this.sessions.get(caller, name);
    const known = await this.repository.find(session.uid);
    const stored = known?.versionId === session.versionId ? known : await this.reader.summarize(session);
    return { session, stored };
  }

  /** Made anew. Errors: as `get`. */
  async refresh(caller: Principal, name: string): Promise<SessionSummary> {
    const session = await this.sessions.get(caller, name);
    return { session, stored: await this.reader.summarize(session) };
  }

  /** The caller's own sessions, newest first, with the summaries that are there. */
  async list(caller: Principal, query: SummaryListQuery): Promise<{ items: SummaryListItem[]; hasMore: boolean }> {
    const rows = await this.repository.list(caller, query);
    return { items: rows.slice(0, query.limit), hasMore: rows.length > query.limit };
  }
}
