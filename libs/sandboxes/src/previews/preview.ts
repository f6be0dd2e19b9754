import { randomBytes } from 'node:crypto';
import { DomainError } from '#kernel';
import type { Entrance } from './entrance.js';

export type PreviewKind = 'dev-server' | 'code-editor';

/** The ports of a sandbox that previews are at (sandbox-sessions.md §A11.4). */
export const OPEN_PORTS: readonly number[] = [3000, 5173, 4321, 8000];
export const EDITOR_PORT = 8000;

/** A server in a sandbox that a browser reaches by way of this process. */
export interface Preview {
  /** Names it in addresses; no secret. */
  readonly id: string;
  readonly sandboxId: string;
  readonly kind: PreviewKind;
  readonly executionId: string;
  /** Of the checkout, `.` for its root; null for what belongs to no package. */
  readonly packagePath: string | null;
  readonly entrance: Entrance;
  /** That it answers at; the one it was told before it does. */
  port: number;
  /** Nothing is shown of it before. */
  isReady: boolean;
}

export function newPreviewId(): string {
  return randomBytes(12).toString('hex');
}

export function notOffered(why: string): DomainError {
  return new DomainError('not_implemented', why, { reason: 'preview_not_available' });
}

export function portTaken(port: number): DomainError {
  return new DomainError('conflict', `Port ${port} is taken by another preview of the sandbox`, {
    reason: 'port_taken',
    details: { port },
  });
}

export function previewElsewhere(): DomainError {
  return new DomainError('conflict', 'It runs by way of another process of the server; stop it or try again soon', {
    reason: 'preview_elsewhere',
  });
}
