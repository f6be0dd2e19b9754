import { Injectable } from '@nestjs/common';
import { DomainError } from '#kernel';
import { Llm, type LlmAnswer } from '#platform';
import type { CapturedSession } from '../captured-session.js';
import { readNarrative } from '../conversation/narrative.js';
import type { ChosenModel } from '../models/judge-settings.js';
import { SummaryReader } from './summary-reader.js';
import type { StoredNarrative, StoredSummary } from './summary.js';

export interface Told {
  readonly stored: StoredSummary;
  readonly narrative: StoredNarrative;
  readonly usage: LlmAnswer['usage'];
}

/** The model could not be asked, or its answer is no narrative: the summary is there all the same. */
export class NarrationFailed extends Error {
  constructor(
    readonly stored: StoredSummary,
    override readonly cause: DomainError,
  ) {
    super(cause.message);
  }
}

const ASKING_FAILED: ReadonlySet<DomainError['code']> = new Set(['upstream_failed', 'timeout', 'unavailable']);

/** Has a model tell what happened in a session. Keeps the summary; the narrative is for the caller to keep. */
@Injectable()
export class Narrator {
  constructor(
    private readonly reader: SummaryReader,
    private readonly llm: Llm,
  ) {}

  /** Errors: NarrationFailed; `invalid_input` for an address that may not be called; those of SummaryReader. */
  async tell(session: CapturedSession, { endpoint }: ChosenModel, signal?: AbortSignal): Promise<Told> {
    const { stored, prompt } = await this.reader.question(session);
    const { text, usage } = await this.llm.complete(endpoint, prompt, signal && { signal }).catch((error: unknown) => {
      if (error instanceof DomainError && ASKING_FAILED.has(error.code)) throw new NarrationFailed(stored, error);
      throw error;
    });
    const read = readNarrative(text);
    if (read.kind === 'problem') {
      const problem = new DomainError('upstream_failed', read.detail, { reason: read.reason });
      throw new NarrationFailed(stored, problem);
    }
    return { stored, narrative: { ...read.narrative, model: endpoint.model, versionId: session.versionId }, usage };
  }
}
