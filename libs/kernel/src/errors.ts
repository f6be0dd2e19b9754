/** Every kind of failure the domain can report, with its default HTTP status. A dialect may override the status. */
export const ERROR_STATUS = {
  /** A field of the input breaks a rule; surfaces that answer 422 for validation do so for this kind. */
  invalid_input: 400,
  /** A request that is 400 on every surface. */
  bad_request: 400,
  unauthorized: 401,
  payment_required: 402,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  gone: 410,
  precondition_failed: 412,
  payload_too_large: 413,
  range_not_satisfiable: 416,
  unprocessable: 422,
  precondition_required: 428,
  rate_limited: 429,
  quota_exceeded: 429,
  internal: 500,
  /** It did not succeed for a reason that the caller is told. */
  operation_failed: 500,
  /** The installation does not offer it; trying again does not help. */
  not_implemented: 501,
  upstream_failed: 502,
  unavailable: 503,
  timeout: 504,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

export interface ErrorFacts {
  /** Extra members a client may act on (current_sha, limit_bytes, …). Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** A finer machine code inside the kind, e.g. `api_key_revoked`. */
  readonly reason?: string;
  /** HTTP headers that belong to the failure, e.g. `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The offending input field, when there is one. */
  readonly field?: string;
  readonly cause?: unknown;
}

/** A failure with a stable code and a message that may be shown to the caller. */
export class DomainError extends Error {
  readonly details: Readonly<Record<string, unknown>>;
  readonly reason: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly field: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    facts: ErrorFacts = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'DomainError';
    this.details = facts.details ?? {};
    this.reason = facts.reason;
    this.headers = facts.headers ?? {};
    this.field = facts.field;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** The plain form of a DomainError that survives a worker thread or process boundary. */
export interface WireDomainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly reason?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly field?: string | undefined;
}

export function toWireError(error: DomainError): WireDomainError {
  const { code, message, details, reason, headers, field } = error;
  return { code, message, details, reason, headers, field };
}

export function fromWireError(wire: WireDomainError): DomainError {
  return new DomainError(wire.code, wire.message, {
    ...(wire.details && { details: wire.details }),
    ...(wire.reason !== undefined && { reason: wire.reason }),
    ...(wire.headers && { headers: wire.headers }),
    ...(wire.field !== undefined && { field: wire.field }),
  });
}
