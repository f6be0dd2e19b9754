import { Injectable } from '@nestjs/common';
import { Clock, DomainError } from '#kernel';
import { Archives } from '../archive/archives.js';
import { type CapturedSession, sessionNotFound } from '../captured-session.js';
import type { ModelPrompt } from '../conversation/model-prompt.js';
import type { ConversationSummary, Workspace } from '../conversation/summary.js';
import { DlpGate } from '../dlp/dlp-gate.service.js';
import { ConversationPasses } from '../passes/conversation-passes.js';
import type { PassInput, PassName, PassResult } from '../passes/pass-registry.js';
import { SessionVersionsService } from '../sync/session-versions.service.js';
import { SummariesRepository } from './summaries.repository.js';
import type { StoredSummary } from './summary.js';

/** Summarises the current version of a session from its messages, and keeps what came out. */
@Injectable()
export class SummaryReader {
  constructor(
    private readonly versions: SessionVersionsService,
    private readonly archives: Archives,
    private readonly passes: ConversationPasses,
    private readonly repository: SummariesRepository,
    private readonly dlp: DlpGate,
    private readonly clock: Clock,
  ) {}

  /** Errors: `unprocessable` without messages, `not_found` when the session is gone. */
  async summarize(session: CapturedSession): Promise<StoredSummary> {
    return this.keep(session, await this.read('summary', session, workspaceOf(session)));
  }

  /** As `summarize`, with the question for a model. */
  async question(session: CapturedSession): Promise<{ stored: StoredSummary; prompt: ModelPrompt }> {
    const task = { workspace: workspaceOf(session), rules: await this.dlp.outwardRules(session) };
    const { summary, prompt } = await this.read('narrative', session, task);
    return { stored: await this.keep(session, summary), prompt };
  }

  private async read<Name extends PassName & ('summary' | 'narrative')>(
    pass: Name,
    session: CapturedSession,
    input: PassInput<Name>,
  ): Promise<PassResult<Name>> {
    const { messagesDigest, messagesIndex } = await this.versions.current(session);
    const conversation = this.archives.messages(messagesDigest, messagesIndex);
    if (conversation.count === 0) {
      throw new DomainError('unprocessable', 'Could not generate summary — no messages found');
    }
    return this.passes.run(pass, input, conversation);
  }

  private async keep({ uid, versionId }: CapturedSession, summary: ConversationSummary): Promise<StoredSummary> {
    const stored = await this.repository.save(uid, versionId, summary, this.clock.date());
    if (!stored) throw sessionNotFound();
    return stored;
  }
}

const workspaceOf = ({ gitBranch, gitCommit }: CapturedSession): Workspace => ({
  branch: gitBranch,
  commit: gitCommit,
});
