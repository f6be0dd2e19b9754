import type { Narrative } from '../conversation/narrative.js';
import type { ConversationSummary } from '../conversation/summary.js';
import type { ModelProblem } from '../models/model-job.js';

/** The summary of a session, kept with the version it is of. */
export interface StoredSummary {
  readonly versionId: string;
  readonly summary: ConversationSummary;
  readonly summarizedAt: Date;
  readonly narrative: StoredNarrative | null;
  /** Why the last narrative that was asked for did not come. */
  readonly narrativeProblem: ModelProblem | null;
}

/** May be of an older version than the summary: then it is being refreshed, or could not be. */
export interface StoredNarrative extends Narrative {
  readonly model: string;
  readonly versionId: string;
}

/** A session in the list of summaries; `summary` is null unless there is one of its present version. */
export interface SummaryListItem {
  readonly uid: string;
  readonly sessionId: string;
  readonly title: string | null;
  readonly tool: string;
  readonly messageCount: number;
  readonly createdAt: Date;
  readonly summary: ConversationSummary | null;
}

export interface SummaryListQuery {
  /** Both inclusive. */
  readonly since: Date | null;
  readonly until: Date | null;
  readonly after: { readonly createdAt: string; readonly uid: string } | null;
  readonly limit: number;
}
