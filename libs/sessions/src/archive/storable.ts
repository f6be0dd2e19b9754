import { isJsonObject, type JsonObject, type JsonValue } from '../conversation/json.js';

/** Text as PostgreSQL takes it: without NUL and without half characters. */
export const storableText = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/** At most `max` characters, without cutting one in two. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const isSplit = /[\ud800-\udbff]/.test(text.charAt(max - 1));
  return text.slice(0, isSplit ? max - 1 : max);
}

/** A value that jsonb takes, of one that is not nested too deep (parseObject sees to that). */
export function storableJson(value: JsonValue): JsonValue {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storableJson);
  return isJsonObject(value) ? storableObject(value) : value;
}

export function storableObject(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, item]) => [storableText(name), storableJson(item)]));
}
