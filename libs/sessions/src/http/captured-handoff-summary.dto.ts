import { ApiProperty } from '@nestjs/swagger';
import type { Handoff } from '../handoffs/handoff.js';
import type { HandoffSummary } from '../handoffs/handoff-summaries.service.js';

const nullableText = { nullable: true, type: String };

/** What anybody sees who names the handoff's id: a title without secrets, and counts. */
export class CapturedPublicHandoffSummary {
  @ApiProperty(nullableText) title!: string | null;
  @ApiProperty() message_count!: number;
  @ApiProperty() total_tokens!: number;

  static from(handoff: Handoff): CapturedPublicHandoffSummary {
    return {
      title: handoff.sessionTitle,
      message_count: handoff.sessionMessageCount,
      total_tokens: handoff.sessionTotalTokens,
    };
  }
}

/** sessionfs-1.md §9.7, for the parties. */
export class CapturedHandoffSummary {
  @ApiProperty() session_id!: string;
  @ApiProperty(nullableText) title!: string | null;
  @ApiProperty() tool!: string;
  @ApiProperty(nullableText) model!: string | null;
  @ApiProperty() message_count!: number;
  @ApiProperty({ type: [String], maxItems: 10 }) files_modified!: string[];
  @ApiProperty() commands_executed!: number;
  @ApiProperty() tests_run!: number;
  @ApiProperty() tests_passed!: number;
  @ApiProperty() tests_failed!: number;
  @ApiProperty({ type: [String], maxItems: 3 }) errors_encountered!: string[];
  @ApiProperty({ type: [String], maxItems: 3, description: 'Newest first' }) last_assistant_messages!: string[];

  static from({ handoff, conversation }: HandoffSummary): CapturedHandoffSummary {
    return {
      session_id: handoff.sessionId,
      title: handoff.sessionTitle,
      tool: handoff.sessionTool,
      model: handoff.sessionModelId,
      message_count: conversation.messageCount,
      files_modified: [...conversation.filesModified],
      commands_executed: conversation.commandsExecuted,
      tests_run: conversation.testsRun,
      tests_passed: conversation.testsPassed,
      tests_failed: conversation.testsFailed,
      errors_encountered: [...conversation.errorsEncountered],
      last_assistant_messages: [...conversation.lastAssistantMessages],
    };
  }
}
