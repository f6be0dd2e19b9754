/** Stripe's request bodies: `a[b][0][c]=v`, form-encoded, as nested records; lists are records with index keys. */
export type Form = { readonly [name: string]: string | Form };

/** What a route takes: `text`, a free map, one shape, or a list of one shape. Names that end in `!` are required. */
export type Shape = { readonly [name: string]: 'text' | 'map' | Shape | readonly [Shape] };

/** A refusal in Stripe's words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly type: 'invalid_request_error' | 'idempotency_error' | 'api_error',
    message: string,
    readonly more: { readonly code?: string; readonly param?: string } = {},
  ) {
    super(message);
  }
}

export function parseForm(body: string): Form {
  const form: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(body)) {
    const path = name.split('[').map((part) => part.replace(/\]$/, ''));
    let at = form;
    for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
    at[path.at(-1)!] = value;
  }
  return form as Form;
}

/** Refuses what the real server refuses: names it does not know, missing ones, metadata beyond its bounds. */
export function assertShape(form: Form, shape: Shape, prefix = ''): void {
  const known = new Map(Object.entries(shape).map(([name, kind]) => [name.replace(/!$/, ''), kind]));
  const nameOf = (name: string): string => (prefix === '' ? name : `${prefix}[${name}]`);
  for (const name of Object.keys(shape).filter((candidate) => candidate.endsWith('!'))) {
    const param = nameOf(name.slice(0, -1));
    if (form[name.slice(0, -1)] === undefined || form[name.slice(0, -1)] === '')
      throw new Refusal(400, 'invalid_request_error', `Missing required param: ${param}.`, {
        code: 'parameter_missing',
        param,
      });
  }
  for (const [name, value] of Object.entries(form)) {
    const param = nameOf(name);
    const kind = known.get(name);
    if (kind === undefined)
      throw new Refusal(400, 'invalid_request_error', `Received unknown parameter: ${param}`, {
        code: 'parameter_unknown',
        param,
      });
    assertKind(value, kind, param);
  }
}

function assertKind(value: string | Form, kind: Shape[string], param: string): void {
  if (kind === 'text') {
    if (typeof value !== 'string') throw invalid(`Invalid string: ${JSON.stringify(value)}`, param);
    return;
  }
  if (typeof value === 'string') throw invalid('Invalid object', param);
  if (kind === 'map') return assertMetadata(value, param);
  if (Array.isArray(kind)) {
    const [item] = kind as readonly [Shape];
    for (const [index, entry] of Object.entries(value)) {
      if (!/^\d+$/.test(index) || typeof entry === 'string') throw invalid('Invalid array', param);
      assertShape(entry, item, `${param}[${index}]`);
    }
    return;
  }
  assertShape(value, kind as Shape, param);
}

function assertMetadata(map: Form, param: string): void {
  const entries = Object.entries(map);
  if (entries.length > 50) throw invalid('You have too many metadata keys. You can have up to 50.', param);
  for (const [name, value] of entries) {
    if (typeof value !== 'string' || value.length > 500)
      throw invalid('Metadata values can have up to 500 characters', param);
    if (name.length > 40) throw invalid('Metadata keys can have up to 40 characters', param);
  }
}

function invalid(message: string, param: string): Refusal {
  return new Refusal(400, 'invalid_request_error', message, { param });
}
