import type { DomainError } from '#kernel';

export interface ErrorReply {
  readonly status: number;
  /** A JSON value, or a string for text/plain. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** How one wire surface answers errors. DTOs speak the surface's fields; nothing else differs between dialects. */
export interface Dialect {
  readonly name: 'git' | 'captured' | 'sandbox' | 'agent' | 'plain';
  /** Request headers a browser may send cross-origin. */
  readonly corsHeaders: readonly string[];
  /** Whether pages of any origin may call; else those of CORS_ORIGINS. Credentials are never sent by themselves. */
  readonly isOpenToOrigins?: boolean;
  reply(error: DomainError, requestId: string): ErrorReply;
  /** The 401 of a request without any credential. `isForeign`: its Authorization is of a scheme that is none of ours. */
  missingCredential(isForeign: boolean): DomainError;
  /** The 400/422 of a body that is not JSON. */
  malformedJson(position: number): DomainError;
  /** The answer to a path or method no route has; `allowed` are the methods the path does have. */
  unknownRoute(allowed: readonly string[]): DomainError;
}
