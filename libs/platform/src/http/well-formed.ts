/** An escape that may be half of a character; whole halves cannot be stored, compared or sent on. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

export type JsonPath = readonly (string | number)[];

/**
 * Where parsed JSON holds a text or a name with half a character (`"\ud800"`), or null when it nowhere does. `text` is
 * what was parsed: without such an escape in it nothing is walked.
 */
export function illFormedAt(text: string, value: unknown): JsonPath | null {
  return SURROGATE_ESCAPE.test(text) ? find(value, []) : null;
}

function find(value: unknown, path: JsonPath): JsonPath | null {
  if (typeof value === 'string') return value.isWellFormed() ? null : path;
  if (typeof value !== 'object' || value === null) return null;
  const isList = Array.isArray(value);
  for (const [name, member] of Object.entries(value)) {
    const found = name.isWellFormed() ? find(member, [...path, isList ? Number(name) : name]) : path;
    if (found) return found;
  }
  return null;
}
