import { Injectable } from '@nestjs/common';
import type { UIMessageChunk } from 'ai';
import type { Response } from 'express';
import { sendEventStream } from '#platform';
import { AgentRuns } from '../agent/agent-runs.service.js';
import { messageIdOf } from '../chat-runs/chat-run.js';
import { UiStream } from '../chat-runs/ui-stream.js';

/** Sends a run as the AI SDK's clients read it; a client that goes away stops nothing. */
@Injectable()
export class UiStreamSender {
  constructor(private readonly runs: AgentRuns) {}

  /** From that chunk on to the run's end. */
  async send(response: Response, runId: string, startIndex: number): Promise<void> {
    response.setHeader('x-vercel-ai-ui-message-stream', 'v1').setHeader('x-workflow-run-id', runId);
    await sendEventStream(response, (signal) => this.frames(runId, startIndex, signal));
  }

  /** The number of the newest chunk there is; -1 before the first. */
  async tailIndex(runId: string): Promise<number> {
    let tail = -1;
    const stream = new UiStream(messageIdOf(runId));
    for await (const events of this.runs.told(runId))
      for (const { data } of events) tail += stream.chunksOf(data).length;
    return tail;
  }

  private async *frames(runId: string, startIndex: number, signal: AbortSignal): AsyncGenerator<string> {
    const stream = new UiStream(messageIdOf(runId));
    let index = 0;
    for await (const events of this.runs.follow(runId, -1, signal)) {
      const chunks = events.flatMap(({ data }) => stream.chunksOf(data));
      const wanted = chunks.slice(Math.max(0, startIndex - index));
      index += chunks.length;
      if (wanted.length > 0) yield wanted.map(frameOf).join('');
    }
    yield 'data: [DONE]\n\n';
  }
}

const frameOf = (chunk: UIMessageChunk): string => `data: ${JSON.stringify(chunk)}\n\n`;
