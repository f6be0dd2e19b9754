import { DomainError } from '#kernel';
import type { JsonObject } from '../conversation/json.js';

/** Why something a model was asked for did not come. */
export interface ModelProblem {
  /** `llm_request_failed`, `llm_timeout`, `not_json`, … */
  readonly code: string;
  readonly message: string;
}

/** Work on a session that asks a language model, in the name of a user whose settings say which. */
export interface ModelJob {
  readonly id: string;
  readonly kind: string;
  readonly sessionUid: string;
  readonly userId: string;
  /** The kind's own: ids and facts, never a key. */
  readonly input: JsonObject;
  /** Which try this is; a try that is no longer the row's has lost the job. */
  readonly attempts: number;
}

export interface ModelJobRequest {
  readonly kind: string;
  readonly sessionUid: string;
  readonly userId: string;
  readonly input: JsonObject;
  /** It waits until so much time has passed since the last one of its kind ended for the session. */
  readonly apartSeconds?: number;
}

/** Writes what came of a job; runs in the transaction that ends it, and only if the job was not lost meanwhile. */
export type ModelJobEffect = () => Promise<void>;

/** Does the jobs of one kind. What it throws is the job's problem; a DomainError's text is shown to the user. */
export interface ModelJobHandler {
  readonly kind: string;
  /** `signal` ends when the server stops: the job is then done by another one. */
  run(job: ModelJob, signal: AbortSignal): Promise<ModelJobEffect>;
}

/** What a user may be told of a failure: a fault of ours has no text of its own. */
export function problemOf(error: unknown): ModelProblem {
  return error instanceof DomainError && error.code !== 'internal'
    ? { code: error.reason ?? error.code, message: error.message }
    : { code: 'internal', message: 'Internal server error' };
}
