/** An escape that may be half of a character; whole halves cannot be stored, compared or sent on. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

export type JsonPath = readonly (string | number)[];

/**
 * Where parsed JSON holds a text or a name with half a character (`"\ud800"`), or null when it nowhere does. `text` is
 * what was parsed: without such an escape in it nothing is walked.
 */
export function illFormedAt(text: string, value: unknown): JsonPath | null {
  return SURROGATE_ESCAPE.test(text) ? find(value, [], (part) => !part.isWellFormed()) : null;
}

/** Where parsed JSON holds a NUL, which PostgreSQL takes in no text and in no jsonb. */
export function nulAt(value: unknown): JsonPath | null {
  return find(value, [], (text) => text.includes('\0'));
}

function find(value: unknown, path: JsonPath, isBad: (text: string) => boolean): JsonPath | null {
  if (typeof value === 'string') return isBad(value) ? path : null;
  if (typeof value !== 'object' || value === null) return null;
  const isList = Array.isArray(value);
  for (const [name, member] of Object.entries(value)) {
    const found = isBad(name) ? path : find(member, [...path, isList ? Number(name) : name], isBad);
    if (found) return found;
  }
  return null;
}
