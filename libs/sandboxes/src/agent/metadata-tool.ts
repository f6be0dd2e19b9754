import type { AgentTool } from './agent-loop.js';

/** How an agent tells whoever watches its session how the work goes. Errors of `tell` are told to the model. */
export function metadataTool(tell: (change: unknown) => Promise<void>): AgentTool {
  const metadata = { type: 'object', description: 'Members to set, with JSON values; null takes one away' };
  return {
    name: 'set_metadata',
    description: 'Tell whoever watches the session how the work goes, by members of its metadata. Others stay.',
    parameters: { type: 'object', properties: { metadata }, required: ['metadata'], additionalProperties: false },
    run: async (input) => {
      await tell((input as { metadata?: unknown }).metadata);
      return { content: 'Done', isError: false };
    },
  };
}
