import { DomainError } from '#kernel';

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function invalid(text: string, field: string): DomainError {
  return new DomainError('invalid_input', text, { field });
}

/** Refuses members the contract does not know: in a list of file operations a typo must not be silently dropped. */
export function assertKnownMembers(object: JsonObject, known: ReadonlySet<string>, where: string): void {
  for (const member of Object.keys(object)) {
    if (known.has(member)) continue;
    const shown = member.length > 100 ? `${member.slice(0, 100)}...` : member;
    throw invalid(`Unknown member "${shown.toWellFormed()}" in ${where}`, where);
  }
}

/** Text whose UTF-16 is sound, so that its bytes are what the client meant. */
export function assertWellFormed(text: string, member: string, path: string): void {
  if (!text.isWellFormed()) throw invalid(`${member} contains invalid unicode: ${path}`, member);
}
