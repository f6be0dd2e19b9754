import { DomainError } from '#kernel';
import type { ClientTool } from './agent-session.js';

const MAX_TOOLS = 128;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_DESCRIPTION_BYTES = 16_384;

/** The function tools a client offers (sandbox-sessions.md §B7). Errors: `invalid_input` naming the tool. */
export function toClientTools(input: unknown): ClientTool[] {
  if (input === undefined || input === null) return [];
  if (!Array.isArray(input)) throw refused('tools', 'must be an array');
  if (input.length > MAX_TOOLS) throw refused('tools', `must have at most ${MAX_TOOLS} entries`);
  const tools = input.map((tool: unknown, index) => toTool(tool, `tools.${index}`));
  const names = tools.map((tool) => tool.function.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw refused('tools', `names '${twice}' twice`);
  return tools;
}

function toTool(input: unknown, field: string): ClientTool {
  if (!isObject(input) || input['type'] !== 'function' || !isObject(input['function']))
    throw refused(field, 'must be {"type": "function", "function": {…}}');
  const { name, description, parameters } = input['function'];
  if (typeof name !== 'string' || !NAME.test(name))
    throw refused(`${field}.function.name`, 'must have 1 to 64 letters, digits, "_" or "-"');
  if (
    description !== undefined &&
    (typeof description !== 'string' || Buffer.byteLength(description) > MAX_DESCRIPTION_BYTES)
  )
    throw refused(`${field}.function.description`, `must be a text of at most ${MAX_DESCRIPTION_BYTES} bytes`);
  if (parameters !== undefined && !isObject(parameters))
    throw refused(`${field}.function.parameters`, 'must be a JSON schema object');
  return {
    type: 'function',
    function: { name, ...(description !== undefined && { description }), ...(parameters && { parameters }) },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(field: string, rule: string): DomainError {
  return new DomainError('invalid_input', `${field} ${rule}`, { field });
}
