import { isUtf8 } from 'node:buffer';
import type { ExecutionEvent, ExecutionRecord } from '../executions/execution.js';
import { type AgentExecuted, AgentExecution, AgentExit } from './agent-executions.dto.js';

/** As server-sent events. Bytes are in base64: a chunk may end anywhere in a character. */
export async function* executionFrames(
  { id }: Pick<ExecutionRecord, 'id'>,
  events: AsyncIterable<ExecutionEvent>,
): AsyncGenerator<string> {
  for await (const event of events) {
    const own = event.type === 'exit' ? AgentExit.from(event.record) : { data_b64: event.data.toString('base64') };
    const data = { sequence_number: event.seq, execution_id: id, ...own };
    yield `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(data)}\n\n`;
  }
}

/** Waits for the end; null when it was broken off. */
export async function executedWhole(events: AsyncIterable<ExecutionEvent>): Promise<AgentExecuted | null> {
  const printed = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  for await (const event of events) {
    if (event.type !== 'exit') printed[event.type].push(event.data);
    else {
      const [stdout, stderr] = [Buffer.concat(printed.stdout), Buffer.concat(printed.stderr)];
      return {
        ...AgentExecution.from(event.record),
        stdout: stdout.toString('utf8'),
        stderr: stderr.toString('utf8'),
        ...(!isUtf8(stdout) && { stdout_b64: stdout.toString('base64') }),
        ...(!isUtf8(stderr) && { stderr_b64: stderr.toString('base64') }),
      };
    }
  }
  return null;
}
